"""Tensor: an array that remembers how it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tinyaug.arrays import NAMESPACES, array_module, default_dtype, device_of, to_device, to_host

__all__ = ["OPS", "Tensor", "as_array", "as_tensor", "stop_gradient", "wrap"]

OPS: dict[str, Any] = {}      # every op by name; `tinyaug.autograd.op` fills it
_new = object.__new__


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
        self.data = as_array(data, dtype)
        if requires_grad and self.data.dtype.kind != "f":
            raise TypeError(f"Tensor: requires_grad needs a floating dtype, got {self.data.dtype}; write 3.0 for 3, "
                            "or give a dtype")
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
        return wrap(self.data, False, None)

    def to(self, device: str) -> Tensor:
        """A leaf with the same values on `device`."""
        return Tensor(to_device(to_host(self.data), device), self.requires_grad, self.dtype)

    def backward(self, cotangent=None, retain_graph=False, create_graph=False):
        """Add d self / d leaf to the `grad` of every leaf that this Tensor was computed from.

        cotangent: the gradient with respect to this Tensor; may be left out where it has one element
        retain_graph: keep the graph, so that backward can be called again
        create_graph: leave a graph of the backward pass too, so that `grad` can be differentiated

        Why not recurse from each node into its inputs? With b = a + a; c = b + b, recursion visits a once for every
        path from c, four here and 2**n after n lines, or meets b before all of its gradient has arrived. Walking
        the nodes from the newest to the oldest meets each one once, when everything that used it has reported.
        """
        from tinyaug.backward import backpropagate
        leaves = backpropagate([self], [cotangent], None, retain_graph or create_graph, create_graph)
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

    if TYPE_CHECKING:        # what tinyaug/ops/__init__.py attaches, as the ops are made after Tensor
        def _of_one(self) -> Tensor: ...
        def _of_two(self, other: Any) -> Tensor: ...
        def _with_axes(self, *args: Any, **keywords: Any) -> Tensor: ...
        __neg__ = __pos__ = __abs__ = __invert__ = _of_one
        __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _of_two
        __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __and__ = __rand__ = __or__ = __ror__ = _of_two
        __lt__ = __le__ = __gt__ = __ge__ = _of_two
        __eq__ = __ne__ = _of_two       # type: ignore[assignment]
        sum = mean = max = min = prod = var = std = cumsum = cumprod = argmax = argmin = argsort = _with_axes
        reshape = transpose = swapaxes = squeeze = clip = repeat = take = astype = _with_axes
        T = property(_of_one)


def _plain_index(index):
    """An index with arrays in the place of Tensors."""
    if isinstance(index, tuple):
        for part in index:
            if type(part) is not slice:
                return tuple([_plain_index(part) for part in index])
        return index                                 # slices alone: most indices
    return index.data if isinstance(index, Tensor) else index


def as_array(data, dtype=None, name="Tensor"):
    """data as an array of real numbers. raises: TypeError, in the name of who asks, where it holds anything else"""
    given = data
    if isinstance(data, Tensor):
        data = data.data
    if type(data) not in NAMESPACES:
        data = np.asarray(data)
    if data.dtype.kind not in "fiub":
        raise TypeError(f"{name}: got {type(given).__name__} of dtype {data.dtype}, expected real numbers")
    if dtype is None and data.dtype.kind == "f":
        dtype = default_dtype()
    return data if dtype is None or data.dtype == dtype else data.astype(dtype)


def as_tensor(x) -> Tensor:
    """x itself if it is a Tensor, else a Tensor of it."""
    return x if isinstance(x, Tensor) else Tensor(x)


def wrap(data, requires_grad, source):
    """A Tensor around an array that is known to be one: the fast way in."""
    tensor = _new(Tensor)
    tensor.data = data
    tensor.requires_grad = requires_grad
    tensor.grad = None
    tensor.source = source
    return tensor


def stop_gradient(x) -> Tensor:
    """x as a constant: its value passes, no gradient flows back."""
    return as_tensor(x).detach()
