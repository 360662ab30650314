"""The tables task by its command line: it ships, answers on a person's own table, and says what it does not understand."""

from pathlib import Path

import numpy as np
import pytest

from tasks import own_table
from tasks import tables as task
from tasks.__main__ import main
from tasks.runner import shipped
from tinyaug import Tensor, no_grad
from tinyaug.data import tables

WEIGHTS = Path(task.__file__).parent / "weights"
TABLE = "name,price\nAnn,10\nBob,20\nCid,30\n"

pytestmark = pytest.mark.host            # the command line chooses the device itself


def small(**changes):
    config = {"task": "tables", "model": "one-column", "seed": 1, "data": None, **task.ONE, "batch": 8,
              **changes}
    return task.build(config, np.random.default_rng(0)), config


def test_a_step_has_the_shapes_that_it_says():
    model, config = small(columns=3)
    batch = task.batch(config, np.random.default_rng(0), 400)
    tokens, places, values, above, below, match, names, scalar, cells, is_scalar, *constants = batch
    assert tokens.shape == (8, task.TOKENS) and places.shape == (8, 2, task.TOKENS) and values.shape == (8, 30, 3)
    assert above.shape == below.shape == (8, 2, 30, 3) and match.shape == (8, 30) and cells.shape == (8, 30, 3)
    assert len(constants) == 2
    np.testing.assert_array_equal(above[:, :, :, :] * below, 0)
    assert not (cells.any(axis=(1, 2)) & (is_scalar == 1)).any()
    value, logged = task.loss(model, *map(Tensor, batch))
    assert np.isfinite(value.item()) and logged["entropy"].item() > 5


@pytest.mark.parametrize("name, of", [("paper-loss", "programs"), ("paper-steps", "steps")])
def test_a_step_of_the_papers_loss(name, of):
    model, config = small(model=name, columns=2)
    assert model.averages == of
    value, logged = task.loss(model, *map(Tensor, task.batch(config, np.random.default_rng(0), 1)))
    assert np.isfinite(value.item()) and logged["misfit"].item() > 1 and logged["entropy"].item() > 1


def test_the_bonus_falls_to_a_500th_and_ends():
    config = task.MODELS["paper-loss"] | {"model": "paper-loss", "batch": 1, "steps": 1000}
    bonus = [float(task.batch(config, np.random.default_rng(0), i)[-2]) for i in (300, 599, 600)]
    assert bonus == pytest.approx([20 * 0.002 ** 0.5, 20 * 0.002 ** (599 / 600), 0])


def test_right_is_strict():
    assert task.right(2.0, 2.0 + 1e-12) and not task.right(2.0, 2.001) and not task.right(None, 0.0)
    assert task.right([(0, 1)], [(0, 1)]) and not task.right([(0, 1)], [(0, 1), (1, 1)]) and not task.right(1.0, [(0, 0)])


def test_a_question_is_understood_word_by_word():
    words = tables.vocabulary(5)
    names = ["price", "unit price"]
    found = own_table.understand("What is the sum of unit price where it says Ann?", names, words, {"Ann": 0})
    assert found.words == "what is the sum of c2 where it says w".split() and found.text == "Ann"
    found = own_table.understand("count the rows where price exceeds -2.5", ["price"], words, {})
    assert found.words[-1] == "n1" and found.numbers == (-2.5, 0.0)


@pytest.mark.parametrize("table, question, says", [
    (TABLE, "what is the sum of height", "'height' is not understood; expected one of the columns price,"),
    (TABLE, "add up", "the question is about no column; expected one of price"),
    ("a,b,c,d,e,f\n1,2,3,4,5,6\n", "add up a", "got 6 columns of numbers, expected at most 5, as five-columns has learned"),
    ("a,b\n1,2\n3\n", "add up a", "t.csv:3: expected 2 columns (a, b), got 1"),
    ("a,b\n1,2\n3,4\n5,x\n", "add up a", "t.csv:4: column b: expected a number, got 'x'"),
    ("a,b\n1,2\n3,4\n5,nan\n", "add up a", "t.csv:4: column b: expected a number, got 'nan'"),
    ("a,A\n1,2\n", "add up a", "t.csv:1: column 2: expected a name of its own, got 'A'"),
    ("a,b\nx,y\n", "add up a", "t.csv: got no column of numbers, expected at least one among a, b"),
])
def test_what_is_not_understood_is_one_line_and_code_2(table, question, says, capsys, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(table)
    assert main(["tables", "--csv", str(path), "--ask", question]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


def test_csv_and_ask_go_together(capsys):
    assert main(["tables", "--ask", "add up price"]) == 2
    assert "--csv and --ask: got one of the two" in capsys.readouterr().err


def test_own_table_of_two_columns(capsys, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("name,price,weight\nAnn,10,1\nBob,20,5\nCid,30,9\n")
    question = "add up price where weight is more than 2 and price is below 25"
    assert main(["tables", "--csv", str(path), "--ask", question]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "answer: 20" and said[-1] == "agrees"


def test_names_of_columns_are_quoted_in_sql_and_texts_stand_in_their_own_column(capsys, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("who's who,name,the \"\"price\n\"O'Neil\",1,10\nBob,2,20\n")
    assert main(["tables", "--csv", str(path), "--ask", "list name where it says O'Neil"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "answer: 1" and said[-1] == "agrees" and '"who\'s who" = \'O\'\'Neil\'' in said[-2]


@pytest.mark.parametrize("question, answer", [
    ("what is the sum of price", "answer: 60"),
    ("count the rows where price is greater than 15", "answer: 2"),
    ("print price where price is less than 25", "answer: 10, 20"),
    ("add up price where it says Bob", "answer: 20"),
])
def test_own_table(question, answer, capsys, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(TABLE)
    assert main(["tables", "--csv", str(path), "--ask", question]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == answer and said[-2].startswith("SQL: SELECT") and said[-1] == "agrees"


@pytest.mark.parametrize("name", ["one-column", "five-columns", "paper-loss"])
def test_shipped_weights_reach_their_bars(name):
    """Among them that the soft answer, and sqlite3, say what the hard program says."""
    model, config, _ = shipped(task.TASK, name, WEIGHTS)
    with no_grad():
        found = task.evaluate(model, config, np.random.default_rng(9))
    targets = task.targets(config, found)
    assert all(bar["reached"] for bar in targets.values()), targets


def test_the_figure_is_drawn_from_the_trace(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra `tasks`)")
    model, config, _ = shipped(task.TASK, "one-column", WEIGHTS)
    with no_grad():
        trace = task.trace(model, config, np.random.default_rng(0))
    path, = task.figures(tmp_path, trace, [])
    assert path.stem == "selections" and str(trace["sql"])[:12] in path.with_suffix(".svg").read_text()
