"""Comparisons and constants made from a Tensor: ops without a gradient."""

from tinyaug.arrays import default_dtype
from tinyaug.autograd import op
from tinyaug.ops.arithmetic import one


def pair(rng):
    """An example of two arrays that broadcast."""
    return [(rng.normal(size=(3, 4)), rng.normal(size=4))]


def truths(rng):
    """An example of two arrays of truth values."""
    return [(rng.normal(size=(3, 4)) > 0, rng.normal(size=(3, 4)) > 0)]


@op(examples=pair)
def equal(xp, x, y):
    """x == y, elementwise."""
    return x == y, None


@op(examples=pair)
def not_equal(xp, x, y):
    """x != y, elementwise."""
    return x != y, None


@op(examples=pair)
def less(xp, x, y):
    """x < y, elementwise."""
    return x < y, None


@op(examples=pair)
def less_equal(xp, x, y):
    """x <= y, elementwise."""
    return x <= y, None


@op(examples=pair)
def greater(xp, x, y):
    """x > y, elementwise."""
    return x > y, None


@op(examples=pair)
def greater_equal(xp, x, y):
    """x >= y, elementwise."""
    return x >= y, None


@op(examples=truths)
def logical_and(xp, x, y):
    """x and y, elementwise."""
    return xp.logical_and(x, y), None


@op(examples=truths)
def logical_or(xp, x, y):
    """x or y, elementwise."""
    return xp.logical_or(x, y), None


@op(examples=lambda rng: [(rng.normal(size=(3, 4)) > 0,)])
def logical_not(xp, x):
    """not x, elementwise."""
    return xp.logical_not(x), None


@op(examples=one)
def isfinite(xp, x):
    """Neither NaN nor infinite, elementwise."""
    return xp.isfinite(x), None


@op(examples=one)
def zeros_like(xp, x):
    """Zeros with the shape, dtype and device of x."""
    return xp.zeros_like(x), None


@op(examples=one)
def ones_like(xp, x):
    """Ones with the shape, dtype and device of x."""
    return xp.ones_like(x), None


@op(examples=lambda rng: one(rng) + [(rng.normal(size=(3, 4)), {"axis": -1})])
def argmax(xp, x, *, axis=None):
    """Position of the largest element."""
    return xp.argmax(x, axis=axis), None


@op(examples=lambda rng: one(rng) + [(rng.normal(size=(3, 4)), {"axis": 0})])
def argmin(xp, x, *, axis=None):
    """Position of the smallest element."""
    return xp.argmin(x, axis=axis), None


@op(examples=lambda rng: [(rng.normal(size=(3, 4)), {"axis": -1})])
def argsort(xp, x, *, axis=-1, kind="stable"):
    """Positions that would sort x; equal elements keep their order, unless another of NumPy's kinds is asked for."""
    return xp.argsort(x, axis=axis, kind=kind), None


@op(examples=lambda rng: [(rng.integers(0, 5, (3, 2)), {"classes": 5})], constant=("indices",))
def one_hot(xp, indices, *, classes):
    """(...,) integers -> (..., classes): 1.0 at the index, 0.0 elsewhere, in the default dtype.

    An index outside 0 .. classes - 1 gives a row of zeros.
    """
    if indices.dtype.kind not in "iu":
        raise TypeError(f"one_hot: indices are {indices.dtype}, expected integers")
    return (indices[..., None] == xp.arange(classes)).astype(default_dtype()), None
