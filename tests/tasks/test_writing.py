"""Tasks that read and write symbols, by their command line: they learn, answer, and leave figures that hold something."""

import io
import json

import numpy as np
import pytest

from tasks import sequence, translate, writing
from tasks.__main__ import main
from tests.tasks.attending import holds_something, losses, small, weights_of
from tinyaug import Tensor
from tinyaug.data.symbols import Pair

TASKS = ["sequence", "translate"]
SMALL = {"rnn": ["hidden=32", "embedding=16"], "transformer": ["width=32", "hidden=64"],
         "no-attention": ["hidden=32", "embedding=16"]}

pytestmark = pytest.mark.host            # the command line chooses the device itself


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(folder, result, trace) of a run of a few seconds: digit strings of at most 3."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra `tasks`)")
    folder = tmp_path_factory.mktemp("sequence") / "run"
    settings = [part for change in SMALL["rnn"] for part in ("--set", change)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sequence, "KINDS", {"copy": "c", "reverse": "r"})
        patch.setattr(sequence, "TRAINED", 3)
        patch.setattr(sequence, "LENGTHS", (3, 6))
        patch.setattr(sequence, "targets", lambda config, result: {})
        code = main(["sequence", "--out", str(folder), "--trace", str(folder.parent / "trace.npz"), "--quiet",
                     "--steps", "500", *settings])
    assert code == 0
    with np.load(folder.parent / "trace.npz", allow_pickle=False) as file:
        return folder, json.loads((folder / "result.json").read_text()), dict(file)


@pytest.mark.slow
def test_it_learns_to_copy_and_to_reverse(trained):
    _, result, _ = trained
    assert result["metrics"]["exact_copy"] > 0.9 and result["metrics"]["exact_reverse"] > 0.9
    short, long = result["by_length"]
    assert short["copy"] > 0.85 and long["copy"] <= short["copy"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["alignments", "learning-curve"])
def test_a_figure_is_written_and_not_blank(trained, name):
    assert holds_something(trained[0] / "figures" / f"{name}.png")


@pytest.mark.slow
def test_the_trace_holds_what_was_read_written_and_looked_at(trained):
    trace = trained[2]
    for i in range(2):
        weights = trace[f"attention_{i}"]
        assert weights.shape == (len(trace[f"output_{i}"]), len(trace[f"source_{i}"]))
        np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)
        assert trace[f"source_{i}"].dtype.kind == "U" and len(trace[f"target_{i}"]) == 10


@pytest.mark.parametrize("model", writing.MODELS)
@pytest.mark.parametrize("name", TASKS)
def test_thirty_steps_on_one_batch_lower_the_loss(name, model):
    found = losses(*small(name, model, *SMALL[model]), steps=30, rate=3e-3)
    assert found[-1] < 0.8 * found[0]


def test_measure_counts_answers_symbols_and_places(monkeypatch):
    """One right answer that was read from the right places but for one, one with a wrong symbol, one that is too short."""
    pairs = [Pair("abc", "xyz", [{0}, {1}, {2}]), Pair("abc", "xyz", [{0}, None, {2}]), Pair("abc", "xy", [{0}, {1}])]
    looked = [list(np.eye(3)[[0, 1, 1, 2]]), list(np.eye(3)), list(np.eye(3))]
    monkeypatch.setattr(writing, "answers", lambda *_: ([list("xyz"), list("xyx"), list("x")], looked))
    found = writing.measure(None, pairs, None, None)
    assert found == {"exact": pytest.approx(1 / 3), "symbols": pytest.approx(6 / 8), "places": pytest.approx(2 / 3)}


def test_answers_of_more_than_one_batch_are_in_order():
    task, _, net = small("sequence", "rnn", *SMALL["rnn"])
    pairs = sequence.mixed(np.random.default_rng(0), 260, 1, 5)
    written, weights = writing.answers(net, pairs, sequence.SOURCES, sequence.TARGETS, 5)
    for i in (0, 249, 250, 259):
        alone, looked = writing.answers(net, pairs[i:i + 1], sequence.SOURCES, sequence.TARGETS, 5)
        assert alone[0] == written[i] and len(looked[0]) == len(weights[i])


@pytest.mark.parametrize("change, says", [
    ("hidden=0", "hidden: got 0, expected at least 1"),
    ("reads=0", "reads: got 0, expected an even number of at least 2: half reads each way"),
    ("hidden=33", "hidden: got 33, expected an even number of at least 2: half reads each way"),
    ("rate=0", "rate: got 0.0, expected more than 0"),
    ("sampling=2", "sampling: got 2.0, expected 0 .. 1"),
    ("score=best", "score: got 'best', expected one of additive, dot, general, concat, location"),
    ("heads=3", "--set heads=3: got key 'heads'"),
])
def test_a_setting_that_cannot_be_is_one_line_and_code_2(change, says, capsys, tmp_path):
    assert main(["translate", "--out", str(tmp_path / "run"), "--set", change]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1 and not (tmp_path / "run").exists()


def test_heads_divide_the_width_and_positions_have_a_kind(capsys, tmp_path):
    for change, says in (("heads=3", "heads: got 3, expected a divisor of width=64"),
                         ("positions=none", "positions: got 'none', expected one of sinusoidal, learned")):
        assert main(["translate", "--model", "transformer", "--out", str(tmp_path / "run"), "--set", change]) == 2
        assert says in capsys.readouterr().err


@pytest.mark.parametrize("score", writing.SCORES)
def test_every_score_can_be_chosen(score):
    task, config, net = small("translate", "rnn", *SMALL["rnn"], f"score={score}")
    batch = [Tensor(array) for array in task.batch(config | {"batch": 2}, np.random.default_rng(0), 1)]
    assert np.isfinite(task.loss(net, *batch)[0].item())


def test_scheduled_sampling_feeds_the_share_that_is_asked_for():
    task, config, _ = small("translate", "rnn", *SMALL["rnn"], "sampling=0.25")
    own = np.concatenate([task.batch(config, np.random.default_rng(i), 1)[3].ravel() for i in range(5)])
    assert own.dtype == bool and abs(own.mean() - 0.25) < 0.03


@pytest.mark.parametrize("name, model", [("translate", "rnn"), ("sequence", "rnn"), ("sequence", "transformer")])
def test_shipped_weights_reach_the_bars(name, model):
    net, _ = weights_of(name, model)
    rng = np.random.default_rng(5)
    file = {"translate": translate, "sequence": sequence}[name]
    for kind in file.KINDS:
        pairs = (translate.KINDS[kind](rng, 200, testing=True) if name == "translate"
                 else sequence.digits(rng, 200, kind, 1, sequence.TRAINED))
        assert writing.exact(net, pairs, file.SOURCES, file.TARGETS) >= 0.98, kind


def test_interactive_answers_lines_and_says_what_it_cannot_read(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("3rd of May 1987\n3rd of M\u00e4rz\n4017\n"))
    assert main(["translate", "--interactive"]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0] == "1987-05-03" and lines[2] == "four thousand seventeen"
    assert "1 < '1'" in lines[1] and said.err.startswith("line 2: got '\u00e4', expected one of")


def test_interactive_gives_the_best_answers_of_a_beam_search(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("3rd of may 1987\n"))
    assert main(["translate", "--interactive", "--beams", "3"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert 1 <= len(rows) <= 3 and rows[0][1] == "1987-05-03" and -0.1 < float(rows[0][0]) <= 0
    assert [float(row[0]) for row in rows] == sorted((float(row[0]) for row in rows), reverse=True)
    assert main(["translate", "--beams", "3"]) == 2
    assert "--beams 3: expected at least 1, and --interactive" in capsys.readouterr().err


def test_a_line_of_digits_is_read_as_it_is_typed():
    assert [sequence.prepare(line, {}) for line in (" c120", "r7", "12 + 34\n")] == ["c120", "r7", "+21+43"]
    for line in ("", "c", "x12", "c12a", "+", "12+", "1+2+3", "c1+2"):
        with pytest.raises(ValueError, match="expected c, r or s before digits, or two numbers"):
            sequence.prepare(line, {})


@pytest.mark.parametrize("name", ["spell", "listen", "caption", "translate"])
def test_data_that_cannot_be_read_leave_no_run_behind(name, tmp_path, capsys):
    (tmp_path / "data").mkdir()
    assert main([name, "--data", str(tmp_path / "data"), "--out", str(tmp_path / "run")]) == 2
    assert capsys.readouterr().err.startswith(f"tasks: --data: {tmp_path / 'data'}: expected ")
    assert not (tmp_path / "run").exists()


def test_interactive_goes_with_nothing_that_trains(capsys):
    assert main(["translate", "--interactive", "--steps", "3"]) == 2
    assert "--steps: not together with --interactive" in capsys.readouterr().err
