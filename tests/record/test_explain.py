"""explain(): what a recorded function became, in numbers that are true of its program."""

from importlib import import_module

import numpy as np
import pytest

from tests.nn.models import ntm
from tinyaug import Tensor, ops
from tinyaug.nn import LSTM, unroll
from tinyaug.record import record
from tinyaug.record.explain import timed
from tinyaug.train.optimise import SGD

pytestmark = pytest.mark.host            # programs are of arrays on the host


@pytest.fixture(scope="module")
def trained():
    """A recorded training step of a small NTM, called with two shapes, and its model."""
    model = ntm(LSTM)(np.random.default_rng(0))
    optimiser = SGD(model, rate=0.1)

    def step(inputs):
        optimiser.zero_grad()
        outputs, _ = unroll(model, inputs)
        loss = ops.sum(outputs * outputs)
        loss.backward()
        optimiser.measure()
        optimiser.advance()
        return loss

    recorded = record(step)
    for length in (4, 2):
        recorded(Tensor(np.ones((length, 2, 3))))
    return recorded, model


def test_it_tells_of_every_program(trained):
    recorded, _ = trained
    text = recorded.explain(runs=1)
    assert repr(text) == str(text)
    for line in ("step: 2 programs", "arguments  (4, 2, 3) float32", "arguments  (2, 2, 3) float32"):
        assert line in text
    for program, _ in recorded.programs.values():
        assert f"{program.counts['recorded']:,} recorded, {program.counts['dead']:,} after dead" in text
        assert f"{len(program.steps):,} run" in text and f"{program.bytes:,} bytes" in text
        assert program.counts["bulk"] == len(program.calls)


def test_time_is_shared_out_by_op_and_by_module(trained):
    recorded, _ = trained
    text = recorded.explain(runs=2).partition("arguments  (2, 2, 3)")[0]
    ops_told, modules = (text.partition(f"by {word} ")[2] for word in ("op", "module"))
    for part in (ops_told.partition("by module")[0], modules):
        shares = [float(line.split()[-2]) for line in part.splitlines() if line.endswith("%")]
        assert len(shares) > 3 and 99 < sum(shares) < 101
    assert "matmul" in ops_told and "(backward)" in ops_told
    for name in ("controller", "memory", "control", "output"):
        assert f"MemoryAugmented.{name} " in modules
    program, _ = next(iter(recorded.programs.values()))
    steps = sum(int(line.split()[-3]) for line in modules.splitlines() if line.endswith("%"))
    assert steps == len(program.steps)


def test_backward_calls_and_leaf_gradients_bear_the_module_of_the_forward_call(trained):
    program, _ = next(iter(trained[0].programs.values()))
    labels = {call.label for call in program.calls}
    for op, name in (("matmul", "controller"), ("matmul (backward)", "controller"), ("leaf (backward)", "control"),
                     ("circular_convolution (backward)", "memory")):
        assert (op, f"MemoryAugmented.{name}") in labels


def test_the_listing_has_a_line_for_every_call(trained):
    recorded, model = trained
    text = recorded.explain(listing=True, runs=0)
    assert "time" not in text and len(text.splitlines()) > sum(len(p.calls) for p, _ in recorded.programs.values())
    for program, _ in recorded.programs.values():
        for call in program.calls:
            assert repr(call) in text
    assert f"argument   (4, 2, 3) {np.dtype('f4')}" in text and f"outside    {model.controller.weight.shape}" in text


def test_calls_that_are_too_many_to_be_read_are_not_kept(monkeypatch):
    monkeypatch.setattr(import_module("tinyaug.record.compile"), "LISTED", 2)
    for n, kept in ((1, 2), (2, 0)):
        recorded = record(lambda x, n=n: [ops.exp(x * i) for i in range(n)])
        recorded(Tensor([1.0, 2.0]))
        program, _ = next(iter(recorded.programs.values()))
        text = recorded.explain(listing=True)
        assert len(program.calls) == kept and f"{2 * n} results in" in text and ("not kept" in text) == (not kept)


def test_timing_changes_nothing(trained):
    recorded, model = trained
    before = model.state()
    program, _ = next(iter(recorded.programs.values()))
    seconds = timed(program, runs=3)
    assert seconds.shape == (len(program.steps),) and seconds.sum() > 0
    assert all(np.array_equal(x, before[name]) for name, x in model.state().items())


def test_before_the_first_call_there_is_nothing_to_tell():
    assert record(unroll).explain() == "unroll: 0 programs"
