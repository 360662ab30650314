"""How fast could a tape in Python be? This one has six ops, one dtype, one device and nothing else.

No look at types, shapes or broadcasting, no names for errors, no second derivative, no recorder, no observers, one
backward pass and one list of all that ever ran. What it costs is what NumPy's calls and Python's own calls cost, so its
times are a bound for tinyaug's tape, which does the same work with all of these. The ops repeat how a gradient is added and
a Number goes on the tape, as calls for that would be measured too.
"""

import numpy as np

tape: list = []


class Number:
    """An array, its gradient, and how to pass that on. Ops are methods, as a namespace of them would cost a look-up."""

    __slots__ = ("data", "grad", "vjp")

    def __init__(self, data):
        self.data, self.grad = data, None

    def __add__(self, other):
        y = Number(self.data + other.data)

        def vjp(g):
            self.grad = g if self.grad is None else self.grad + g
            other.grad = g if other.grad is None else other.grad + g

        y.vjp = vjp
        tape.append(y)
        return y

    def __matmul__(self, other):
        a, b = self.data, other.data
        y = Number(a.dot(b))

        def vjp(g):
            da, db = g.dot(b.T), a.T.dot(g)
            self.grad = da if self.grad is None else self.grad + da
            other.grad = db if other.grad is None else other.grad + db

        y.vjp = vjp
        tape.append(y)
        return y

    def __getitem__(self, index):
        shape = self.data.shape
        y = Number(self.data[index])

        def vjp(g):
            whole = np.zeros(shape, np.float32)
            whole[index] = g
            self.grad = whole if self.grad is None else self.grad + whole

        y.vjp = vjp
        tape.append(y)
        return y

    def __mul__(self, other):
        a, b = self.data, other.data
        y = Number(a * b)

        def vjp(g):
            self.grad = g * b if self.grad is None else self.grad + g * b
            other.grad = g * a if other.grad is None else other.grad + g * a

        y.vjp = vjp
        tape.append(y)
        return y


def tanh(x):
    out = np.tanh(x.data)
    y = Number(out)

    def vjp(g):
        g = g - g * (out * out)
        x.grad = g if x.grad is None else x.grad + g

    y.vjp = vjp
    tape.append(y)
    return y


def softmax(x, axis):
    """Of a single row: its maximum and its sum are one number each."""
    parts = np.exp(x.data - np.maximum.reduce(x.data, axis, None, None, True).reshape(()))
    out = parts / np.add.reduce(parts, axis, None, None, True).reshape(())

    def vjp(g):
        g = out * (g - np.vecdot(g, out).reshape(()))
        x.grad = g if x.grad is None else x.grad + g

    y = Number(out)
    y.vjp = vjp
    tape.append(y)
    return y


def concatenate(parts, axis):
    """Of two matrices along their columns."""
    one, two = parts
    y = Number(np.concatenate([one.data, two.data], axis))
    middle = one.data.shape[axis]

    def vjp(g):
        left, right = g[:, :middle], g[:, middle:]
        one.grad = left if one.grad is None else one.grad + left
        two.grad = right if two.grad is None else two.grad + right

    y.vjp = vjp
    tape.append(y)
    return y


def backward(y, cotangent):
    """The gradients of sum(y * cotangent), left on every Number."""
    y.grad = cotangent
    for node in reversed(tape):
        node.vjp(node.grad)
    tape.clear()
