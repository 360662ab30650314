"""A function as one op that computes its inside a second time: the same values and gradients, and few programs."""

from typing import NamedTuple

import numpy as np
import pytest

from tinyaug import Tensor, no_grad, ops, using_dtype
from tinyaug.derivatives import gradients
from tinyaug.memory import MemoryAugmented, NTMMemory
from tinyaug.nn import LSTM, unroll
from tinyaug.record import record
from tinyaug.record.recomputed import recomputed

pytestmark = pytest.mark.host            # programs are of arrays on the host

rng = np.random.default_rng(0)


class State(NamedTuple):
    one: Tensor
    two: tuple


def machine():
    """A small Neural Turing Machine and inputs (T, B, D) for it."""
    memory = NTMMemory(slots=6, width=4, rng=rng)
    core = MemoryAugmented(LSTM(3 + 4, 5, rng=rng), memory, input_size=3, output_size=2, rng=rng)
    return core, Tensor(rng.normal(size=(8, 2, 3))), Tensor(rng.normal(size=(8, 2, 2)))


def in_segments(run, core, inputs, size):
    """Outputs (T, B, H) of `run(xs, state)`, a segment after the other."""
    state, outputs = core.initial_state(inputs.shape[1]), []
    for i in range(0, len(inputs), size):
        y, state = run(inputs[i:i + size], state)
        outputs.append(y)
    return ops.concatenate(outputs, axis=0)


def measured(core, outputs, c):
    core.zero_grad()
    loss = ops.sum(outputs * c)
    loss.backward()
    return loss.item(), {name: p.grad.numpy() for name, p in core.named_parameters()}


@pytest.mark.parametrize("size", [1, 4, 5, 8])
def test_in_segments_the_gradients_are_those_of_the_whole(size):
    with using_dtype("float64"):
        core, inputs, c = machine()
        loss, expected = measured(core, unroll(core, inputs)[0], c)
        segment = recomputed(lambda xs, state: unroll(core, xs, state), core.parameters())
        for _ in range(3):               # recorded, compared at the second call, replayed
            again, found = measured(core, in_segments(segment, core, inputs, size), c)
            assert again == pytest.approx(loss, rel=1e-12)
            for name, g in expected.items():
                np.testing.assert_allclose(found[name], g, rtol=1e-9, atol=1e-12, err_msg=name)


def test_segments_of_one_shape_share_their_programs():
    """One forward, and two backward: the first segment starts from a memory that needs no gradient."""
    core, inputs, c = machine()
    segment = recomputed(lambda xs, state: unroll(core, xs, state), core.parameters())
    measured(core, in_segments(segment, core, inputs, 2), c)
    assert [len(recorded.programs) for recorded in segment.programs.values()] == [1, 1, 1]
    forward, *backward = (next(iter(recorded.programs.values()))[0] for recorded in segment.programs.values())
    assert all(len(forward.steps) < len(program.steps) and forward.bytes < program.bytes for program in backward)


def test_its_arguments_and_results_may_be_nests():
    w = Tensor(rng.normal(size=3), requires_grad=True, dtype="float64")

    def function(state, scale):
        return State(state.one * w, (state.two[0] + state.one * scale, state.two[1]))

    def results(run):
        one, two, three = (Tensor(x, requires_grad=True) for x in np.arange(9.0).reshape(3, 3) + 1)
        after = run(State(one, (two, three)), Tensor(2.0))
        loss = ops.sum(after.one * after.two[0]) + ops.sum(ops.exp(after.two[1]))
        return [after.one.numpy(), *[g.numpy() for g in gradients(loss, [one, two, three, w])]]

    with using_dtype("float64"):
        run = recomputed(function, [w])
        for _ in range(2):
            for a, b in zip(results(run), results(function), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-12)


def test_without_a_gradient_it_leaves_no_node():
    w = Tensor(np.ones(3), requires_grad=True)
    double = recomputed(lambda x: x * w * 2, [w])
    with no_grad():
        assert double(Tensor(np.ones(3))).source is None
    assert recomputed(lambda x: x * 2)(Tensor(np.ones(3))).source is None
    assert double(Tensor(np.ones(3))).requires_grad


def test_inside_a_recorded_function_it_is_a_part_of_the_program():
    w = Tensor(rng.normal(size=3), requires_grad=True)
    inner = recomputed(lambda x: ops.tanh(x * w), [w])

    def step(x):
        w.grad = None
        ops.sum(inner(x)).backward()
        return w.grad

    recorded, x = record(step), Tensor(rng.normal(size=3))
    np.testing.assert_allclose(recorded(x).numpy(), step(x).numpy(), rtol=1e-6)
    assert inner.programs and len(recorded.programs) == 1


def test_its_gradient_is_not_differentiated():
    x = Tensor(np.ones(3), requires_grad=True)
    y = ops.sum(recomputed(lambda x: x * x)(x))
    with pytest.raises(NotImplementedError, match="recomputed: its gradient cannot be differentiated"):
        gradients(y, [x], create_graph=True)
