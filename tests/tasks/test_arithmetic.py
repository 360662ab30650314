"""The arithmetic task by its command line: it learns, ships, answers, and its figures hold something."""

from pathlib import Path

import numpy as np
import pytest

from tasks import arithmetic as task
from tasks.__main__ import main
from tasks.runner import streams
from tinyaug import Tensor, no_grad
from tinyaug.data import expressions
from tinyaug.programmer import Instruction
from tinyaug.train.optimise import Adam

WEIGHTS = Path(task.__file__).parent / "weights"

pytestmark = pytest.mark.host            # the command line chooses the device itself


def small(**changes):
    config = {"task": "arithmetic", "model": "programmer", "seed": 1, "data": None, **task.PROGRAMMER, **changes}
    return task.build(config, streams(1)["build"]), config


@pytest.mark.slow
def test_it_learns_programs_of_two_numbers():
    """From answers alone, in 150 steps: the right program for at least four of the six expressions, and before for none."""
    model, config = small(two_until=150, entropy=0.0)
    optimiser, rng = Adam(model, rate=0.005, clip_norm=1.0), np.random.default_rng(1)
    trees = task.forms(2, config)
    with no_grad():
        before = task.measure(model, config, np.random.default_rng(2), 2, trees)
    for i in range(1, 151):
        optimiser.zero_grad()
        task.loss(model, *[Tensor(x) for x in task.batch(config, rng, i)])[0].backward()
        optimiser.step()
    with no_grad():
        after = task.measure(model, config, np.random.default_rng(2), 2, trees)
    assert before["correct_program"] == 0 and min(after["exact"], after["correct_program"]) > 0.6


def test_same_is_held_to_every_row():
    numbers = np.array([[1.0, 2.0, 3.0], [5.0, 0.5, 4.0]])
    tree = ("add", 0, ("multiply", 1, 2))
    right = [Instruction("multiply", 2, 1), Instruction("add", 3, 0)]
    assert task.same(right, tree, numbers)
    assert not task.same([Instruction("maximum", 1, 2), *right[1:]], tree, numbers)


def test_expressions_kept_from_training_are_kept():
    config = {"unseen": 10}
    seen, unseen = ([task.forms(n, config, seen=flag) for n in task.NUMBERS] for flag in (True, False))
    assert [len(part) for part in unseen] == [0, 7, 108]
    assert all(not set(a) & set(b) and len(a) + len(b) == 6 * (1, 12, 180)[i] for i, (a, b) in enumerate(zip(seen, unseen)))
    trained = {tree for tree in seen[2]}
    _, config = small(unseen=10, two_until=0, three_until=0)
    drawn = {expressions.write(tree)[0] for tree in trained}
    assert drawn and len(task.batch(config, np.random.default_rng(0), 1)) == 7


def test_a_step_has_the_shapes_that_it_says():
    model, config = small(batch=4, two_until=0, three_until=9)
    tokens, places, numbers, answers, *constants = task.batch(config, np.random.default_rng(5), 1)
    count = numbers.shape[2]
    assert tokens.shape == (4, task.TOKENS) and places.shape == (4, count, task.TOKENS) and answers.shape == (4, 4)
    assert [c.shape for c in constants] == [()] * 3
    np.testing.assert_array_equal(places.sum(axis=-1), 1)


@pytest.mark.parametrize("name, kind", [("averaged", "Averaged"), ("averaged-steps", "AveragedSteps")])
def test_a_step_of_the_models_that_average(name, kind):
    model, config = small(**task.MODELS[name] | {"model": name, "two_until": 0, "three_until": 9})
    assert type(model).__name__ == kind
    batch = [Tensor(x) for x in task.batch(config, np.random.default_rng(5), 1)]
    value, logged = task.loss(model, *batch)
    assert np.isfinite(value.item()) and logged["misfit"].item() > 0 and logged["entropy"].item() > 5


def test_the_bonus_is_annealed_for_each_number_of_numbers_anew():
    config = task.MODELS["averaged"] | {"steps": 1000, "two_until": 100, "three_until": 200, "entropy": 2.0}
    assert task.bonus(config, 41) == pytest.approx(2.0 * 0.001 ** (41 / 80))
    assert [task.bonus(config, i) for i in (80, 100, 199, 900, 1000)] == [0.0] * 5
    assert task.bonus(config, 101) > 1.5 and task.bonus(config, 201) > 1.9 > task.bonus(config, 230)


def test_ask_prints_the_program_and_the_answer(capsys):
    assert main(["arithmetic", "--ask", "x1 + x2 * x3", "--numbers", "1000,200,30"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("program: t1 = multiply(x") and said[1] == "answer: 7000"


def test_ask_says_that_it_divides_by_zero(capsys):
    assert main(["arithmetic", "--ask", "x1 / ( x2 - x3 )", "--numbers", "1,2,2"]) == 0
    said = capsys.readouterr().out
    assert "t2 divides by zero, so there is no answer; a soft program goes on with 1e-06 in its place" in said
    assert "answer:" not in said


def test_shipped_weights_do_what_the_page_says():
    """Every expression of two to four numbers, on numbers 100 times larger than any that was trained."""
    from tasks.runner import shipped
    model, config, _ = shipped(task.TASK, "programmer", WEIGHTS)
    with no_grad():
        found = task.evaluate(model, config, np.random.default_rng(9))
    assert [row["expressions"] for row in found["by_length"]] == [6, 72, 1080]
    assert min(found["metrics"]["exact"], found["metrics"]["correct_program"]) >= 0.99


def test_figures_show_the_traces_own_program(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra `tasks`)")
    from tasks.runner import shipped
    model, config, _ = shipped(task.TASK, "programmer", WEIGHTS)
    with no_grad():
        trace = task.trace(model, config, np.random.default_rng(1))
    assert float(trace["result_2"]) == pytest.approx(float(trace["answer"]), rel=0.05)
    for step in range(3):
        mean = trace[f"operation_{step}"] @ trace[f"outputs_{step}"]
        assert float(mean) == pytest.approx(float(trace[f"result_{step}"]), rel=1e-4)
    paths = task.figures(tmp_path, trace, [])
    assert [path.stem for path in paths] == ["program", "distributions", "averages"]
    text = (tmp_path / "figures" / "program.svg").read_text()
    assert str(trace["program"])[:20] in text
    assert all(path.stat().st_size > 5000 for path in paths)


@pytest.mark.parametrize("arguments, says", [
    (["--ask", "x1 + y", "--numbers", "1,2"], "--ask: got 'x1 + y', expected x1 to x2, x3 or x4, each once"),
    (["--ask", "x1 % x2", "--numbers", "1,2"], "expression: got '%' in 'x1 % x2'"),
    (["--ask", "x1 + x2", "--numbers", "1"], "--numbers: got 1, expected 2 numbers, such as 1,2"),
    (["--ask", "x1 + x2", "--numbers", "1,inf"], "--numbers: got 1,inf, expected 2 numbers, such as 1,2"),
    (["--ask", "x1 + x2 +", "--numbers", "1,2"], "got 'x1 + x2 +', expected an expression of x1, x2, ... in this order"),
    (["--ask", "( x1 + x2", "--numbers", "1,2"], "got '( x1 + x2', expected an expression of x1, x2, ... in this order"),
    (["--ask", "x1 + x2"], "--numbers: got None, expected 2 numbers"),
    (["--numbers", "1,2"], "--numbers: got no --ask"),
    (["--set", "unseen=1"], "unseen: got 1, expected 0, or n to keep every n-th expression from training"),
    (["--set", "temperature=0"], "temperature: got 0.0, expected more than 0"),
])
def test_what_cannot_be_is_one_line_and_code_2(arguments, says, capsys, tmp_path):
    assert main(["arithmetic", "--out", str(tmp_path / "run"), *arguments]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
