"""What do a tape's promises cost? The smallest one that keeps some of tinyaug's: a second bound beside `smallest_tape`.

It takes tinyaug's own op bodies, so a vjp knows nothing of the tape; it walks any graph, newest first; it refuses a gradient
of another shape or dtype than its input; and it lets go of every node that it has passed. What it lacks: broadcasting,
devices, constants, weights, names for errors, several outputs, second derivatives, observers and the recorder.
"""

from heapq import heappop, heappush, heappushpop
from itertools import count

from tinyaug import ops
from tinyaug.arrays import host

tick = count(0, -1).__next__
new = object.__new__


class Number:
    """An array and what it came from: in one object, where tinyaug has a Tensor and a Node."""

    __slots__ = ("data", "inputs", "vjp", "clock", "arrived")

    def __init__(self, data):
        self.data, self.inputs, self.vjp, self.clock, self.arrived = data, (), None, tick(), None

    def __getitem__(self, index):
        return getitem(self, index=index)


def unary(body):
    def apply(x):
        y = new(Number)
        y.data, y.vjp = body(host, x.data)
        y.inputs, y.clock, y.arrived = (x,), tick(), None
        return y

    return apply


def with_keywords(body):
    def apply(*inputs, **keywords):
        y = new(Number)
        y.data, y.vjp = body(host, *[x.data for x in inputs], **keywords)
        y.inputs, y.clock, y.arrived = inputs, tick(), None
        return y

    return apply


tanh, getitem, join, share = unary(ops.tanh.body), *map(with_keywords, (
    ops.getitem.body, ops.concatenate.body, ops.softmax.body))


def concatenate(parts, axis):
    return join(*parts, axis=axis)


def softmax(x, axis):
    return share(x, axis=axis)


def backward(y, cotangent):
    """The gradients of sum(y * cotangent): what has `arrived` at every Number that came from none."""
    y.arrived = cotangent
    heap, newest = [], (y.clock, y)
    while heap or newest:
        node = (heappushpop(heap, newest) if newest else heappop(heap))[1]
        newest = None
        if node.vjp is None:
            continue
        found = node.vjp(node.arrived)
        node.arrived = None
        for x, g in zip(node.inputs, found):
            if g.shape != x.data.shape or g.dtype is not x.data.dtype:
                raise ValueError(f"got a gradient {g.shape} {g.dtype} for an input {x.data.shape} {x.data.dtype}")
            if x.arrived is not None:
                x.arrived = x.arrived + g
                continue
            x.arrived = g
            if newest:
                heappush(heap, newest)
            newest = x.clock, x
        node.vjp, node.inputs = None, ()
