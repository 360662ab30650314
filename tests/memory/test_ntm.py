"""NTMMemory beyond its equations: long runs, extremes, starts, and what it says when something does not fit."""

import re

import numpy as np
import pytest

from tinyaug import Tensor, ops
from tinyaug.memory import MemoryAugmented, NTMMemory, NTMState, content_weights, cosine_similarity, sharpen
from tinyaug.memory.control import ControlLayout
from tinyaug.nn import LSTM, Constant, Parameter, unroll


def memory_of(**options):
    return NTMMemory(**({"slots": 8, "width": 4, "rng": np.random.default_rng(0)} | options))


@pytest.mark.parametrize("scale", [1, 100])
def test_weightings_are_distributions_for_128_slots_in_float32(scale):
    memory = memory_of(slots=128, width=20, read_heads=2, write_heads=2)
    state = memory.initial_state(3)
    rng = np.random.default_rng(1)
    for _ in range(50):
        _, state = memory(Tensor(scale * rng.normal(size=(3, memory.control_size))), state)
        w = state.weights.numpy()
        assert w.dtype == np.float32 and (w >= 0).all()
        np.testing.assert_allclose(w.sum(axis=-1, dtype=np.float64), 1, atol=1e-6)


@pytest.mark.parametrize("memory_start, weights_start", [("constant", "first"), ("learned", "even"), ("noise", "zero")])
def test_1000_steps_with_logits_scaled_by_100_stay_finite(memory_start, weights_start):
    memory = memory_of(memory_start=memory_start, weights_start=weights_start)
    rng = np.random.default_rng(2)
    controls = [Tensor(100 * rng.normal(size=(1, memory.control_size)), requires_grad=True) for _ in range(1000)]
    state, total = memory.initial_state(1), 0
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        for control in controls:
            reads, state = memory(control, state)
            total = total + ops.mean(reads)
    total.backward()
    for x in state:
        assert np.isfinite(x.numpy()).all()
    for x in [*controls, *([memory.start_memory] if memory_start == "learned" else [])]:
        assert np.isfinite(x.grad.numpy()).all()
    assert sum(np.any(x.grad.numpy()) for x in controls) > 500


def test_1000_steps_of_a_controller_with_its_logits_scaled_by_100_stay_finite():
    rng = np.random.default_rng(3)
    memory = memory_of()
    model = MemoryAugmented(LSTM(3 + memory.read_size, 5, rng=rng), memory, input_size=3, output_size=2, rng=rng)
    model.control.load({name: 100 * rng.normal(size=x.shape) for name, x in model.control.state().items()})
    outputs, _ = unroll(model, Tensor(rng.normal(size=(1000, 1, 3))))
    ops.mean(outputs).backward()
    assert np.isfinite(outputs.numpy()).all()
    for name, x in model.named_parameters():
        assert np.isfinite(x.grad.numpy()).all() and np.any(x.grad.numpy()), name


@pytest.mark.parametrize("sign", [-1, 1])
def test_every_logit_at_its_end_stays_finite(sign):
    """All at +-10,000: heads that are certain, gates shut, sharpening without bound, and the other way round."""
    memory = memory_of(read_heads=2)
    control = Tensor(np.full((1, memory.control_size), sign * 1e4), requires_grad=True)
    state = memory.initial_state(1)
    for _ in range(20):
        reads, state = memory(control, state)
    ops.sum(reads).backward()
    assert all(np.isfinite(x.numpy()).all() for x in state) and np.isfinite(control.grad.numpy()).all()


@pytest.mark.parametrize("key, rows", [([1.0, 2.0], [[0.0, 0.0], [1.0, 2.0]]), ([0.0, 0.0], [[3.0, 4.0], [0.0, 0.0]])])
def test_a_zero_row_or_key_has_cosine_0_and_a_finite_gradient(key, rows):
    key, rows = Tensor([[key]], requires_grad=True), Tensor([rows], requires_grad=True)
    cosine = cosine_similarity(key, rows)
    expected = [0.0, 1.0] if np.any(key.numpy()) else [0.0, 0.0]
    np.testing.assert_allclose(cosine.numpy()[0, 0], expected, atol=1e-6)
    cosine.backward(np.array([[[1.0, 1.0]]]))
    assert np.isfinite(key.grad.numpy()).all() and np.isfinite(rows.grad.numpy()).all()


def test_content_weights_of_a_memory_of_zeros_are_even():
    w = content_weights(Tensor([[[1.0, -1.0]]]), Tensor([[[50.0]]]), Tensor(np.zeros((1, 4, 2))))
    assert w.numpy()[0, 0].tolist() == [0.25] * 4


@pytest.mark.parametrize("gamma", [1.0, 50.0, 1e4])
def test_sharpening_a_weighting_with_zeros_has_a_finite_gradient(gamma):
    w, by = Tensor([[[0.0, 0.5, 0.5, 0.0]]], requires_grad=True), Tensor([[[gamma]]], requires_grad=True)
    y = sharpen(w, by)
    y.backward(np.array([[[1.0, 2.0, 3.0, 4.0]]]))
    np.testing.assert_allclose(y.numpy()[0, 0], [0, 0.5, 0.5, 0], atol=1e-6)
    assert np.isfinite(w.grad.numpy()).all() and np.isfinite(by.grad.numpy()).all()


def test_starts_of_the_memory():
    learned, noise, constant = (memory_of(memory_start=start) for start in ("learned", "noise", "constant"))
    assert isinstance(learned.start_memory, Parameter) and isinstance(noise.start_memory, Constant)
    for memory in (learned, noise):
        start = memory.start_memory.numpy()
        assert np.abs(start).max() <= (8 + 4) ** -0.5 and start.std() > 0.1
    np.testing.assert_allclose(constant.initial_state(2).memory.numpy(), np.full((2, 8, 4), 1e-6), rtol=1e-6)
    assert "start_memory" in dict(learned.named_parameters()) and "start_memory" not in dict(noise.named_parameters())
    assert "start_memory" in noise.state()                                     # not learned, yet saved


def test_starts_of_the_weightings():
    for start, row in (("first", [1.0] + [0.0] * 7), ("even", [0.125] * 8), ("zero", [0.0] * 8)):
        weights = memory_of(weights_start=start, read_heads=2).initial_state(2).weights.numpy()
        assert weights.tolist() == [[row] * 3] * 2


def test_untrained_heads_stay_or_move():
    """By the orders that a controller begins with, a head is on slot 3 after 3 steps, or where it was."""
    for start, slot in (("still", 0), ("moving", 3)):
        memory = memory_of(memory_start="constant", heads_start=start)
        state = memory.initial_state(1)
        for _ in range(3):
            _, state = memory(Tensor([memory.control_start]), state)
        assert state.weights.numpy().argmax(axis=-1).tolist() == [[slot] * 2], start


def test_state_of_a_batch():
    state = memory_of(read_heads=2, write_heads=3).initial_state(6)
    assert isinstance(state, NTMState)
    assert [x.shape for x in state] == [(6, 8, 4), (6, 5, 8), (6, 2, 4)]


@pytest.mark.parametrize("options, says", [
    ({"read_heads": 0}, "NTMMemory: 0 read and 1 write heads; expected at least one of each"),
    ({"write_heads": 0}, "NTMMemory: 1 read and 0 write heads; expected at least one of each"),
    ({"shifts": 2}, "NTMMemory: 2 shifts over 8 slots; expected an odd number of at most 8"),
    ({"shifts": 9}, "NTMMemory: 9 shifts over 8 slots; expected an odd number of at most 8"),
    ({"shifts": -1}, "NTMMemory: -1 shifts over 8 slots; expected an odd number of at most 8"),
    ({"slots": 0}, "NTMMemory: 0 slots of width 4; expected at least 1 of each"),
    ({"width": 0}, "NTMMemory: 8 slots of width 0; expected at least 1 of each"),
    ({"memory_start": "zeros"}, "NTMMemory: memory_start 'zeros', expected constant, noise or learned"),
    ({"weights_start": "last"}, "NTMMemory: weights_start 'last', expected first, zero or even"),
    ({"heads_start": "fast"}, "NTMMemory: heads_start 'fast', expected still or moving"),
])
def test_the_constructor_refuses(options, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        memory_of(**options)


@pytest.mark.parametrize("wrong", [-1, 1])
def test_a_control_vector_of_the_wrong_width_is_refused(wrong):
    memory = memory_of()
    width = 2 * (4 + 1 + 1 + 3 + 1) + 4 + 4
    assert memory.control_size == width
    with pytest.raises(ValueError, match=re.escape(
            f"NTMMemory: control has width {width + wrong}, its layout needs {width} (key 8, strength 2, gate 2, shift 6, "
            f"sharpening 2, erase 4, add 4); build the controller with control_size={width}")):
        memory(Tensor(np.zeros((1, width + wrong))), memory.initial_state(1))


def test_the_layout_describes_itself():
    assert memory_of(slots=128, width=20, read_heads=2).describe().splitlines() == [
        "NTMMemory control vector, 118 numbers",
        "key           3 x 20    tanh",
        "strength      3 x 1     softplus",
        "gate          3 x 1     sigmoid",
        "shift         3 x 3     softmax",
        "sharpening    3 x 1     oneplus",
        "erase         1 x 20    sigmoid",
        "add           1 x 20    tanh"]


def test_the_layout_cuts_groups_of_heads_in_order():
    """Numbers that say where they stand: group by group, head by head, part by part, each in its own name."""
    layout = ControlLayout("Memory", [(2, [("a", 1, ops.positive), ("b", 2, ops.negative)]), (1, [("c", 3, ops.positive)])])
    assert layout.size == 9
    parts = layout.split(Tensor([np.arange(9.0), np.arange(9.0) + 100]))
    assert list(parts) == ["a", "b", "c"]
    assert parts["a"].numpy().tolist() == [[[0], [3]], [[100], [103]]]
    assert parts["b"].numpy().tolist() == [[[-1, -2], [-4, -5]], [[-101, -102], [-104, -105]]]
    assert parts["c"].numpy().tolist() == [[[6, 7, 8]], [[106, 107, 108]]]
    assert layout.start(b=[1, 2], c=3).tolist() == [0, 1, 2, 0, 1, 2, 3, 3, 3]
