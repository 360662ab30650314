"""What everything that is a Core keeps. The list is tests/nn/models.py: a new Core is one line there."""

import gc
import weakref

import numpy as np
import pytest

from tests.nn.models import CORES, INPUTS, OUTPUTS, PONDERING, randomised
from tinyaug import Tensor, ops, using_dtype
from tinyaug.nn import flatten_state, unroll

EVERYTHING = CORES | PONDERING
pytestmark = pytest.mark.parametrize("name", EVERYTHING)


def core_of(name, seed=1):
    """The Core with random parameters and the inputs of a run of 4 steps with a batch of 3."""
    rng = np.random.default_rng(seed)
    return randomised(EVERYTHING[name](rng), rng), rng.normal(size=(4, 3, INPUTS))


def shapes(state):
    return [(name, x.shape) for name, x in flatten_state(state)]


def test_says_its_widths(name):
    core, _ = core_of(name)
    assert (core.input_size, core.output_size) == (INPUTS, OUTPUTS)


@pytest.mark.parametrize("batch", [1, 3])
def test_shapes_are_stable_over_steps(name, batch):
    core, inputs = core_of(name)
    state = core.initial_state(batch)
    expected, kind = shapes(state), type(state)
    for x in inputs[:, :batch]:
        y, state = core(Tensor(x), state)
        assert y.shape == (batch, OUTPUTS)
        assert shapes(state) == expected and type(state) is kind
    assert all(shape[0] == batch for _, shape in expected)


def test_a_batch_of_three_is_three_batches_of_one(name):
    with using_dtype("float64"):
        core, inputs = core_of(name)
        outputs, state = unroll(core, Tensor(inputs))
        outputs.backward(np.ones(outputs.shape))
        together = [outputs.numpy(), *[x.numpy() for _, x in flatten_state(state)]]
        gradients = [x.grad.numpy() for x in core.parameters()]
        core.zero_grad()
        for b in range(3):
            outputs, state = unroll(core, Tensor(inputs[:, b:b + 1]))
            outputs.backward(np.ones(outputs.shape))
            alone = [outputs.numpy()[:, 0], *[x.numpy()[0] for _, x in flatten_state(state)]]
            for i, (a, c) in enumerate(zip(alone, together)):
                np.testing.assert_allclose(a, c[:, b] if i == 0 else c[b], rtol=1e-12, atol=1e-12)
        for a, c in zip(core.parameters(), gradients):          # the three added up
            np.testing.assert_allclose(a.grad.numpy(), c, rtol=1e-12, atol=1e-12)


def test_gradients_reach_every_parameter(name):
    core, inputs = core_of(name)
    outputs, _ = unroll(core, Tensor(inputs))
    outputs.backward(np.random.default_rng(3).normal(size=outputs.shape))
    assert list(core.named_parameters())
    for path, x in core.named_parameters():
        assert x.grad is not None and x.grad.shape == x.shape, path
        assert np.abs(x.grad.numpy()).max() > 0, path


def test_gradients_reach_every_parameter_of_a_fresh_model(name):
    """As the constructor leaves it: no start value blocks a gradient for good."""
    core = EVERYTHING[name](np.random.default_rng(0))
    outputs, _ = unroll(core, Tensor(core_of(name)[1]))
    outputs.backward(np.random.default_rng(3).normal(size=outputs.shape))
    assert not [path for path, x in core.named_parameters() if x.grad is None or not np.any(x.grad.numpy())]


def test_float32_stays(name):
    core, inputs = core_of(name)
    outputs, state = unroll(core, Tensor(inputs))
    outputs.backward(np.ones(outputs.shape))
    for x in (outputs, *[x for _, x in flatten_state(state)], *[x.grad for x in core.parameters()]):
        assert x.dtype == np.float32


def test_state_of_the_first_step_is_no_part_of_the_module(name):
    """The same inputs give the same outputs, to the bit, whatever ran before."""
    core, inputs = core_of(name)
    first = unroll(core, Tensor(inputs))[0].numpy()
    unroll(core, Tensor(-inputs))
    assert unroll(core, Tensor(inputs))[0].numpy().tobytes() == first.tobytes()


def test_save_and_load(name, tmp_path):
    core, inputs = core_of(name, seed=1)
    np.savez(tmp_path / "core.npz", **core.state())
    other, _ = core_of(name, seed=2)
    assert not np.array_equal(unroll(other, Tensor(inputs))[0].numpy(), unroll(core, Tensor(inputs))[0].numpy())
    with np.load(tmp_path / "core.npz") as file:
        other.load(dict(file))
    assert unroll(other, Tensor(inputs))[0].numpy().tobytes() == unroll(core, Tensor(inputs))[0].numpy().tobytes()


def test_one_seed_is_one_model(name):
    one, other = (EVERYTHING[name](np.random.default_rng(9)).state() for _ in range(2))
    assert list(one) == list(other)
    assert all(one[key].tobytes() == other[key].tobytes() for key in one)


def graph_below(y):
    """Every Tensor that y was computed from and that is no leaf, y itself left out."""
    found, ahead = {}, [y]
    while ahead:
        source = ahead.pop().source
        for x in (source[0] if isinstance(source, tuple) else source).inputs:
            if isinstance(x, Tensor) and x.source is not None and id(x) not in found:
                found[id(x)] = x
                ahead.append(x)
    return list(found.values())


@pytest.mark.parametrize("backward", [True, False])
def test_the_graph_of_200_steps_is_freed_without_the_collector(name, backward):
    """By backward, while the loss is still held, or as the outputs are dropped; reference counts alone do it."""
    core, _ = core_of(name)
    steps = 200 if name in CORES else 70                 # each of which is up to three
    loss = ops.mean(unroll(core, Tensor(np.ones((steps, 1, INPUTS))))[0])
    inner = [weakref.ref(x) for x in graph_below(loss)]
    assert len(inner) > 200
    gc.disable()
    try:
        if backward:
            loss.backward()
            assert core.parameters()[0].grad is not None
        else:
            del loss
        assert not [x() for x in inner if x() is not None]
    finally:
        gc.enable()


def test_the_summary_names_every_parameter_and_every_piece_of_state(name):
    core, _ = core_of(name)
    lines = core.summary(batch=2).splitlines()
    for path, x in core.named_parameters():
        assert [path, *str(x.shape).split(), f"{x.size:,}"] in [line.split() for line in lines]
    for path, x in flatten_state(core.initial_state(2)):
        line = next(line for line in lines if line.split()[:1] == [path] and str(x.shape) in line)
        assert line.endswith("through all steps") and ("yes" if x.requires_grad else "no") in line.split()
