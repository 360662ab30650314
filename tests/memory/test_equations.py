"""Each numbered equation of the Neural Turing Machine paper, for three heads and a batch of two.

Tensors in, and element by element the same number as from the loops in tests/memory/loops.py.
"""

import numpy as np
import pytest

from tests.memory import loops
from tinyaug import Tensor, using_dtype
from tinyaug.memory import (
    NTMMemory,
    NTMState,
    content_weights,
    cosine_similarity,
    erase_and_add,
    interpolate,
    sharpen,
    shift,
)

B, R, N, W = 2, 3, 5, 4
MEMORY = np.array([[[0.3, -1.2, 0.8, 0.0], [1.5, 0.4, -0.6, 2.0], [-0.7, 0.9, 0.1, -0.2], [0.0, 0.0, 1.0, 0.0],
                    [2.0, -2.0, 0.5, 1.1]],
                   [[-0.4, 0.6, 0.6, 1.3], [0.2, 0.2, -0.9, 0.7], [1.0, 1.0, 1.0, 1.0], [-3.0, 0.5, 0.0, 0.1],
                    [0.05, -0.02, 0.03, 0.01]]])
KEYS = np.array([[[0.5, -0.5, 0.9, 0.1], [-1.0, 0.2, 0.0, 0.3], [0.1, 0.1, 0.1, 0.7]],
                 [[0.9, 0.8, -0.7, 0.6], [0.0, 0.0, -0.3, 0.0], [-0.2, 0.4, -0.6, 0.8]]])
STRENGTH = np.array([[[0.5], [3.0], [10.0]], [[1.0], [0.01], [25.0]]])
GATE = np.array([[[0.0], [0.3], [1.0]], [[0.9], [0.5], [0.1]]])
SHIFT = np.array([[[1.0, 0.0, 0.0], [0.1, 0.7, 0.2], [0.3, 0.3, 0.4]], [[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [0.6, 0.1, 0.3]]])
SHARPENING = np.array([[[1.0], [2.5], [7.0]], [[1.2], [30.0], [1.0]]])
WEIGHTS = np.array([[[0.1, 0.2, 0.3, 0.4, 0.0], [0.0, 0.0, 1.0, 0.0, 0.0], [0.2, 0.2, 0.2, 0.2, 0.2]],
                    [[0.7, 0.1, 0.1, 0.05, 0.05], [0.05, 0.15, 0.25, 0.35, 0.2], [0.0, 0.5, 0.0, 0.5, 0.0]]])
BEFORE = WEIGHTS[::-1, ::-1].copy()
ERASE = np.array([[[1.0, 0.0, 0.5, 0.2], [0.3, 0.9, 0.0, 1.0], [0.6, 0.6, 0.1, 0.0]],
                  [[0.0, 0.0, 0.0, 0.0], [1.0, 1.0, 1.0, 1.0], [0.4, 0.8, 0.2, 0.9]]])
ADD = np.array([[[0.5, -0.5, 0.2, 0.0], [-0.9, 0.1, 0.4, 0.3], [0.7, 0.7, -0.7, 0.7]],
                [[0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 0.0, 0.0], [-0.6, 0.5, -0.4, 0.3]]])


@pytest.fixture(autouse=True)
def in_float64():
    with using_dtype("float64"):
        yield


def close(tensor, expected, tolerance=1e-13):
    np.testing.assert_allclose(tensor.numpy(), np.array(expected), rtol=tolerance, atol=tolerance)


def each(function):
    """function(b, r) for all sequences and heads, as nested lists."""
    return [[function(b, r) for r in range(R)] for b in range(B)]


def distributions(tensor):
    w = tensor.numpy()
    assert (w >= 0).all()
    np.testing.assert_allclose(w.sum(axis=-1), 1, atol=1e-6)


def memory_of(read_heads=1, write_heads=1, slots=N, width=W, **options):
    return NTMMemory(slots=slots, width=width, read_heads=read_heads, write_heads=write_heads,
                     rng=np.random.default_rng(0), **options)


def test_equation_2_read():
    """Three read heads, told to stay on given slots: what they return is the weighted sum of the old memory."""
    memory = memory_of(read_heads=R)
    control = np.random.default_rng(1).normal(size=(B, memory.control_size))
    state = NTMState(Tensor(MEMORY), Tensor(np.concatenate([WEIGHTS, WEIGHTS[:, :1]], axis=1)), Tensor(np.zeros((B, R, W))))
    reads, after = memory(Tensor(control), state)
    w = after.weights.numpy()
    close(reads, each(lambda b, r: loops.read(w[b, r], MEMORY[b])))
    close(after.reads, reads.numpy())


def test_equation_3_erase():
    expected = []
    for b in range(B):
        m = MEMORY[b].tolist()
        for r in range(R):
            m = loops.erase(m, WEIGHTS[b, r], ERASE[b, r])
        expected.append(m)
    close(erase_and_add(Tensor(MEMORY), Tensor(WEIGHTS), Tensor(ERASE), Tensor(0 * ADD)), expected)


def test_equation_4_add():
    expected = []
    for b in range(B):
        m = MEMORY[b].tolist()
        for r in range(R):
            m = loops.add(m, WEIGHTS[b, r], ADD[b, r])
        expected.append(m)
    close(erase_and_add(Tensor(MEMORY), Tensor(WEIGHTS), Tensor(0 * ERASE), Tensor(ADD)), expected)


def test_equations_3_and_4_all_heads_erase_before_any_adds():
    expected = []
    for b in range(B):
        m = MEMORY[b].tolist()
        for r in range(R):
            m = loops.erase(m, WEIGHTS[b, r], ERASE[b, r])
        for r in range(R):
            m = loops.add(m, WEIGHTS[b, r], ADD[b, r])
        expected.append(m)
    after = erase_and_add(Tensor(MEMORY), Tensor(WEIGHTS), Tensor(ERASE), Tensor(ADD))
    close(after, expected)
    turned = [Tensor(x[:, ::-1].copy()) for x in (WEIGHTS, ERASE, ADD)]
    close(erase_and_add(Tensor(MEMORY), *turned), after.numpy())            # the heads' order does not matter


def test_a_slot_is_set_where_the_weight_and_the_erase_are_1():
    """The paper: reset to zero only if both are one, left alone if either is zero."""
    w, one, word = np.array([[[0.0, 1, 0, 0, 0]]] * B), np.ones((B, 1, W)), ADD[:, :1]
    after = erase_and_add(Tensor(MEMORY), Tensor(w), Tensor(one), Tensor(word)).numpy()
    np.testing.assert_array_equal(after[:, 1], word[:, 0])
    np.testing.assert_array_equal(np.delete(after, 1, 1), np.delete(MEMORY, 1, 1))


def test_equation_5_content_weights():
    w = content_weights(Tensor(KEYS), Tensor(STRENGTH), Tensor(MEMORY))
    close(w, each(lambda b, r: loops.content(KEYS[b, r], STRENGTH[b, r, 0], MEMORY[b])))
    distributions(w)


def test_equation_6_cosine_similarity():
    close(cosine_similarity(Tensor(KEYS), Tensor(MEMORY)),
          each(lambda b, r: [loops.similarity(KEYS[b, r], row) for row in MEMORY[b]]))


def test_the_cosine_is_1_along_minus_1_against_and_0_across():
    key = Tensor([[[3.0, 4.0]]])
    close(cosine_similarity(key, Tensor([[[6.0, 8.0], [-0.3, -0.4], [-4.0, 3.0], [1.0, 0.0]]])),
          [[[1.0, -1.0, 0.0, 0.6]]], 1e-6)


def test_equation_7_interpolate():
    w = interpolate(Tensor(WEIGHTS), Tensor(BEFORE), Tensor(GATE))
    close(w, each(lambda b, r: loops.interpolated(GATE[b, r, 0], WEIGHTS[b, r], BEFORE[b, r])))
    distributions(w)


@pytest.mark.parametrize("gate, expected", [(0.0, BEFORE), (1.0, WEIGHTS)])
def test_the_gate_takes_one_side_or_the_other(gate, expected):
    close(interpolate(Tensor(WEIGHTS), Tensor(BEFORE), Tensor(np.full((B, R, 1), gate))), expected)


def test_equation_8_shift():
    w = shift(Tensor(WEIGHTS), Tensor(SHIFT))
    close(w, each(lambda b, r: loops.shifted(WEIGHTS[b, r], SHIFT[b, r])))
    distributions(w)


@pytest.mark.parametrize("width", [1, 3, 5])
def test_equation_8_for_other_widths(width):
    s = loops.softmax([0.3 * k - 0.1 * k * k for k in range(width)])
    w = shift(Tensor(WEIGHTS), Tensor(np.tile(s, (B, R, 1))))
    close(w, each(lambda b, r: loops.shifted(WEIGHTS[b, r], s)))


@pytest.mark.parametrize("offsets, slot", [([1.0, 0.0, 0.0], 4), ([0.0, 1.0, 0.0], 0), ([0.0, 0.0, 1.0], 1)])
def test_a_shift_moves_a_head_and_wraps_round(offsets, slot):
    """From slot 0 of 5: the last offset goes on to slot 1, the first back to slot 4."""
    w = shift(Tensor([[[1.0, 0, 0, 0, 0]]]), Tensor([[offsets]])).numpy()
    assert w[0, 0].tolist() == np.eye(5)[slot].tolist()


@pytest.mark.parametrize("size", [2, 7])
def test_a_shift_of_even_or_excessive_width_is_refused(size):
    with pytest.raises(ValueError, match=f"{size}.*odd"):
        shift(Tensor(WEIGHTS), Tensor(np.full((B, R, size), 1 / size)))


def test_equation_9_sharpen():
    """1e-12 is added under the logarithm: it is in the loops' weights too, so the two are equal."""
    w = sharpen(Tensor(WEIGHTS), Tensor(SHARPENING))
    close(w, each(lambda b, r: loops.sharpened(WEIGHTS[b, r] + 1e-12, SHARPENING[b, r, 0])))
    distributions(w)


def test_the_term_under_the_logarithm_changes_nothing_that_counts():
    close(sharpen(Tensor(WEIGHTS), Tensor(SHARPENING)),
          each(lambda b, r: loops.sharpened(WEIGHTS[b, r], SHARPENING[b, r, 0])), 1e-10)


def test_sharpening_by_1_changes_nothing_and_by_much_leaves_the_largest():
    w = np.array([[[0.1, 0.4, 0.2, 0.3, 0.0]]])
    close(sharpen(Tensor(w), Tensor([[[1.0]]])), w, 1e-11)
    close(sharpen(Tensor(w), Tensor([[[200.0]]])), [[[0, 1, 0, 0, 0]]], 1e-9)


@pytest.mark.parametrize("read_heads, write_heads, shifts", [(1, 1, 3), (2, 1, 3), (1, 2, 3), (2, 2, 5)])
def test_whole_steps(read_heads, write_heads, shifts):
    """Three steps of NTMMemory: control vector in; reads, memory and weightings out, as the loops have them."""
    memory = memory_of(read_heads, write_heads, shifts=shifts)
    heads = read_heads + write_heads
    rng = np.random.default_rng(4)
    weights = rng.dirichlet(np.ones(N), (B, heads))
    state = NTMState(Tensor(MEMORY), Tensor(weights), Tensor(np.zeros((B, read_heads, W))))
    by_hand = [(None, MEMORY[b].tolist(), weights[b].tolist()) for b in range(B)]
    for _ in range(3):
        control = rng.normal(0, 1.5, (B, memory.control_size))
        reads, state = memory(Tensor(control), state)
        by_hand = [loops.step(control[b], m, w, read_heads, write_heads, shifts)
                   for b, (_, m, w) in enumerate(by_hand)]
        close(reads, [r for r, _, _ in by_hand], 1e-10)
        close(state.memory, [m for _, m, _ in by_hand], 1e-10)
        close(state.weights, [w for _, _, w in by_hand], 1e-10)
        distributions(state.weights)


@pytest.mark.parametrize("head", range(4))
def test_a_head_goes_on_from_its_own_weighting(head):
    """A head that is fed another's past can still learn, so no learning curve shows it: two read, two write heads."""
    memory = memory_of(2, 2)
    rng = np.random.default_rng(6)
    control = Tensor(rng.normal(size=(1, memory.control_size)))
    weights = rng.dirichlet(np.ones(N), (1, 4))

    def after(weights):
        return memory(control, NTMState(Tensor(MEMORY[:1]), Tensor(weights), Tensor(np.zeros((1, 2, W)))))[1].weights.numpy()

    moved = weights.copy()
    moved[:, head] = weights[:, head, ::-1]
    changed = np.abs(after(moved) - after(weights)).max(axis=(0, 2)) > 1e-6
    assert changed.tolist() == [h == head for h in range(4)]


def test_what_is_written_is_read_a_step_later():
    """The head writes a word with all its weight on one slot; a key like that word finds it in the next step."""
    memory = memory_of(width=2)
    sure = 30.0
    write = {"key": [0, 0], "strength": [0], "gate": [-sure], "shift": [0, sure, 0], "sharpening": [0]}
    find = write | {"key": [sure, -sure], "strength": [sure], "gate": [sure]}
    word, row = [sure, -sure], np.concatenate
    first = row([*write.values(), *write.values(), [sure, sure], word])
    second = row([*find.values(), *write.values(), [-sure, -sure], [0, 0]])
    state = memory.initial_state(1)
    reads, state = memory(Tensor(first[None]), state)
    close(reads, [[[1e-6, 1e-6]]], 1e-9)
    close(state.memory[0, 0], [1.0, -1.0], 1e-9)
    reads, state = memory(Tensor(second[None]), state)
    close(reads, [[[1.0, -1.0]]], 1e-5)


def test_the_memory_is_a_function_of_order_and_state_alone():
    memory = memory_of(2, 2)
    control = Tensor(np.random.default_rng(0).normal(size=(B, memory.control_size)))
    state = memory.initial_state(B)
    before = [x.numpy().copy() for x in state]
    one, other = memory(control, state)[0].numpy(), memory(control, state)[0].numpy()
    np.testing.assert_array_equal(one, other)
    for x, b in zip(state, before):
        np.testing.assert_array_equal(x.numpy(), b)
