"""Training under the recorder, which is what `python -m tasks` does unless told otherwise."""

import json
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from tasks import copy, runner
from tasks.__main__ import load, main
from tests.tasks import line
from tests.tasks.test_tasks import CASES
from tinyaug import Tensor, ops, using_dtype
from tinyaug.autograd import recorder
from tinyaug.nn import Dropout
from tinyaug.record import record
from tinyaug.train import checkpoint

pytestmark = pytest.mark.host            # the command line chooses the device itself

SETTINGS = ["bits=3", "max_length=3", "slots=8", "width=4", "hidden=8", "batch=2", "validate_every=1000"]


def train(folder, task, *arguments, settings=SETTINGS):
    """`python -m tasks` in this process, without the evaluation at the end. returns: its exit code"""
    words = [word for setting in settings for word in ("--set", setting)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "finish", lambda *_: None)
        patch.setattr(runner, "train", partial(runner.train, log_every=1))
        return main([task.name, "--out", str(folder), "--quiet", *words, *map(str, arguments)],
                    lambda: [task.name], {task.name: task}.__getitem__)


def left(folder):
    """The arrays of the newest checkpoint, and what was logged."""
    _, arrays, meta = checkpoint.newest_valid(folder)
    return arrays, meta["rngs"], [json.loads(row) for row in (folder / "metrics.jsonl").read_text().splitlines()]


def equal(one, other):
    return one.keys() == other.keys() and all(one[name].tobytes() == other[name].tobytes() for name in one)


@pytest.fixture
def recorded(monkeypatch):
    """The Recorded functions that a run made, by name."""
    made, real = [], runner.record
    monkeypatch.setattr(runner, "record", lambda function: made.append(real(function)) or made[-1])
    return made


def test_a_run_is_recorded_unless_it_shall_be_eager(tmp_path, recorded, capsys):
    assert train(tmp_path / "run", copy.TASK, "--steps", 8) == 0
    gradient, update = recorded
    assert 1 < len(gradient.programs) <= 3 and len(update.programs) == 1        # lengths 1 to 3
    assert "stays eager" not in capsys.readouterr().err
    recorded.clear()
    assert train(tmp_path / "eager", copy.TASK, "--steps", 2, "--eager") == 0
    assert not recorded


def test_a_resumed_run_is_the_run_that_was_left_alone(tmp_path, recorded):
    assert train(tmp_path / "whole", copy.TASK, "--steps", 11) == 0
    assert train(tmp_path / "cut", copy.TASK, "--steps", 5) == 0
    assert train(tmp_path / "cut", copy.TASK, "--steps", 11, "--resume") == 0
    assert len(recorded) == 6 and all(function.programs for function in recorded)
    (one, stands, log), (other, there, logged) = left(tmp_path / "whole"), left(tmp_path / "cut")
    assert equal(one, other) and stands == there and log == logged and log[-1]["step"] == 11
    assert (tmp_path / "whole/metrics.jsonl").read_bytes() == (tmp_path / "cut/metrics.jsonl").read_bytes()


def test_recorded_and_eager_agree(tmp_path):
    """Twenty steps of several lengths, in float64: what rounding differs grows with every step."""
    with using_dtype("float64"):
        for name, extra in (("recorded", ()), ("eager", ("--eager",))):
            assert train(tmp_path / name, copy.TASK, "--steps", 20, *extra) == 0
    (one, _, log), (other, _, logged) = left(tmp_path / "recorded"), left(tmp_path / "eager")
    assert one.keys() == other.keys() and len(log) == len(logged) == 20
    for name in one:
        assert one[name].dtype == other[name].dtype
        np.testing.assert_allclose(one[name], other[name], rtol=1e-7, atol=1e-9, err_msg=name)
    for row, expected in zip(log, logged):
        assert row["train"] == pytest.approx(expected["train"], rel=1e-9)


@pytest.mark.parametrize("name, model", CASES)
def test_a_step_of_every_task_is_what_it_is_eagerly(name, model):
    """Loss, what is logged, and the gradient of every parameter, over three batches of a small model, in float64."""
    with using_dtype("float64"):
        task = load(name)
        small = ["batch=1", *["hidden=8"] * (name == "copy")]
        config = {"task": name, "model": model, "seed": 1, "data": None, **task.settings(model, small)}
        config |= task.keeps(config)
        rngs = runner.streams(1)
        net = task.build(config, rngs["build"])

        def differentiate(*batch):
            net.zero_grad()
            loss, logged = task.loss(net, *batch)
            loss.backward()
            return loss, *logged.values(), *[p.grad for p in net.parameters() if p.grad is not None]

        recorded = record(differentiate)
        for i in (1, 1, 2):
            batch = [Tensor(array) for array in task.batch(config, rngs["data"], i)]
            for got, expected in zip(recorded(*batch), differentiate(*batch), strict=True):
                a, b = got.numpy(), expected.numpy()
                np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10 * max(1, np.abs(b).max(initial=0)))


def planted(model, inputs, targets):
    value, logged = copy.loss(model, inputs, targets)
    return value + ops.mean(ops.sqrt(inputs)), logged        # inputs are 0 or 1


def spoiled(config, rng, i):
    inputs, targets = copy.batch(config, rng, i)
    return inputs - 2.0 * (i == 4), targets


def test_the_guard_names_a_planted_nan_and_refuses_the_step(tmp_path, capsys, recorded):
    task = replace(copy.TASK, loss=planted, batch=spoiled)
    assert train(tmp_path / "run", task, "--steps", 9) == 1
    told = capsys.readouterr().err
    assert "step 4: the loss is nan" in told and "sqrt (forward)" in told
    assert f"{__file__}:" in told and "ops.mean(ops.sqrt(inputs))" in told
    assert len(recorded) == 2 and recorded[0].programs
    assert train(tmp_path / "three", replace(task, batch=copy.batch), "--steps", 3) == 0
    kept = {name.removeprefix("model/"): array
            for name, array in checkpoint.load(tmp_path / "run/failed-step-0000004.npz").arrays.items()
            if name.startswith("model/")}
    expected = {name.removeprefix("model/"): array for name, array in left(tmp_path / "three")[0].items()
                if name.startswith("model/")}
    assert kept and equal(kept, expected)


class Dropped(line.Line):
    """A line whose input is dropped at random: no two steps make the same array calls."""

    def __init__(self, rng):
        super().__init__(rng)
        self.dropout = Dropout(0.5, rng=rng)

    def __call__(self, x):
        return super().__call__(self.dropout(x, training=True))


def test_what_cannot_be_recorded_stays_eager_says_so_and_is_the_same(tmp_path, capsys):
    task = replace(line.TASK, build=lambda config, rng: Dropped(rng), validate=lambda *_: {})
    for name, extra in (("recorded", ()), ("eager", ("--eager",))):
        assert train(tmp_path / name, task, "--steps", 5, *extra, settings=()) == 0
        told = capsys.readouterr().err
        assert ("the gradient stays eager: record: an array of shape (4, 1) is made, or drawn" in told) is not bool(extra)
        assert "the update stays eager" not in told
    (one, stands, log), (other, there, logged) = left(tmp_path / "recorded"), left(tmp_path / "eager")
    assert stands == there and log == logged
    assert all(np.allclose(one[name], other[name], rtol=1e-6) for name in one)


def test_an_error_in_the_step_passes_and_leaves_no_recorder(tmp_path):
    def broken(model, *batch):
        raise ZeroDivisionError("here")
    with pytest.raises(ZeroDivisionError, match="here"):
        train(tmp_path / "run", replace(line.TASK, loss=broken), "--steps", 2, settings=())
    assert recorder() is None and Tensor(1.0).item() == 1.0
