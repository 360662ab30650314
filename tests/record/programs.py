"""Small functions to record, and how many calls are left of them after some passes."""

import numpy as np

from tinyaug import Tensor, ops, using_dtype
from tinyaug.record import record

rng = np.random.default_rng(0)
WEIGHT, LARGE, OTHER, BIAS, WIDE = (rng.normal(size=shape) for shape in ((3, 3), (2, 70), (3, 3), 3, (6, 3)))
TWO, MEMORY = rng.normal(size=(2, 3)), np.ones((2, 200, 90))


def gradient(x):
    """Of a loss and two gradients one is returned: what computes the others is dead."""
    w = Tensor(WEIGHT, requires_grad=True)
    ops.sum(ops.exp(x) @ w).backward()
    return w.grad


def several_steps(x):
    """Ten steps whose outputs wait for nothing."""
    w = Tensor(WEIGHT)
    return [ops.tanh(x * (i + 1)) @ w for i in range(10)]


def slopes(x, steps=10):
    """The backward pass of ten tanhs: their slopes depend on the forward pass alone."""
    w = Tensor(WEIGHT, requires_grad=True)
    y = x
    for _ in range(steps):
        y = ops.tanh(y @ w)
    ops.sum(y).backward()
    return w.grad


def gates(x):
    """Two sigmoids and a tanh of one layer, as in an LSTM."""
    a, b, c = ops.split(x @ Tensor(WEIGHT) + Tensor(BIAS), 3, axis=-1)
    return ops.sigmoid(a) * ops.tanh(b), ops.sigmoid(c)


def two_gates(x):
    """One sigmoid of two gates, whose gradients meet again in its slope."""
    w = Tensor(WEIGHT, requires_grad=True)
    a, b = ops.split(ops.sigmoid(ops.concatenate([x @ w, x @ w], axis=-1)), 2, axis=-1)
    ops.sum(ops.exp(a * b * x)).backward()
    return w.grad


def read_twice(x):
    """A layer whose first column is halved and read as it is."""
    y = x @ Tensor(WEIGHT) + Tensor(BIAS)
    return y[:, :1] * 0.5, y[:, :2] * 1.0


def chain(x):
    """The slopes of three functions, one after the other."""
    w = Tensor(TWO, requires_grad=True)
    ops.sum(x * (ops.sigmoid(ops.tanh(w * x)) / (w * w + 1.0))).backward()
    return w.grad


def difference(x):
    """The backward pass of a difference and of a product with its result."""
    v, w = Tensor(TWO, requires_grad=True), Tensor(WEIGHT, requires_grad=True)
    ops.sum(ops.tanh((x - v) @ w - v * x)).backward()
    return v.grad, w.grad


def erased(x, weighted=False):
    """A memory that is erased by the outer product of a column and a row, many times. weighted: by a learned strength"""
    memory, w = Tensor(MEMORY, requires_grad=True), Tensor(TWO, requires_grad=True)
    y = memory
    for i in range(80):
        column = ops.sigmoid(ops.broadcast_to(ops.expand_dims((w * x if weighted else x)[:, :1], -1), (2, 200, 1)) * (i + 1))
        y = y * (1 - column * ops.broadcast_to(ops.expand_dims(x[:, 1:2], -1), (2, 1, 90)))
    ops.mean(y).backward()
    return w.grad if weighted else memory.grad


def recurrent(x):
    """A simple recurrent network of four steps: the last state, and the gradients of its input layer, weight and bias."""
    v, w, b = (Tensor(a, requires_grad=True) for a in (TWO, WIDE, BIAS))
    h = x * 0.5
    for i in range(4):
        h = ops.tanh(ops.concatenate([x * v * (i + 1), h], axis=-1) @ w + b)
    ops.sum(h * h).backward()
    return h, v.grad, w.grad, b.grad


def counts(function, applied, draws=3):
    """How many calls remain after each pass, once the values are shown to be those of the function."""
    with using_dtype("float64"):
        recorded = record(function, passes=applied)
        for _ in range(draws):
            x = Tensor(rng.normal(size=(2, 3)))
            got, expected = recorded(x), function(x)
            many = isinstance(got, (tuple, list))
            for a, b in zip(got if many else [got], expected if many else [expected], strict=True):
                np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12, atol=1e-14)
                assert np.array_equal(np.signbit(a.numpy()), np.signbit(b.numpy()))
        return recorded.programs[((2, 3), np.dtype("f8")),][0]
