"""The backward pass: from the cotangent of an output to the gradients of all that it was computed from.

What many time steps give to one weight or bias is not added up step by step: it stays `Products` or `Sums`
(tinyaug/arrays.py) until all of it has arrived.
"""

from __future__ import annotations

from heapq import heappop, heappush, heappushpop
from math import prod
from types import FunctionType

import numpy as np

from tinyaug.arrays import FEW, NAMESPACES, Products, Sums, array_module, device_of, to_device
from tinyaug.autograd import Node, observers, recorder, tell, tracking
from tinyaug.tensor import OPS, Tensor, wrap

__all__ = ["backpropagate", "evaluate", "unbroadcast", "zeros"]


class OpsNamespace:
    """The ops as a namespace: a body that is run with it on Tensors leaves Nodes, so its vjp can be differentiated."""

    def __init__(self, kind):
        self.arange = NAMESPACES[kind].arange      # positions are plain arrays, as in any other namespace
        self.dot = OPS["matmul"]
        self.products = lambda left, right: OPS["transpose"](left) @ right

    def sum_from(self, x, axis, start):
        return OPS["sum"](x, axis=axis, keepdims=True) + start

    def sum_of_products(self, x, y, axis):
        return OPS["sum"](x * y, axis=axis, keepdims=True)

    def max_from(self, x, axis, start):
        return OPS["maximum"](OPS["max"](x, axis=axis, keepdims=True), start)

    def __getattr__(self, name):
        if name in OPS:
            return OPS[name]
        raise AttributeError(f"no op {name!r}: a body may use registered ops and operators only")


def _on_tensors(node):
    """The vjp of a node whose body is run again with the ops themselves as xp: what it computes leaves Nodes."""
    fixed = node.op.constant
    inputs = [x.data if i in fixed and isinstance(x, Tensor) else x for i, x in enumerate(node.inputs)]
    lead = next(x for i, x in enumerate(node.inputs) if i not in fixed and isinstance(x, Tensor))
    return node.op.body(OpsNamespace(type(lead.data)), *inputs, **node.keywords)[1]


def backpropagate(outputs, cotangents, wanted, retain, create):
    """Gradients of sum(output * cotangent) with respect to every leaf, or to the `wanted` Tensors.

    cotangents: one an output, arrays or Tensors; None for an output of one element counts as 1
    wanted:     Tensors, leaves or not; None for all leaves
    retain:     keep the nodes' vjps and inputs, for another pass
    create:     run the bodies again on Tensors, so that the gradients are Tensors that can be differentiated themselves
    returns:    [(leaf, gradient), ...], or the list of gradients of `wanted`, None where there is no path
    raises:     RuntimeError where an output needs no gradient or the graph was released, ValueError for a cotangent of
                another shape, ValueError or TypeError where a vjp gives another shape or dtype than its input has
    """
    leaves: dict = {}    # leaf -> its gradient so far
    heap: list = []      # (clock, node) of all nodes that a cotangent has reached; the first is the newest
    kept = None if wanted is None else {x.source: None for x in wanted if x.source is not None}
    notes = recorder()
    newest = known = None
    try:
        with tracking(create), np.errstate(all="ignore"):
            for y, g in zip(outputs, cotangents):
                if not y.requires_grad:
                    raise RuntimeError("backward: nothing that led to this Tensor requires a gradient")
                g = _first_cotangent(y, g, create)
                if notes is not None:
                    notes.seed(g)
                _deliver(y, g, leaves, heap)
            while heap or newest is not None:
                if newest is None:
                    node = heappop(heap)[1]
                elif heap:
                    node = heappushpop(heap, (newest.clock, newest))[1]
                else:
                    node = newest
                newest = None
                if kept is not None:
                    _keep(kept, node)
                arrived = node.arrived
                node.arrived = None
                vjp = node.vjp
                if vjp is None:
                    raise RuntimeError(f"backward: the graph at {node.op.__name__} was released by an earlier backward; "
                                       "call that one with retain_graph=True")
                if notes is not None:
                    notes.enter_backward(node)
                if create:
                    vjp = _on_tensors(node)
                found = vjp(arrived) if node.shapes is None else vjp(*_filled(node, arrived))
                if observers:
                    found = tuple([evaluate(g) for g in found])
                    tell("backward", node.op.__name__, node,
                         (arrived,) if node.shapes is None else tuple(_filled(node, arrived)), found)
                for x, g in zip(node.inputs, found):
                    if g is None or type(x) is not Tensor and not isinstance(x, Tensor) or not x.requires_grad:
                        continue
                    if type(g) is FunctionType:
                        g = g()
                    if g is not known:               # to ask an array takes time, and add passes on what it got
                        known, shape, dtype = g, g.shape, g.dtype
                    data, source = x.data, x.source
                    if shape != data.shape and (source is not None or create or len(data.shape) != 1
                                                or shape[1:] != data.shape):
                        g = unbroadcast(g, data.shape, node.op.__name__)     # but for the rows of a bias
                    if dtype is not data.dtype and dtype != data.dtype:
                        raise TypeError(f"{node.op.__name__}: its vjp gives {dtype} for an input of {data.dtype}")
                    if source is None:
                        held = leaves.get(x)
                        if type(held) is Sums and type(g) is not Products:
                            held.parts.append(g)
                        else:
                            leaves[x] = _together(held, g, data.shape)
                    elif type(source) is not Node or type(g) is Products:
                        _deliver(x, evaluate(g), leaves, heap)
                    elif source.arrived is None:
                        source.arrived = g
                        if newest is not None:
                            heappush(heap, (newest.clock, newest))
                        newest = source
                    else:
                        source.arrived = source.arrived + g
                if not retain:
                    node.vjp = None
                    node.inputs = ()
            for x, g in leaves.items():
                if notes is not None:
                    notes.enter_leaf(x)
                leaves[x] = evaluate(g)
    finally:
        for left in (newest, *[node for _, node in heap]):
            if left is not None:                     # after an error: what had arrived must not meet the next pass
                left.arrived = None
    if wanted is None:
        return list(leaves.items())
    return [leaves.get(x) if x.source is None else kept[x.source] for x in wanted]


def _deliver(x, g, leaves, heap):
    """Add a gradient to what has arrived for a leaf, a node, or one of several outputs of a node."""
    source = x.source
    if source is None:
        leaves[x] = _together(leaves.get(x), g, x.data.shape)
        return
    node, i = source if type(source) is tuple else (source, None)
    first = node.arrived is None
    if i is None:
        node.arrived = g if first else node.arrived + g
    else:
        g = evaluate(g)
        parts = node.arrived = {} if first else node.arrived
        parts[i] = parts[i] + g if i in parts else g
    if first:
        heappush(heap, (node.clock, node))


def _together(held, g, shape):
    """What has arrived for a leaf of `shape`, None at first, and one gradient more: its own, or the rows of a bias."""
    rows = g.shape != shape
    if held is not None:
        return held + (Sums(g, shape).value() if rows else g)
    small = shape and prod(shape) <= FEW and type(g) is not Products and not isinstance(g, Tensor)
    return Sums(g, shape) if rows or small else g


def _filled(node, arrived):
    """The cotangents of a node's several outputs, zeros for those that nobody used."""
    some = next(iter(arrived.values()))
    return [arrived[i] if i in arrived else zeros(some, shape) for i, shape in enumerate(node.shapes)]


def _keep(kept, node):
    """Note the cotangents that somebody asked for by name."""
    if node in kept:
        kept[node] = node.arrived
    if node.shapes is not None and node.arrived is not None:
        kept.update(((node, i), g) for i, g in node.arrived.items() if (node, i) in kept)


def evaluate(g):
    """A gradient as an array, whatever a vjp gave for it."""
    g = g() if type(g) is FunctionType else g
    return g.value() if type(g) is Products or type(g) is Sums else g


def zeros(like, shape):
    """Zeros of the kind of `like`: a Tensor for a Tensor, else an array, of its dtype and on its device."""
    if isinstance(like, Tensor):
        return wrap(array_module(like.data).zeros(shape, dtype=like.dtype), False, None)
    return array_module(like).zeros(shape, dtype=like.dtype)


def _first_cotangent(y, g, create):
    """The cotangent that a pass starts from at output y, 1 where none is given: a Tensor for `create`, else an array."""
    xp = array_module(y.data)
    if g is None:
        if y.size != 1:
            raise ValueError(f"backward: a Tensor of shape {y.shape} is not one number; give its cotangent, "
                             "or reduce it with sum or mean")
        g = xp.ones(y.shape, dtype=y.dtype)
    if isinstance(g, Tensor):
        if create:
            return g
        g = g.data
    if recorder() is not None:
        g = xp.asarray(g)
    g = g if type(g) in NAMESPACES else to_device(np.asarray(g), device_of(y.data))
    if g.shape != y.shape:
        raise ValueError(f"backward: cotangent of shape {g.shape}, expected {y.shape}")
    g = g.astype(y.dtype)
    return wrap(g, False, None) if create else g


def unbroadcast(g, shape, name="unbroadcast"):
    """Sum g over the axes along which an input of `shape` was broadcast: each copy's gradient counts.

    raises: ValueError where g cannot have come from an input of that shape
    """
    extra = len(g.shape) - len(shape)
    axes = tuple(range(extra)) + tuple(extra + i for i, size in enumerate(shape)
                                       if size == 1 and g.shape[extra + i] != 1) if extra >= 0 else ()
    if extra < 0 or any(size not in (1, g.shape[extra + i]) for i, size in enumerate(shape)):
        raise ValueError(f"{name}: its vjp gives shape {g.shape} for an input of shape {shape}")
    if extra == 1 and len(axes) == 1 and g.shape[0] == 1:
        return g.reshape(shape)                      # a batch of one: nothing to add up
    total = OPS["sum"] if isinstance(g, Tensor) else array_module(g).sum
    return total(g, axis=axes, keepdims=True).reshape(shape)
