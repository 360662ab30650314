"""Arrays: which library holds them, which dtype they take, how they move between host and device.

Every op body is written against a namespace `xp`. On the host `xp` is `host`: NumPy's own functions under their own
names, and the few that NumPy lacks. A device adds one entry to `NAMESPACES`, {type of array: namespace}, and is then
a device like any other. This is the only file that knows CuPy.
"""

from __future__ import annotations

from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np

__all__ = ["NAMESPACES", "FEW", "Products", "Sums", "array_module", "to_host", "to_device", "device_of", "default_dtype",
           "set_default_dtype", "using_dtype", "host"]


def scatter_add(values, index, shape):
    """Zeros of `shape` with `values` added at `index`: the other half of getitem.

    Repeated positions add up, as the gradient of an array that was read twice must.
    """
    total = np.zeros(shape, dtype=values.dtype)
    if is_basic(index):
        total[index] = values
    else:
        np.add.at(total, index, values)
    return total


class Products:
    """left_1^T right_1 + left_2^T right_2 + ..., not multiplied yet.

    A weight that is used at every time step gets one such product a step. Multiplying the stacked factors once at the
    end is the same sum, and many times faster: thin products, rank 1 in a batch of one, are mostly memory traffic.
    """

    __slots__ = ("left", "right")
    __array_ufunc__ = None       # array + Products is Products.__radd__

    def __init__(self, left, right):
        self.left, self.right = [left], [right]

    shape = property(lambda self: (self.left[0].shape[1], self.right[0].shape[1]))
    dtype = property(lambda self: self.right[0].dtype)

    def __add__(self, other):
        if not isinstance(other, Products):
            return self.value() + other
        self.left += other.left
        self.right += other.right
        return self

    def __radd__(self, other):
        return other + self.value()

    def value(self):
        """The sum, as an array."""
        if len(self.left) == 1:
            return self.left[0].T @ self.right[0]
        xp = array_module(self.left[0])
        return xp.concatenate(self.left).T @ xp.concatenate(self.right)


THIN = 32                    # rows; below it a product costs what its result weighs, and one for all time steps is best


def products(left, right):
    """left^T right: put off where it is thin, or smaller than its result; multiplied at once where that is less to move."""
    rows, size = left.shape[0], left.shape[1] * right.shape[1]
    return Products(left, right) if rows < THIN or left.size + right.size < size else left.T @ right


FEW = 1024                   # numbers; of more, to add costs what they weigh, and to keep all of them takes memory


class Sums:
    """Arrays whose sum is the gradient of something small or of a bias, put off like Products: one sum of many costs less.

    parts: arrays of `shape` each; for a bias (n,), rows (B, n), too
    """

    __slots__ = ("parts", "shape")

    def __init__(self, part, shape):
        self.parts, self.shape = [part], shape

    def __add__(self, other):
        if type(other) is Products:
            return self.value() + other
        self.parts.append(other)
        return self

    def value(self):
        """The sum, as an array."""
        parts, shape = self.parts, self.shape
        if len(parts) < 3 and parts[-1].shape == parts[0].shape == shape:
            return parts[0] if len(parts) == 1 else parts[0] + parts[1]
        xp = array_module(parts[0])
        if len(shape) == 1:
            rows = [part if len(part.shape) == 2 else part.reshape((1, *shape)) for part in parts]
            return xp.sum(rows[0] if len(rows) == 1 else xp.concatenate(rows), axis=0)
        return xp.sum(xp.concatenate(parts).reshape((len(parts), *shape)), axis=0)


_BASIC = {slice, int, type(None), type(Ellipsis)}


def is_basic(index) -> bool:
    """True where `index` holds only integers, slices, None and Ellipsis, so that no position can repeat."""
    for part in index if isinstance(index, tuple) else (index,):
        if type(part) not in _BASIC and not isinstance(part, np.integer):
            return False
    return True


def _sum(x, axis=None, keepdims=False):
    """numpy.sum without its 1-2 us of argument handling: the ufunc's reduction is called directly."""
    return np.add.reduce(x, axis, None, None, keepdims)


def _max(x, axis=None, keepdims=False):
    return np.maximum.reduce(x, axis, None, None, keepdims)


def _min(x, axis=None, keepdims=False):
    return np.minimum.reduce(x, axis, None, None, keepdims)


def _sum_from(x, axis, start):
    """start plus the sum along an axis, which stays with size 1. One call on the host; a device puts two together."""
    return np.add.reduce(x, axis, None, None, True, start)


def _max_from(x, axis, start):
    """The largest of start and the numbers along an axis, which stays with size 1."""
    return np.maximum.reduce(x, axis, None, None, True, start)


def _sum_of_products(x, y, axis):
    """sum(x * y) along an axis, which stays with size 1. Along the last one it is one call."""
    if axis == -1 or axis == x.ndim - 1:
        return np.vecdot(x, y, keepdims=True)
    return np.add.reduce(x * y, axis, None, None, True)


def from_start(xp):
    """sum_from, max_from and sum_of_products for a namespace that has them in two steps."""
    return {"sum_from": lambda x, axis, start: xp.sum(x, axis=axis, keepdims=True) + start,
            "sum_of_products": lambda x, y, axis: xp.sum(x * y, axis=axis, keepdims=True),
            "max_from": lambda x, axis, start: xp.maximum(xp.max(x, axis=axis, keepdims=True), start)}


_numpy = {name: value for name, value in vars(np).items() if not name.startswith("_")}
# dot, of two matrices, is called as the method that it is, which has less set-up than x @ y
host = SimpleNamespace(**{
    **_numpy, "dot": np.ndarray.dot, "scatter_add": scatter_add, "products": products, "sum": _sum, "max": _max, "min": _min,
    "sum_from": _sum_from, "max_from": _max_from, "sum_of_products": _sum_of_products})

NAMESPACES: dict[type, SimpleNamespace] = {np.ndarray: host}


def array_module(x):
    """The namespace of an array: `array_module(x).exp(x)` runs where x lives. Plain numbers and lists are host's."""
    return NAMESPACES.get(type(x), host)


def device_of(x) -> str:
    """"cpu", "cuda" or "strict": where an array lives."""
    return getattr(array_module(x), "device", "cpu")


def to_host(x) -> np.ndarray:
    """The array on the host, as a NumPy array. From a device this copies, and waits for the device."""
    if type(x) is np.ndarray:
        return x
    module = array_module(x)
    return np.asarray(x) if module is host else module.to_host(x)


def to_device(x, device: str = "cpu"):
    """A host array on `device`: "cpu", "cuda" (CuPy) or "strict" (the checking stand-in for a GPU).

    raises: ValueError for an unknown device; RuntimeError where CuPy or a GPU is missing
    """
    if device == "cpu":
        return to_host(x)
    if device not in _LOADERS:
        raise ValueError(f"device: got {device!r}, expected one of cpu, {', '.join(_LOADERS)}")
    return _LOADERS[device]().to_device(to_host(x))


def _load_strict():
    from tinyaug.strict import StrictArray, strict
    return NAMESPACES.setdefault(StrictArray, strict)


def _load_cuda():
    try:
        import cupy
        cupy.cuda.runtime.getDeviceCount()
    except ImportError:
        raise RuntimeError("device cuda: CuPy is not installed; install tinyaug[gpu-cuda12] or tinyaug[gpu-cuda13], "
                           "or use --device cpu") from None
    except cupy.cuda.runtime.CUDARuntimeError as error:
        raise RuntimeError(f"device cuda: no GPU answers ({error}); use --device cpu") from None
    if cupy.ndarray not in NAMESPACES:
        NAMESPACES[cupy.ndarray] = _cupy_namespace(cupy)
    return NAMESPACES[cupy.ndarray]


def _cupy_namespace(cupy):
    def scatter_add(values, index, shape):
        total = cupy.zeros(shape, dtype=values.dtype)
        if is_basic(index):
            total[index] = values
        else:
            cupy.add.at(total, index, values)
        return total

    names = {name: getattr(cupy, name) for name in dir(cupy) if not name.startswith("_")}
    return SimpleNamespace(**{**names, **from_start(cupy), "scatter_add": scatter_add, "products": products,
                              "device": "cuda", "to_host": cupy.asnumpy, "to_device": cupy.asarray})


_LOADERS = {"cuda": _load_cuda, "strict": _load_strict}

_default = np.dtype(np.float32)


def default_dtype() -> np.dtype:
    """The dtype of every float Tensor for which none is given: float32 unless set otherwise."""
    return _default


def set_default_dtype(dtype) -> None:
    """Set the dtype that floats take. raises: TypeError where it is not a floating dtype."""
    global _default
    dtype = np.dtype(dtype)
    if dtype.kind != "f":
        raise TypeError(f"default dtype: got {dtype}, expected a floating dtype such as float32")
    _default = dtype


@contextmanager
def using_dtype(dtype):
    """`with using_dtype("float64"): ...` sets the default dtype inside the block."""
    before = _default
    set_default_dtype(dtype)
    try:
        yield
    finally:
        set_default_dtype(before)
