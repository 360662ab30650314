"""Random programs of many kinds of calls, forward and backward: what no hand-made example thinks of."""

import numpy as np
import pytest

from tinyaug import Tensor, ops, using_dtype
from tinyaug.record import passes, record

pytestmark = pytest.mark.host            # programs are of arrays on the host

SQUARE, ROWS, COLUMNS = (np.random.default_rng(9).normal(size=shape) / 2 for shape in ((6, 6), (1, 6), (6, 1)))
MASK = SQUARE > 0


def moves(x, y):
    """What can be done with two arrays (6, 6) to get one of that shape."""
    return [
        lambda: x + y, lambda: x - 0.5 * y, lambda: x * y, lambda: x / (1 + y * y), lambda: ops.tanh(x), lambda: +x,
        lambda: ops.sigmoid(x) * 2.0, lambda: x @ y, lambda: x @ SQUARE, lambda: ops.transpose(x), lambda: x * x,
        lambda: x + ops.transpose(x), lambda: ops.where(MASK, x, y), lambda: ops.softmax(x, axis=-1) * ROWS,
        lambda: ops.concatenate([x[:2], y[2:5], x[5:]]), lambda: ops.concatenate([x[:, :3], y[:, :3]], axis=1),
        lambda: ops.concatenate([x[3:], x[3:]]), lambda: ops.stack([x[i] for i in (5, 1, 1, 0, 2, 3)]),
        lambda: ops.stack([ops.sum(x * y, axis=1) for _ in range(6)], axis=1), lambda: ops.flip(x, 0),
        lambda: ops.stack([ops.tanh(x[:, i]) for i in range(6)], axis=1), lambda: x[[0, 2, 2, 1, 5, 4]],
        lambda: ops.reshape(ops.transpose(ops.reshape(x, (2, 3, 6)), (1, 0, 2)), (6, 6)),
        lambda: ops.reshape(ops.concatenate([ops.reshape(y, (2, 18)), ops.reshape(x, (2, 18))])[1:3], (6, 6)),
        lambda: ops.maximum(ops.max(x, axis=1, keepdims=True), 0.1) * y, lambda: (ops.sum(x, axis=0) + 0.3) * y,
        lambda: ops.broadcast_to(ops.mean(x, axis=0, keepdims=True), (6, 6)) - y, lambda: ops.cumsum(x, axis=1) * COLUMNS,
    ]


def program(seed, length):
    """A function of two arrays: `length` moves drawn by the seed, some results, and both gradients."""
    rng = np.random.default_rng(seed)
    weight = Tensor(rng.normal(size=(6, 6)) / 3, requires_grad=True)
    plan = [(rng.random(2), rng.integers(len(moves(None, None)))) for _ in range(length)]
    shown = rng.integers(length, size=3)

    def function(x, y):
        weight.grad = x.grad = y.grad = None
        made = [x, y, weight]
        for which, move in plan:
            a, b = (made[-1 - int(part * part * len(made))] for part in which)       # the last ones more often
            made.append(ops.tanh(moves(a, b)[move]()))
        loss = sum([ops.sum(made[3 + i] * made[3 + i]) for i in shown], ops.sum(weight * x * y))
        loss.backward()
        return [made[3 + i] for i in shown] + [loss, weight.grad, x.grad, y.grad]

    return function


@pytest.mark.parametrize("seed", range(40))
def test_a_random_program(seed, monkeypatch):
    """Without passes equal to the last bit, but for the loss: eager code adds up what it holds transposed in that order."""
    monkeypatch.setattr(passes, "LONG", 3)
    with using_dtype("float64"):
        function = program(seed, 3 + seed)
        exact, short = record(function, passes=[]), record(function)
        for draw in range(3):
            values = np.random.default_rng(draw).normal(size=(2, 6, 6))
            expected, one, other = ([y.numpy() for y in f(*[Tensor(x, requires_grad=True) for x in values])]
                                    for f in (function, exact, short))
            for i, (a, b, c) in enumerate(zip(expected, one, other, strict=True)):
                if a.shape:
                    assert a.tobytes() == b.tobytes(), i
                np.testing.assert_allclose(b, a, rtol=1e-13)
                np.testing.assert_allclose(c, a, rtol=1e-9, atol=1e-9, err_msg=str(i))


EDGES = np.array([0.0, -0.0, 1e-38, 1e-20, 1e-5, 0.3, -0.3, 1.5, -1.5, 80.0, -80.0, 1e20, -1e20, 3e38])


def edge_moves(a, b, weight):
    """What can be done with two arrays and a weight where numbers may be zero, huge or both."""
    return [
        lambda: ops.log(a), lambda: ops.sqrt(a), lambda: 1 / a, lambda: ops.exp(a), lambda: a * b, lambda: a / b,
        lambda: a + b, lambda: a - b, lambda: -a, lambda: ops.tanh(a), lambda: ops.sigmoid(a), lambda: a / weight,
        lambda: ops.where(a > 0.1, b, 0.5), lambda: ops.where(ops.isfinite(a), a, 1.0), lambda: ops.softplus(a),
        lambda: ops.maximum(a, 0.5), lambda: ops.minimum(a, b), lambda: a ** 2.0, lambda: a * weight,
        lambda: ops.log1p(ops.absolute(a)), lambda: ops.square(a), lambda: ops.reciprocal(a)]


def edgy(seed, weight):
    """A function of numbers at which something overflows or is divided by 0; `where` takes only what did not."""
    def function(x):
        rng = np.random.default_rng(seed)
        x.grad = weight.grad = None
        made = [x, weight]
        for _ in range(rng.integers(2, 9)):
            a, b = made[-1] if rng.random() < 0.7 else made[rng.integers(len(made))], made[rng.integers(len(made))]
            steps = edge_moves(a, b, weight)
            made.append(steps[rng.integers(len(steps))]())
        last = made[-1]
        result = ops.where(ops.logical_and(ops.isfinite(last), ops.absolute(last) < 1e6), last, 0.0)
        ops.sum(result * (weight + x)).backward()
        return result, x.grad, weight.grad

    return function


@pytest.mark.parametrize("seed", range(150))
def test_what_is_finite_stays_finite(seed):
    """In the branch that `where` does not take gradients are 0, whatever the slopes there; passes multiply none of these."""
    rng = np.random.default_rng(seed)
    x, weight = (Tensor(rng.choice(EDGES, 8), requires_grad=True) for _ in range(2))
    function = edgy(seed, weight)
    with np.errstate(all="ignore"):
        expected, *got = ([y.numpy() for y in f(x)] for f in (function, record(function, passes=[]), record(function)))
    for a, b, c in zip(expected, *got, strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.isfinite(c[np.isfinite(a)]).all()
