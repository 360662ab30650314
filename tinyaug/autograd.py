"""Tensor, the @op decorator and reverse-mode differentiation.

An op is written once, as a body against an array namespace `xp`:

    @op(examples=lambda rng: [(rng.normal(size=(3, 4)), rng.normal(size=4))])
    def multiply(xp, x, y):
        return x * y, lambda g: (g * y, g * x)

It returns its output and its vjp: a function from g, the gradient of the loss with respect to the output (the
cotangent), to one entry an input. An entry is an array, None (no gradient), or a function without arguments that is
called only if that gradient is wanted. The body never branches on the values of arrays and never writes in place.

Calling `multiply(a, b)` on Tensors runs the body on their arrays and, where a gradient may be wanted later, leaves a
Node that remembers the vjp. `backward` walks the Nodes, newest first. Derivatives of derivatives need no second
definition: the body is run again with `xp` standing for the ops themselves, on Tensors, and so is recorded like
anything else.
"""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from functools import wraps
from itertools import count
from operator import attrgetter
from types import FunctionType

import numpy as np

from tinyaug.arrays import NAMESPACES, Products, array_module, default_dtype, device_of, to_device, to_host

__all__ = ["Tensor", "Node", "OPS", "op", "gradients", "grad", "value_and_grad", "jacobian", "hvp", "no_grad",
           "stop_gradient", "observe", "as_tensor"]

OPS: dict[str, FunctionType] = {}
_clock = count()
_tracking = True
_depth = 0                 # how many functions are being differentiated at this moment, one inside the other
_observers: list = []
_SCALARS = (float, int, bool)


class Tensor:
    """An array that remembers how it was made.

    data: the array, on the host or on a device. What is not yet an array becomes one: floats take `dtype`, or the
          default dtype (float32), integers and truth values stay what they are.
    requires_grad: True for a leaf whose gradient is wanted, and for all that is computed from one.
    grad: after `backward`, the gradient of a leaf: a Tensor of the same shape, or None.
    """

    __slots__ = ("data", "requires_grad", "grad", "source", "__weakref__")
    __array_ufunc__ = None       # ndarray * Tensor asks Tensor.__rmul__ instead of looping over elements

    def __init__(self, data, requires_grad=False, dtype=None):
        self.data = _as_array(data, dtype)
        if requires_grad and self.data.dtype.kind != "f":
            raise TypeError(f"Tensor: requires_grad needs a floating dtype, got {self.data.dtype}")
        self.requires_grad = requires_grad
        self.grad = None
        self.source = None       # the Node that this came from, (Node, index) for one of several outputs; None for a leaf

    shape = property(lambda self: self.data.shape, doc="tuple of sizes")
    dtype = property(lambda self: self.data.dtype)
    ndim = property(lambda self: self.data.ndim)
    size = property(lambda self: self.data.size)
    device = property(lambda self: device_of(self.data), doc='"cpu", "cuda" or "strict"')

    def numpy(self) -> np.ndarray:
        """The values as a NumPy array on the host."""
        return to_host(self.data)

    def item(self):
        """The value of a Tensor of one element as a Python number. From a device this waits for the device."""
        return self.data.item()

    def detach(self) -> Tensor:
        """The same array, cut off from what made it: gradient does not flow back through it."""
        return _wrap(self.data, False, None)

    def to(self, device: str) -> Tensor:
        """A leaf with the same values on `device`."""
        return Tensor(to_device(to_host(self.data), device), self.requires_grad, self.dtype)

    def backward(self, cotangent=None, retain_graph=False, create_graph=False):
        """Add d self / d leaf to the `grad` of every leaf that this Tensor was computed from.

        cotangent: the gradient with respect to this Tensor; may be left out where it has one element
        retain_graph: keep the graph, so that backward can be called again
        create_graph: record the backward pass too, so that `grad` can be differentiated

        Why not recurse from each node into its inputs? With b = a + a; c = b + b, recursion visits a once for every
        path from c, four here and 2**n after n lines, or meets b before all of its gradient has arrived. Walking
        the nodes from the newest to the oldest meets each one once, when everything that used it has reported.
        """
        leaves = _backpropagate([self], [cotangent], None, retain_graph or create_graph, create_graph)
        for leaf, g in leaves:
            if not create_graph:
                g = Tensor(array_module(leaf.data).array(g), dtype=leaf.dtype)      # a copy: g may be shared
            leaf.grad = g if leaf.grad is None else leaf.grad + g

    def __repr__(self):
        note = ", requires_grad=True" if self.requires_grad else ""
        return f"Tensor({np.array2string(self.numpy(), separator=', ', prefix='Tensor(')}, {self.dtype}{note})"

    def __len__(self):
        if not self.shape:
            raise TypeError("len() of a 0-d Tensor")
        return self.shape[0]

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index):
        return OPS["getitem"](self, index=_plain_index(index))

    def __setitem__(self, index, value):
        raise TypeError("Tensor: assignment in place would change what the graph remembers; "
                        "build a new one with where, stack or concatenate")

    def __bool__(self):
        return bool(self.data)

    def __float__(self):
        return float(self.data)

    def __int__(self):
        return int(self.data)

    def __array__(self, *_, **__):
        raise TypeError("Tensor: NumPy would drop the graph here; use tensor.numpy()")

    __hash__ = object.__hash__


def _plain_index(index):
    if isinstance(index, tuple):
        return tuple(_plain_index(part) for part in index)
    return index.data if isinstance(index, Tensor) else index


def _as_array(data, dtype=None):
    if isinstance(data, Tensor):
        data = data.data
    if type(data) not in NAMESPACES:
        data = np.asarray(data)
    if dtype is None and data.dtype.kind == "f":
        dtype = default_dtype()
    return data if dtype is None or data.dtype == dtype else data.astype(dtype)


def as_tensor(x) -> Tensor:
    """x itself if it is a Tensor, else a Tensor of it."""
    return x if isinstance(x, Tensor) else Tensor(x)


def _wrap(data, requires_grad, source):
    """A Tensor around an array that is known to be one: the fast way in."""
    tensor = _new(Tensor)
    tensor.data = data
    tensor.requires_grad = requires_grad
    tensor.grad = None
    tensor.source = source
    return tensor


_new = object.__new__


class Node:
    """One op that ran: what went in, and how to turn the gradient of what came out into that of what went in.

    op: the op; inputs: its positional arguments, Tensors or plain; keywords: the rest
    vjp: cotangents -> one gradient an input; None once a backward pass has used and released it
    shapes: the shapes of several outputs, to fill in zeros for those that nobody used; None for a single output
    clock: nodes are numbered as they are made, so a node is always newer than its inputs
    arrived: during a backward pass, the cotangent so far: an array, or {output index: array} for several outputs
    walk: the last backward pass that met this node

    Nodes are filled in by `apply`, without an __init__: a call less for every op.
    """

    __slots__ = ("op", "inputs", "keywords", "vjp", "shapes", "clock", "arrived", "walk")


def _several(xp, kind, name, node, arrays, results):
    """The outputs of an op that has several, as Tensors."""
    results = [r if type(r) is kind else xp.asarray(r) for r in results]
    if node is not None:
        node.shapes = [r.shape for r in results]
    if _observers:
        _tell("forward", name, node, tuple(arrays), tuple(results))
    return tuple([_wrap(r, node is not None, (node, i) if node is not None else None) for i, r in enumerate(results)])


def op(*, examples, constant=(), adapt=None):
    """Make an op of a body. See the module docstring for what a body is.

    examples: rng -> list of tuples of arrays, each one call; a dict at the end holds the keywords. The tests of the
              op are generated from them, so they cover its ranks, axes and keywords.
    constant: names of array arguments that are never differentiated (indices, conditions)
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

        @wraps(body)
        def apply(*args, **keywords):
            if adapt is not None:
                args, keywords = adapt(args, keywords)
            elif len(args) > width and not variadic:
                keywords.update(zip(names, args[width:]))
                args = args[:width]
            arrays = []
            dtype = None
            tracked = odd = False
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
                    odd = True
            if odd:
                args, arrays, kind = _settle(name, args, arrays, fixed)
            xp = NAMESPACES[kind]
            result, vjp = body(xp, *arrays, **keywords)
            node = None
            if tracked and _tracking and vjp is not None:
                node = _new(Node)
                node.op, node.inputs, node.keywords, node.vjp = apply, args, keywords, vjp
                node.shapes = node.arrived = node.walk = None
                node.clock = next(_clock)
            if type(result) is tuple:
                return _several(xp, kind, name, node, arrays, result)
            if type(result) is not kind:
                result = xp.asarray(result)
            if _observers:
                _tell("forward", name, node, tuple(arrays), (result,))
            y = _new(Tensor)
            y.data, y.grad, y.source, y.requires_grad = result, None, node, node is not None
            return y

        apply.body, apply.examples, apply.constant = body, examples, fixed
        OPS[name] = apply
        return apply

    return decorate


def _settle(name, args, arrays, fixed):
    """The slow path of a call: plain numbers, arrays and lists among the arguments, or Tensors that disagree."""
    args = tuple(args)
    if not any(isinstance(x, Tensor) for i, x in enumerate(args) if i not in fixed):
        args = tuple(x if i in fixed else as_tensor(x) for i, x in enumerate(args))
    args = tuple(x if not (i in fixed and isinstance(x, (list, tuple))) else np.asarray(x) for i, x in enumerate(args))
    arrays = [x.data if isinstance(x, Tensor) else x for x in args]
    tensors = [(i, x.data) for i, x in enumerate(args) if isinstance(x, Tensor)]
    lead = next((data for i, data in tensors if i not in fixed), arrays[0])
    kind = type(lead)
    floats = [data for i, data in tensors if i not in fixed and data.dtype.kind == "f"]
    dtype = floats[0].dtype if floats else None
    for data in floats:
        if data.dtype != dtype:
            raise TypeError(f"{name}: Tensors of dtypes {dtype} and {data.dtype}; convert one with astype")
    settled = []
    for i, (x, data) in enumerate(zip(args, arrays)):
        if i not in fixed and type(data) in _SCALARS:
            settled.append(data)
            continue
        if type(data) not in NAMESPACES:
            data = np.asarray(data)
            if kind is not np.ndarray and data.ndim == 0:
                data = to_device(data, device_of(lead))
        if i not in fixed and dtype is not None and data.dtype != dtype:
            data = data.astype(dtype)
        if type(data) is not kind:
            raise TypeError(f"{name}: argument {i} is on {device_of(data)}, the others on {device_of(lead)}; "
                            f"move it with .to({device_of(lead)!r})")
        settled.append(data)
    return args, settled, kind


class OpsNamespace:
    """The ops as a namespace: a body that is run with it on Tensors is recorded, so its vjp can be differentiated."""

    def __init__(self, kind):
        self.arange = NAMESPACES[kind].arange      # positions are plain arrays, as in any other namespace
        self.products = lambda left, right: OPS["transpose"](left) @ right

    def __getattr__(self, name):
        if name in OPS:
            return OPS[name]
        raise AttributeError(f"no op {name!r}: a body may use registered ops and operators only")


def _on_tensors(node):
    """The vjp of a node whose body is run again with the ops themselves as xp: what it computes is recorded."""
    fixed = node.op.constant
    inputs = [x.data if i in fixed and isinstance(x, Tensor) else x for i, x in enumerate(node.inputs)]
    lead = next(x for i, x in enumerate(node.inputs) if i not in fixed and isinstance(x, Tensor))
    return node.op.body(OpsNamespace(type(lead.data)), *inputs, **node.keywords)[1]


def _backpropagate(outputs, cotangents, wanted, retain, create):
    """Gradients of sum(output * cotangent) with respect to every leaf, or to the `wanted` Tensors.

    returns: [(leaf, gradient), ...], or the list of gradients of `wanted`, None where there is no path
    """
    leaves = {}          # leaf -> its gradient so far
    kept = None if wanted is None else {x.source: None for x in wanted if x.source is not None}
    with _graph(create), np.errstate(all="ignore"):
        nodes = _oldest_first(outputs)
        for y, g in zip(outputs, cotangents):
            _deliver(y, _first_cotangent(y, g, create), leaves)
        while nodes:
            node = nodes.pop()                       # the newest, let go of as it is used
            arrived = node.arrived
            if kept is not None:
                _keep(kept, node)
            if arrived is not None:
                if node.vjp is None:
                    raise RuntimeError(f"backward: the graph at {node.op.__name__} was released by an earlier backward; "
                                       "call that one with retain_graph=True")
                node.arrived = None
                vjp = node.vjp if not create else _on_tensors(node)
                found = vjp(arrived) if node.shapes is None else vjp(*_filled(node, arrived))
                if _observers:
                    found = tuple([evaluate(g) for g in found])
                    _tell("backward", node.op.__name__, node,
                          (arrived,) if node.shapes is None else tuple(_filled(node, arrived)), found)
                for x, g in zip(node.inputs, found):
                    if g is None or not isinstance(x, Tensor) or not x.requires_grad:
                        continue
                    if type(g) is FunctionType:
                        g = g()
                    data = x.data
                    if g.shape != data.shape:
                        g = unbroadcast(g, data.shape, node.op.__name__)
                    if g.dtype is not data.dtype and g.dtype != data.dtype:
                        raise TypeError(f"{node.op.__name__}: its vjp gives {g.dtype} for an input of {data.dtype}")
                    source = x.source
                    if type(source) is Node:
                        if type(g) is Products:
                            g = g.value()
                        source.arrived = g if source.arrived is None else source.arrived + g
                    else:
                        _deliver(x, g, leaves)
            if not retain:
                node.vjp = None
                node.inputs = ()
        leaves = {x: evaluate(g) for x, g in leaves.items()}
    if wanted is None:
        return list(leaves.items())
    return [leaves.get(x) if x.source is None else kept[x.source] for x in wanted]


def _deliver(x, g, leaves):
    """Add a gradient to what has arrived for a leaf, or for one of several outputs of a node."""
    source = x.source
    if source is None:
        leaves[x] = leaves[x] + g if x in leaves else g
    elif type(source) is Node:
        source.arrived = g if source.arrived is None else source.arrived + g
    else:
        node, i = source
        if node.arrived is None:
            node.arrived = {}
        g = evaluate(g)
        node.arrived[i] = node.arrived[i] + g if i in node.arrived else g


def _oldest_first(outputs):
    """Every node that the outputs were computed from; reversed, each comes before all of its inputs."""
    walk = object()
    nodes = []

    for y in outputs:
        if not y.requires_grad:
            raise RuntimeError("backward: nothing that led to this Tensor requires a gradient")
        if y.source is not None:
            node = y.source if type(y.source) is Node else y.source[0]
            if node.walk is not walk:
                node.walk, node.arrived = walk, None
                nodes.append(node)
    for node in nodes:                               # the list grows while it is walked
        for x in node.inputs:
            if isinstance(x, Tensor):
                parent = x.source
                if parent is not None:
                    if type(parent) is tuple:
                        parent = parent[0]
                    if parent.walk is not walk:
                        parent.walk, parent.arrived = walk, None
                        nodes.append(parent)
    nodes.sort(key=_by_clock)
    return nodes


_by_clock = attrgetter("clock")


def _filled(node, arrived):
    """The cotangents of a node's several outputs, zeros for those that nobody used."""
    some = next(iter(arrived.values()))
    return [arrived[i] if i in arrived else _zeros(some, shape) for i, shape in enumerate(node.shapes)]


def _keep(kept, node):
    """Note the cotangents that somebody asked for by name."""
    if node in kept:
        kept[node] = node.arrived
    if node.shapes is not None and node.arrived is not None:
        kept.update(((node, i), g) for i, g in node.arrived.items() if (node, i) in kept)


def evaluate(g):
    """A gradient as an array, whatever a vjp gave for it."""
    g = g() if type(g) is FunctionType else g
    return g.value() if type(g) is Products else g


def _zeros(like, shape):
    if isinstance(like, Tensor):
        return _wrap(array_module(like.data).zeros(shape, dtype=like.dtype), False, None)
    return array_module(like).zeros(shape, dtype=like.dtype)


def _first_cotangent(y, g, create):
    xp = array_module(y.data)
    if g is None:
        if y.size != 1:
            raise ValueError(f"backward: a Tensor of shape {y.shape} is not one number; give its cotangent, "
                             "or reduce it with sum or mean")
        g = xp.ones(y.shape, dtype=y.dtype)
    if isinstance(g, Tensor):
        return g if create else g.data
    g = g if type(g) in NAMESPACES else to_device(np.asarray(g), device_of(y.data))
    if g.shape != y.shape:
        raise ValueError(f"backward: cotangent of shape {g.shape}, expected {y.shape}")
    g = g.astype(y.dtype)
    return _wrap(g, False, None) if create else g


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


@contextmanager
def _graph(track):
    global _tracking
    before, _tracking = _tracking, track
    try:
        yield
    finally:
        _tracking = before


def no_grad():
    """`with no_grad(): ...` computes without recording, so without memory for a backward pass."""
    return _graph(False)


def stop_gradient(x) -> Tensor:
    """x as a constant: its value passes, no gradient flows back."""
    return as_tensor(x).detach()


@contextmanager
def observe(callback):
    """Call `callback(phase, op name, node, inputs, outputs)` after every op, with raw arrays.

    phase "forward": inputs and outputs of the op; "backward": cotangents of its outputs, gradients of its inputs.
    """
    _observers.append(callback)
    try:
        yield
    finally:
        _observers.remove(callback)


def _tell(phase, name, node, inputs, outputs):
    for callback in tuple(_observers):
        callback(phase, name, node, inputs, outputs)


def gradients(output, inputs, cotangent=None, create_graph=False, retain_graph=False):
    """d sum(output * cotangent) / d input for each of `inputs`; zeros where output does not depend on it."""
    found = _backpropagate([output], [cotangent], inputs, retain_graph or create_graph, create_graph)
    found = [_zeros(x.data, x.shape) if g is None else g for x, g in zip(inputs, found)]
    return [g if isinstance(g, Tensor) else _wrap(array_module(x.data).array(g), False, None)
            for x, g in zip(inputs, found)]


def value_and_grad(function, argnums=0):
    """args -> (function(*args), gradient with respect to the arguments `argnums`). Nests to any order.

    function: returns a Tensor of one element; argnums: a position, or a tuple of positions for a tuple of gradients
    """
    positions = argnums if isinstance(argnums, tuple) else (argnums,)

    def differentiated(*args, **keywords):
        args = list(args)
        outer = _is_outer(*[args[i] for i in positions])
        for i in positions:
            args[i] = _variable(args[i])
        with _inside():
            value = function(*args, **keywords)
        inputs = [args[i] for i in positions]
        if not value.requires_grad:
            found = [_wrap(_zeros(x.data, x.shape), False, None) for x in inputs]
        else:
            found = gradients(value, inputs, create_graph=outer)
        return value if outer else value.detach(), tuple(found) if isinstance(argnums, tuple) else found[0]

    return differentiated


def _is_outer(*inputs):
    """True where somebody may differentiate the gradient that is about to be taken, so that it must be recorded."""
    return _tracking and (_depth > 0 or any(isinstance(x, Tensor) and x.requires_grad for x in inputs))


def _variable(x):
    """The Tensor to differentiate by: a fresh leaf, or a fresh copy in the graph where x is part of one."""
    x = as_tensor(x)
    return OPS["positive"](x) if x.requires_grad and _tracking else Tensor(x.data, True, x.dtype)


@contextmanager
def _inside():
    global _depth
    _depth += 1
    try:
        with _graph(True):
            yield
    finally:
        _depth -= 1


def grad(function, argnums=0):
    """args -> gradient of a function of one number. `grad(grad(f))` is the second derivative, and so on."""
    both = value_and_grad(function, argnums)
    return lambda *args, **keywords: both(*args, **keywords)[1]


def jacobian(function, argnum=0):
    """args -> J with shape output.shape + input.shape: one backward pass for each element of the output."""

    def differentiated(*args):
        args = list(args)
        outer = _is_outer(args[argnum])
        args[argnum] = x = _variable(args[argnum])
        with _inside():
            y = function(*args)
        rows = []
        for i in range(y.size):
            pick = np.zeros(y.size, dtype=y.dtype)
            pick[i] = 1
            pick = to_device(pick.reshape(y.shape), y.device)
            rows.append(gradients(y, [x], pick, create_graph=outer, retain_graph=True)[0])
        return OPS["reshape"](OPS["stack"](rows), y.shape + x.shape)

    return differentiated


def hvp(function, x, vector):
    """Hessian times vector, d/dx (df/dx . vector), without forming the Hessian."""
    vector = _as_array(vector, as_tensor(x).dtype)
    return grad(lambda x: OPS["sum"](OPS["multiply"](grad(function)(x), vector)))(x)
