"""MemoryAugmented: what the controller sees, what the output sees, and the trace that figures are drawn from."""

from math import tanh

import numpy as np
import pytest

from tests.memory import loops
from tinyaug import Tensor, using_dtype
from tinyaug.memory import AugmentedState, MemoryAugmented, NTMMemory
from tinyaug.nn import LSTM, FeedForward, unroll

D, H, OUT, N, W = 2, 3, 2, 4, 3


def model(controller=FeedForward, read_heads=2, write_heads=1, seed=0):
    rng = np.random.default_rng(seed)
    memory = NTMMemory(slots=N, width=W, read_heads=read_heads, write_heads=write_heads, memory_start="learned", rng=rng)
    core = controller(D + memory.read_size, H, rng=rng)
    return MemoryAugmented(core, memory, input_size=D, output_size=OUT, rng=rng)


def product(row, weight, bias):
    return [sum(row[i] * weight[i][j] for i in range(len(row))) + bias[j] for j in range(len(bias))]


def feed_forward(v, seen, state):
    """A step of the controller in loops: what it says, and its next state."""
    return [tanh(z) for z in product(seen, v["controller.linear.weight"], v["controller.linear.bias"])], state


def lstm(v, seen, state):
    h, c = state or (v["controller.start_hidden"], v["controller.start_cell"])
    z = product(seen + h, v["controller.weight"], v["controller.bias"])
    i, f, g, o = (z[k * H:(k + 1) * H] for k in range(4))
    c = [loops.sigmoid(f[k]) * c[k] + loops.sigmoid(i[k]) * tanh(g[k]) for k in range(H)]
    h = [loops.sigmoid(o[k]) * tanh(c[k]) for k in range(H)]
    return h, (h, c)


@pytest.mark.parametrize("kind, controller", [(FeedForward, feed_forward), (LSTM, lstm)])
@pytest.mark.parametrize("read_heads, write_heads", [(1, 1), (2, 2)])
def test_three_steps_against_loops(kind, controller, read_heads, write_heads):
    """The controller sees the reads of the step before and goes on from its own state; the output sees these reads."""
    with using_dtype("float64"):
        core = model(kind, read_heads, write_heads)
        rng = np.random.default_rng(1)
        values = {name: rng.normal(0, 0.7, x.shape) for name, x in core.state().items()}
        values["memory.start_weights"] = rng.dirichlet(np.ones(N), read_heads + write_heads)
        core.load(values)
        inputs = rng.normal(size=(3, 1, D))
        outputs, _ = unroll(core, Tensor(inputs))
    v = {name: x.tolist() for name, x in values.items()}
    memory, weights, reads = (v[f"memory.start_{part}"] for part in ("memory", "weights", "reads"))
    inner = None
    for t in range(3):
        hidden, inner = controller(v, inputs[t, 0].tolist() + sum(reads, []), inner)
        control = product(hidden, v["control.weight"], v["control.bias"])
        reads, memory, weights = loops.step(control, memory, weights, read_heads, write_heads)
        y = product(hidden + sum(reads, []), v["output.weight"], v["output.bias"])
        np.testing.assert_allclose(outputs.numpy()[t, 0], y, rtol=1e-9, atol=1e-9)


def test_a_controller_of_the_wrong_width_is_refused():
    memory = NTMMemory(slots=N, width=W, read_heads=2, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"MemoryAugmented: controller has input_size 5, expected 8 \(input 2 \+ reads 6\)"):
        MemoryAugmented(FeedForward(5, H, rng=np.random.default_rng(0)), memory, input_size=D, output_size=OUT,
                        rng=np.random.default_rng(0))


def test_the_state_is_that_of_both_parts():
    state = model(LSTM).initial_state(5)
    assert isinstance(state, AugmentedState)
    assert state.controller.cell.shape == (5, H) and state.memory.weights.shape == (5, 3, N)


@pytest.mark.parametrize("controller", [FeedForward, LSTM])
def test_the_trace_is_the_run_itself(controller):
    core = model(controller, read_heads=2, write_heads=2)
    inputs = Tensor(np.random.default_rng(2).normal(size=(6, 3, D)))
    trace = core.trace(inputs)
    T, B, R, heads = 6, 3, 2, 4
    assert {name: x.shape for name, x in trace.items()} == {
        "output": (T, B, OUT), "hidden": (T, B, H), "memory": (T, B, N, W), "weights": (T, B, heads, N),
        "reads": (T, B, R, W), "key": (T, B, heads, W), "strength": (T, B, heads, 1), "gate": (T, B, heads, 1),
        "shift": (T, B, heads, 3), "sharpening": (T, B, heads, 1), "erase": (T, B, 2, W), "add": (T, B, 2, W)}
    outputs, _ = unroll(core, inputs, trace=(states := []))
    np.testing.assert_array_equal(trace["output"].numpy(), outputs.numpy())
    for t, state in enumerate(states):
        for name in ("memory", "weights", "reads"):
            np.testing.assert_array_equal(trace[name].numpy()[t], getattr(state.memory, name).numpy())


def test_the_orders_of_the_trace_are_those_that_moved_the_heads():
    """From the traced orders and the memory before, eqs. (5) to (9) give the traced weightings."""
    with using_dtype("float64"):
        core = model(LSTM)
        trace = {k: x.numpy() for k, x in core.trace(Tensor(np.random.default_rng(3).normal(size=(4, 1, D)))).items()}
    for t in range(1, 4):
        for head in range(3):
            order = {name: trace[name][t, 0, head] for name in ("key", "shift")}
            order |= {name: trace[name][t, 0, head, 0] for name in ("strength", "gate", "sharpening")}
            expected = loops.addressed(order, trace["weights"][t - 1, 0, head], trace["memory"][t - 1, 0])
            np.testing.assert_allclose(trace["weights"][t, 0, head], expected, atol=1e-10)
