"""The cells, each against its equations written as loops over plain numbers, with hand-set weights."""

from math import exp, tanh

import numpy as np
import pytest

from tinyaug import Tensor, using_dtype
from tinyaug.nn import GRU, LSTM, RNN, FeedForward, HiddenState, LSTMState, Readout, Stack, unroll

D, H = 2, 3                                 # input, hidden
X = [[0.5, -1.0], [2.0, 0.25]]              # a batch of two, one step
HIDDEN = [[0.1, -0.2, 0.3], [-0.6, 0.0, 0.9]]
CELL = [[1.5, -0.5, 0.2], [0.4, -2.0, 0.0]]


@pytest.fixture(autouse=True)
def in_float64():
    with using_dtype("float64"):
        yield


def sigmoid(x):
    return 1 / (1 + exp(-x))


def weights(rows, columns, start=1):
    """A matrix that is easy to write down and has no two equal entries: (7 n mod 11 - 5) / 10 + n / 1000."""
    numbers = range(start, start + rows * columns)
    flat = [(7 * n % 11 - 5) / 10 + n / 1000 for n in numbers]
    return [flat[r * columns:(r + 1) * columns] for r in range(rows)]


def product(row, matrix, bias):
    """row W + b, where W[i][j] leads from i to j."""
    return [sum(row[i] * matrix[i][j] for i in range(len(row))) + bias[j] for j in range(len(bias))]


def hand_set(module, **values):
    """The module with the given parameters; all others keep what they have."""
    module.load(module.state() | {name.replace("__", "."): np.array(value) for name, value in values.items()})
    return module


def step(core, state):
    y, after = core(Tensor(X), state)
    return y.numpy(), after


RNG = np.random.default_rng(0)


def test_lstm():
    w, b = weights(D + H, 4 * H), weights(1, 4 * H, start=50)[0]
    core = hand_set(LSTM(D, H, rng=RNG), weight=w, bias=b)
    y, state = step(core, LSTMState(Tensor(HIDDEN), Tensor(CELL)))
    for n in range(2):
        z = product(X[n] + HIDDEN[n], w, b)
        for k in range(H):
            i, f, g, o = z[k], z[H + k], z[2 * H + k], z[3 * H + k]
            c = sigmoid(f) * CELL[n][k] + sigmoid(i) * tanh(g)
            h = sigmoid(o) * tanh(c)
            assert state.cell.numpy()[n, k] == pytest.approx(c, abs=1e-14)
            assert state.hidden.numpy()[n, k] == pytest.approx(h, abs=1e-14)
            assert y[n, k] == state.hidden.numpy()[n, k]


def test_gru():
    wg, bg = weights(D + H, 2 * H), weights(1, 2 * H, start=40)[0]
    wn, bn = weights(D + H, H, start=100), weights(1, H, start=70)[0]
    core = hand_set(GRU(D, H, rng=RNG), gates__weight=wg, gates__bias=bg, candidate__weight=wn, candidate__bias=bn)
    y, state = step(core, HiddenState(Tensor(HIDDEN)))
    for b in range(2):
        z = product(X[b] + HIDDEN[b], wg, bg)
        reset, update = [sigmoid(v) for v in z[:H]], [sigmoid(v) for v in z[H:]]
        candidate = [tanh(v) for v in product(X[b] + [reset[k] * HIDDEN[b][k] for k in range(H)], wn, bn)]
        for k in range(H):
            h = update[k] * HIDDEN[b][k] + (1 - update[k]) * candidate[k]
            assert y[b, k] == state.hidden.numpy()[b, k] == pytest.approx(h, abs=1e-14)


def test_rnn():
    w, b = weights(D + H, H), weights(1, H, start=30)[0]
    core = hand_set(RNN(D, H, rng=RNG), linear__weight=w, linear__bias=b)
    y, state = step(core, HiddenState(Tensor(HIDDEN)))
    for n in range(2):
        for k, z in enumerate(product(X[n] + HIDDEN[n], w, b)):
            assert y[n, k] == state.hidden.numpy()[n, k] == pytest.approx(tanh(z), abs=1e-14)


@pytest.mark.parametrize("kind, squash", [(FeedForward, tanh), (Readout, lambda z: z)])
def test_cores_without_state(kind, squash):
    w, b = weights(D, H), weights(1, H, start=30)[0]
    y, state = step(hand_set(kind(D, H, rng=RNG), linear__weight=w, linear__bias=b), ())
    assert state == ()
    for n in range(2):
        assert y[n].tolist() == pytest.approx([squash(z) for z in product(X[n], w, b)], abs=1e-14)


def test_stack_feeds_each_core_with_the_one_below():
    low, high = RNN(D, H, rng=RNG), LSTM(H, 4, rng=RNG)
    stack = Stack([low, high])
    state = stack.initial_state(2)
    y, after = stack(Tensor(X), state)
    middle, low_after = low(Tensor(X), state[0])
    top, high_after = high(middle, state[1])
    np.testing.assert_array_equal(y.numpy(), top.numpy())
    np.testing.assert_array_equal(after[0].hidden.numpy(), low_after.hidden.numpy())
    np.testing.assert_array_equal(after[1].cell.numpy(), high_after.cell.numpy())


def test_stack_refuses_cores_that_do_not_fit():
    with pytest.raises(ValueError, match="Stack: a core of output_size 3 under one of input_size 4; expected equal"):
        Stack([RNN(D, H, rng=RNG), RNN(4, H, rng=RNG)])


def test_lstm_begins_by_remembering():
    bias = LSTM(D, H, rng=RNG, forget_bias=2.0).bias.numpy()
    assert bias.tolist() == [0.0] * H + [2.0] * H + [0.0] * 2 * H


def test_the_start_is_learned_and_the_same_for_every_sequence():
    core = hand_set(LSTM(D, H, rng=RNG), start_hidden=[1.0, 2.0, 3.0], start_cell=[4.0, 5.0, 6.0])
    state = core.initial_state(2)
    assert state.hidden.numpy().tolist() == [[1, 2, 3]] * 2 and state.cell.numpy().tolist() == [[4, 5, 6]] * 2


def test_unroll_is_the_step_repeated():
    core = hand_set(RNN(D, H, rng=RNG), linear__weight=weights(D + H, H), linear__bias=[0.1, 0.2, 0.3])
    inputs = np.array(weights(10, D)).reshape(5, 2, D)
    outputs, last = unroll(core, Tensor(inputs), trace=(trace := []))
    state = core.initial_state(2)
    for t in range(5):
        y, state = core(Tensor(inputs[t]), state)
        np.testing.assert_array_equal(outputs.numpy()[t], y.numpy())
        np.testing.assert_array_equal(trace[t].hidden.numpy(), state.hidden.numpy())
    np.testing.assert_array_equal(last.hidden.numpy(), state.hidden.numpy())
    assert outputs.shape == (5, 2, H) and len(trace) == 5


def test_unroll_goes_on_from_a_given_state():
    """Two halves are the whole: nothing is carried but the state."""
    core = LSTM(D, H, rng=RNG)
    inputs = np.array(weights(12, D)).reshape(6, 2, D)
    whole, _ = unroll(core, Tensor(inputs))
    first, state = unroll(core, Tensor(inputs[:2]))
    second, _ = unroll(core, Tensor(inputs[2:]), state)
    np.testing.assert_array_equal(whole.numpy(), np.concatenate([first.numpy(), second.numpy()]))
