"""The interpreter's task by its command line: it learns, ships, answers, and its proof is none where a call is wrong."""

from pathlib import Path

import numpy as np
import pytest

from tasks import interpret as task
from tasks.__main__ import main
from tasks.runner import shipped
from tinyaug import Tensor, no_grad
from tinyaug.data import traces
from tinyaug.train.optimise import Adam

WEIGHTS = Path(task.__file__).parent / "weights"

pytestmark = pytest.mark.host            # the command line chooses the device itself


def small(model="loop", **changes):
    config = {"task": "interpret", "model": model, "seed": 1, "data": None, **task.LOOP, "longest": 3, "examples": 4,
              "batch": 16, **changes}
    return task.build(config, np.random.default_rng(0)), config


@pytest.mark.slow
def test_it_learns_programs_from_traces():
    """From no frame without a mistake to most of the frames of arrays and numbers of at most three, in 150 steps."""
    model, config = small(model="recursive", hidden=32, width=32, examples=20, batch=32)
    optimiser, rng = Adam(model, rate=0.01, clip_norm=1.0), np.random.default_rng(1)
    frames = [frame for group in task.known(config)[0] for frame in group]
    with no_grad():
        before = task.right_frames(model, frames)
    for i in range(1, 151):
        optimiser.zero_grad()
        task.loss(model, *[Tensor(x) for x in task.batch(config, rng, i)])[0].backward()
        optimiser.step()
    with no_grad():
        assert before < 0.05 and task.right_frames(model, frames) > 0.7


def test_a_mistake_in_one_frame_is_seen():
    """right_frames is 1 for the frames that a model does right, and less with one call changed."""
    model, _ = small()
    frames = [traces.frame_of("COMPSWAP", [(1, 2, 0, 0)], traces.FORMS["loop"])]
    with no_grad():
        model.end.bias.data[...] = 50.0             # always over: right for what calls nothing
        assert task.right_frames(model, frames) == 1.0
        wrong = traces.frame_of("COMPSWAP", [(2, 1, 0, 0), (1, 2, 0, 0)], traces.FORMS["loop"])
        assert task.right_frames(model, [*frames, wrong]) == 0.5


def test_batches_are_short_or_of_loops():
    _, config = small()
    rng = np.random.default_rng(0)
    lengths = {task.batch(config, rng, i)[1].shape[1] for i in range(1, 9)}
    assert lengths == {task.SHORT, 2 * config["longest"] + 3}
    _, config = small(model="recursive")
    assert {task.batch(config, rng, i)[1].shape[1] for i in range(1, 9)} == {task.SHORT}


def test_problems_are_what_they_say():
    rng = np.random.default_rng(0)
    pad, wanted = task.problem(rng, "addition", 30)
    assert len(str(wanted)) in (30, 31) and traces.trace("ADD", pad, traces.FORMS["loop"]) and pad.result() == wanted
    pad, wanted = task.problem(rng, "maximum", 9)
    assert wanted == max(pad.array) and len(pad.array) == 9


def test_shipped_weights_add_and_sort():
    model, _, _ = shipped(task.TASK, "loop", WEIGHTS)
    with no_grad():
        assert task.measure(model, np.random.default_rng(5), "addition", 100, 100) == 1.0
        assert task.measure(model, np.random.default_rng(5), "sort", 20, 20) == 1.0


@pytest.mark.slow
def test_shipped_weights_of_the_recursive_form_are_proved():
    """Every call in every case: so it is right for numbers of any length, and here for one of 2,000 digits."""
    model, _, _ = shipped(task.TASK, "recursive", WEIGHTS)
    with no_grad():
        assert task.proof(model) == (1.0, 125536)
        assert task.measure(model, np.random.default_rng(6), "addition", 300, 3) == 1.0


def test_a_program_that_was_added_later_leaves_the_rest_as_it_was():
    """The core and the vectors of all older programs are those of the loop's weights, to the bit."""
    before, after = (shipped(task.TASK, name, WEIGHTS)[0].state() for name in ("loop", "max"))
    assert all(before[name].tobytes() == after[name].tobytes() for name in before)
    assert set(after) - set(before) == {"later_embedding.weight", "later_key.weight"}
    model, _, _ = shipped(task.TASK, "max", WEIGHTS)
    with no_grad():
        for kind in task.KINDS:
            assert task.measure(model, np.random.default_rng(7), kind, 20, 20) == 1.0


def test_ask_prints_every_call(capsys):
    assert main(["interpret", "--ask", "96+125"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "ADD" and said[-1] == "result: 221"
    assert said[1].split() == ["ADD1", "sees", "6", "5", "-", "-"]
    assert said[2].split("sees")[0].strip() == "ACT(write, 3, 1)"
    assert main(["interpret", "--ask", "sort 3,1,2"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "result: [1, 2, 3]"


def test_stepwise_waits_before_each_call(capsys, monkeypatch):
    waits = []
    monkeypatch.setattr("builtins.input", lambda: waits.append(len(capsys.readouterr().out.splitlines())))
    assert main(["interpret", "--ask", "1+2", "--stepwise"]) == 0
    assert len(waits) > 5 and set(waits) == {1}


def test_the_call_tree_is_drawn_from_the_trace(tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra `tasks`)")
    model, config, _ = shipped(task.TASK, "loop", WEIGHTS)
    with no_grad():
        trace = task.trace(model, config, np.random.default_rng(0))
    assert str(trace["result"]) == "221" and trace["depth"].min() == 1
    path, = task.figures(tmp_path, trace, [])
    text = path.with_suffix(".svg").read_text()
    assert "96 + 125: the result is 221" in text and "CARRY" in text


@pytest.mark.parametrize("arguments, says", [
    (["--ask", "96-125"], "--ask: got '96-125', expected two numbers such as 96+125"),
    (["--ask", "sort 3,x"], "expected two numbers such as 96+125, or digits such as 'sort 3,1,2'"),
    (["--ask", "sort 30,1"], "or digits"),
    (["--stepwise"], "--stepwise: got no --ask"),
    (["--set", "longest=0"], "longest: got 0, expected at least 1"),
])
def test_what_cannot_be_is_one_line_and_code_2(arguments, says, capsys, tmp_path):
    assert main(["interpret", "--out", str(tmp_path / "run"), *arguments]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
