"""The @op decorator: what runs forward, and what is remembered of it.

An op is written once, as a body against an array namespace `xp`:

    @op(examples=lambda rng: [(rng.normal(size=(3, 4)), rng.normal(size=4))])
    def multiply(xp, x, y):
        return x * y, lambda g: (g * y, g * x)

It returns its output and its vjp: a function from g, the gradient of the loss with respect to the output (the
cotangent), to one entry an input. An entry is an array, None (no gradient), or a function without arguments that is
called only if that gradient is wanted. The body never branches on the values of arrays and never writes in place.

Calling `multiply(a, b)` on Tensors runs the body on their arrays and, where a gradient may be wanted later, leaves a
Node that remembers the vjp. `tinyaug.backward` walks the Nodes, newest first. Derivatives of derivatives need no second
definition: the body is run again with `xp` standing for the ops themselves, on Tensors, and so leaves Nodes like
anything else.
"""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from functools import wraps
from itertools import count

import numpy as np

from tinyaug.arguments import MISUSE, NUMBERS, named, settle
from tinyaug.arrays import NAMESPACES
from tinyaug.tensor import OPS, Tensor, as_tensor, stop_gradient, wrap

__all__ = ["Tensor", "Node", "OPS", "op", "node_of", "no_grad", "tracking", "is_tracking", "stop_gradient", "observe",
           "as_tensor", "recorder", "recording"]

tick = count(0, -1).__next__      # the clock runs down: the newest node has the smallest number
_NO_KEYWORDS: dict = {}
_tracking = True           # whether ops leave Nodes behind
observers: list = []       # the callbacks of `observe`
active_modules: list = []  # the modules that are being called at this moment, outermost first
_recorder = None           # what notes array calls instead of computing them, while tinyaug.record is at work
_new = object.__new__      # results are filled in by hand: an __init__ would be one more call for every op


class Node:
    """One op that ran: what went in, and how to turn the gradient of what came out into that of what went in.

    op: the op; inputs: its array arguments, Tensors or plain; keywords: the rest
    vjp: cotangents -> one entry an input; a backward pass lets go of it (None) and of the inputs once it has used them
    shapes: the shapes of several outputs, to fill in zeros for those that nobody used; None for a single output
    clock: nodes are numbered downwards as they are made, so a node's number is below those of its inputs
    arrived: during a backward pass, the cotangent so far: an array, or {output index: array} for several outputs
    """

    __slots__ = ("op", "inputs", "keywords", "vjp", "shapes", "clock", "arrived")


def _result(xp, kind, op, inputs, keywords, arrays, result, vjp):
    """What an op gives back: a Tensor, or a tuple of them where its body gave several arrays."""
    node = None
    if vjp is not None:
        node = _new(Node)
        node.op, node.inputs, node.keywords, node.vjp = op, inputs, keywords, vjp
        node.shapes = node.arrived = None
        node.clock = tick()
        if _recorder is not None:
            _recorder.made(node)
    if type(result) is kind and not observers:
        return wrap(result, node is not None, node)
    several = type(result) is tuple
    results = [r if type(r) is kind else xp.asarray(r) for r in (result if several else (result,))]
    if observers:
        tell("forward", op.__name__, node, tuple(arrays), tuple(results))
    if not several:
        return wrap(results[0], node is not None, node)
    if node is None:
        return tuple([wrap(r, False, None) for r in results])
    node.shapes = [r.shape for r in results]
    return tuple([wrap(r, True, (node, i)) for i, r in enumerate(results)])


def node_of(op, inputs, results, vjp):
    """Tensors of arrays that no op body computed, with a Node that remembers vjp, unless that is None.

    op:  what backward, and its errors, take for the op: it has __name__, constant and body as an op has
    vjp: the cotangents of all results -> one entry an input
    """
    kind = type(results[0])
    return _result(NAMESPACES[kind], kind, op, inputs, _NO_KEYWORDS, [x.data for x in inputs], results, vjp)


def op(*, examples, constant=(), adapt=None):
    """Make an op of a body. See the module docstring for what a body is.

    examples: rng -> list of tuples of arrays, each one call; a dict at the end holds the keywords. The tests of the
              op are generated from them, so they cover its ranks, axes and keywords.
    constant: names of array arguments that are never differentiated: indices, conditions
    adapt: (args, keywords) -> (arrays, keywords), where the call differs from the body (a list of arrays, say)

    The op is called with NumPy's signature: the body's positional parameters are the arrays, its keyword-only
    parameters may be given by position after them.
    """

    def decorate(body):
        name = body.__name__
        parameters = list(inspect.signature(body).parameters.values())[1:]
        names = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
        variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        width = len(parameters) - len(names)
        fixed = frozenset(i for i, p in enumerate(parameters) if p.name in constant)

        def general(*args, **keywords):
            """Any call: sorts the arguments out, runs the body on arrays, and remembers it where that may be needed."""
            if adapt is not None:
                args, keywords = adapt(args, keywords)
            elif len(args) > width and not variadic:
                if len(args) > width + len(names):
                    raise TypeError(f"{name}: got {len(args)} arguments, expected at most {width + len(names)}")
                keywords.update(zip(names, args[width:]))
                args = args[:width]
            if _recorder is not None:
                args = _recorder.enter(name, args)
            arrays = []
            dtype = None
            kind = np.ndarray
            tracked = numbers = odd = False
            for x in args:
                if isinstance(x, Tensor):
                    data = x.data
                    arrays.append(data)
                    if x.requires_grad:
                        tracked = True
                    if dtype is None:
                        dtype = data.dtype
                        kind = type(data)
                    elif data.dtype is not dtype or type(data) is not kind:
                        odd = True
                else:
                    arrays.append(x)
                    if type(x) in NUMBERS:
                        numbers = True
                    else:
                        odd = True
            if odd or numbers and (fixed or dtype is None or dtype.kind != "f"):
                args, arrays, kind = settle(name, args, fixed)
            xp = NAMESPACES[kind]
            try:
                result, vjp = body(xp, *arrays, **keywords)
            except MISUSE as error:
                raise named(error, body, arrays, keywords) from error
            if not (tracked and _tracking):
                vjp = None
            return _result(xp, kind, apply, args, keywords, arrays, result, vjp)

        # the fast ways: what `general` does for one or two Tensors of one dtype on one device, less what cannot happen
        # here. The node is filled in by hand, as a call would cost as much as all of it.

        @wraps(body)
        def unary(x, *rest, **keywords):
            if len(rest) > len(names) or _recorder is not None or observers:
                return general(x, *rest, **keywords)
            try:
                tracked, data = x.requires_grad, x.data
            except AttributeError:
                return general(x, *rest, **keywords)
            if rest:
                keywords.update(zip(names, rest))
            kind = type(data)
            xp = NAMESPACES[kind]
            try:
                result, vjp = body(xp, data, **keywords) if keywords else body(xp, data)     # ** of nothing takes time, too
            except MISUSE as error:
                raise named(error, body, [data], keywords) from error
            if not (tracked and _tracking):
                vjp = None
            if type(result) is not kind:
                return _result(xp, kind, apply, (x,), keywords, [data], result, vjp)
            y = _new(Tensor)
            y.data = result
            y.grad = None
            if vjp is None:
                y.requires_grad = False
                y.source = None
            else:
                y.requires_grad = True
                y.source = node = _new(Node)
                node.op = apply
                node.inputs = (x,)
                node.keywords = keywords or _NO_KEYWORDS
                node.vjp = vjp
                node.shapes = node.arrived = None
                node.clock = tick()
            return y

        @wraps(body)
        def binary(x, y):
            if _recorder is not None or observers:
                return general(x, y)
            try:
                tracked = x.requires_grad or y.requires_grad
                data, other = x.data, y.data
            except AttributeError:
                return general(x, y)
            kind = type(data)
            if type(other) is not kind or data.dtype is not other.dtype:      # an ndarray has some `data`, too
                return general(x, y)
            try:
                result, vjp = body(NAMESPACES[kind], data, other)
            except MISUSE as error:
                raise named(error, body, [data, other], _NO_KEYWORDS) from error
            if type(result) is not kind:
                return _result(NAMESPACES[kind], kind, apply, (x, y), _NO_KEYWORDS, [data, other], result,
                               vjp if tracked and _tracking else None)
            z = _new(Tensor)
            z.data = result
            z.grad = None
            if tracked and _tracking and vjp is not None:
                z.requires_grad = True
                z.source = node = _new(Node)
                node.op = apply
                node.inputs = (x, y)
                node.keywords = _NO_KEYWORDS
                node.vjp = vjp
                node.shapes = node.arrived = None
                node.clock = tick()
            else:
                z.requires_grad = False
                z.source = None
            return z

        if adapt is None and not variadic and (width == 1 or width == 2 and not names):
            apply = binary if width == 2 else unary
        else:
            apply = wraps(body)(general)
        apply.body, apply.examples, apply.constant = body, examples, fixed
        OPS[name] = apply
        return apply

    return decorate


@contextmanager
def tracking(track):
    """`with tracking(False): ...` computes without leaving Nodes, `tracking(True)` leaves them again inside such a block."""
    global _tracking
    before, _tracking = _tracking, track
    try:
        yield
    finally:
        _tracking = before


def is_tracking() -> bool:
    """True where ops leave Nodes behind."""
    return _tracking


def no_grad():
    """`with no_grad(): ...` computes without leaving Nodes, so without memory for a backward pass."""
    return tracking(False)


def recorder():
    """The tinyaug.record.recorder.Recorder at work, or None."""
    return _recorder


@contextmanager
def recording(by):
    """`with recording(recorder): ...` shows it every op before the op runs."""
    global _recorder
    before, _recorder = _recorder, by
    try:
        yield by
    finally:
        _recorder = before


@contextmanager
def observe(callback):
    """Call `callback(phase, op name, node, inputs, outputs)` after every op, with raw arrays.

    phase "forward": inputs and outputs of the op; "backward": cotangents of its outputs, gradients of its inputs.
    """
    observers.append(callback)
    try:
        yield
    finally:
        observers.remove(callback)


def tell(phase, name, node, inputs, outputs):
    """Call all observers."""
    for callback in tuple(observers):
        callback(phase, name, node, inputs, outputs)
