"""Reductions: many numbers in, one out, along one axis, several, or all. axis and keepdims are NumPy's."""

from math import prod as product

from numpy.exceptions import AxisError

from tinyaug.autograd import op
from tinyaug.ops.limits import ceiling, tiniest


def axes(rng, make=None):
    """The ways to reduce a (2, 3, 4) array that every reduction is tested with."""
    x = rng.normal(size=(2, 3, 4)) if make is None else make(rng, 2, 3, 4)
    return [(x,), (x, {"axis": -1}), (x, {"axis": (0, 2)}), (x, {"axis": 1, "keepdims": True})]


def distinct(rng, *shape):
    """Different numbers in random order, at least 0.1 apart."""
    return rng.permutation(product(shape)).reshape(shape) * 0.1


def several(x):
    """A tuple or list as a tuple, one number as a tuple of one."""
    return tuple(x) if hasattr(x, "__iter__") else (x,)


def reduced_axes(ndim, axis):
    """axis as a tuple of non-negative integers. raises: AxisError, a ValueError, where there is no such axis"""
    if axis is None:
        return tuple(range(ndim))
    axis = several(axis)
    for a in axis:
        if not -ndim <= a < ndim:
            raise AxisError(a, ndim)
    return tuple(a % ndim for a in axis)


def kept_shape(shape, axis):
    """The shape after a reduction with keepdims."""
    if axis is None:
        return (1,) * len(shape)
    if isinstance(axis, int):
        axis %= len(shape)
        return shape[:axis] + (1,) + shape[axis + 1:]
    axis = reduced_axes(len(shape), axis)
    return tuple(1 if i in axis else size for i, size in enumerate(shape))


def count(shape, axis):
    """How many numbers go into one."""
    return product([shape[a] for a in reduced_axes(len(shape), axis)])


def result_shape(shape, axis, keepdims):
    """The shape of a reduction's result."""
    if keepdims:
        return kept_shape(shape, axis)
    if isinstance(axis, int):
        axis %= len(shape)
        return shape[:axis] + shape[axis + 1:]
    gone = reduced_axes(len(shape), axis)
    return tuple(size for i, size in enumerate(shape) if i not in gone)


@op(examples=axes)
def sum(xp, x, *, axis=None, keepdims=False):
    """Sum."""
    shape = x.shape
    return (xp.sum(x, axis=axis, keepdims=keepdims),
            lambda g: (xp.broadcast_to(g.reshape(kept_shape(shape, axis)), shape),))


@op(examples=axes)
def mean(xp, x, *, axis=None, keepdims=False):
    """Arithmetic mean."""
    shape = x.shape
    scale = 1 / count(shape, axis) if count(shape, axis) else float("nan")
    return (xp.sum(x, axis=axis, keepdims=keepdims) * scale,
            lambda g: (xp.broadcast_to(g.reshape(kept_shape(shape, axis)) * scale, shape),))


def _extreme(xp, x, best, axis, keepdims):
    """The gradient of a maximum or minimum goes to the elements that attain it, in equal parts."""
    shape = x.shape
    kept = kept_shape(shape, axis)

    def vjp(g):
        ties = (x == best).astype(g.dtype)
        return (ties * (g.reshape(kept) / xp.sum(ties, axis=axis, keepdims=True)),)

    return best.reshape(result_shape(shape, axis, keepdims)), vjp


@op(examples=lambda rng: axes(rng, distinct))
def max(xp, x, *, axis=None, keepdims=False):
    """Largest element; tied elements share the gradient evenly."""
    return _extreme(xp, x, xp.max(x, axis=axis, keepdims=True), axis, keepdims)


@op(examples=lambda rng: axes(rng, distinct))
def min(xp, x, *, axis=None, keepdims=False):
    """Smallest element; tied elements share the gradient evenly."""
    return _extreme(xp, x, xp.min(x, axis=axis, keepdims=True), axis, keepdims)


@op(examples=lambda rng: axes(rng, lambda rng, *shape: rng.uniform(0.7, 1.4, shape)))
def prod(xp, x, *, axis=None, keepdims=False):
    """Product. Its gradient is the product of all other elements, so zeros in x are no special case."""
    shape = x.shape
    gone = reduced_axes(len(shape), axis)
    stay = tuple(i for i in range(len(shape)) if i not in gone)

    def vjp(g):
        rows = xp.transpose(x, stay + gone).reshape(tuple(shape[i] for i in stay) + (count(shape, axis),))
        others = _products_of_others(xp, rows)
        others = xp.transpose(others.reshape(tuple(shape[i] for i in stay + gone)), _inverse(stay + gone))
        return (g.reshape(kept_shape(shape, axis)) * others,)

    return xp.prod(x, axis=axis, keepdims=keepdims), vjp


def _inverse(order):
    return tuple(order.index(i) for i in range(len(order)))


def _products_of_others(xp, rows):
    """(..., n) -> (..., n): for each element the product of all others of its row, from both ends."""
    one = xp.ones_like(rows[..., :1])
    before = xp.cumprod(xp.concatenate([one, rows[..., :-1]], axis=-1), axis=-1)
    after = xp.cumprod(xp.concatenate([one, rows[..., :0:-1]], axis=-1), axis=-1)
    return before * after[..., ::-1]


@op(examples=lambda rng: [(*example, {"ddof": 1}) if len(example) == 1 else example for example in axes(rng)])
def var(xp, x, *, axis=None, ddof=0, keepdims=False):
    """Variance: mean square of what is left after the mean, over n - ddof."""
    shape = x.shape
    n = count(shape, axis)
    left = x - xp.sum(x, axis=axis, keepdims=True) * (1 / n if n else float("nan"))
    scale = 1 / (n - ddof) if n > ddof else float("nan")
    value = xp.sum(left * left, axis=axis, keepdims=keepdims) * scale
    return value, lambda g: (g.reshape(kept_shape(shape, axis)) * left * (2 * scale),)


@op(examples=axes)
def std(xp, x, *, axis=None, ddof=0, keepdims=False):
    """Standard deviation, the square root of the variance; its gradient is 0 where all elements are equal."""
    shape = x.shape
    n = count(shape, axis)
    left = x - xp.sum(x, axis=axis, keepdims=True) * (1 / n if n else float("nan"))
    scale = 1 / (n - ddof) if n > ddof else float("nan")
    value = xp.sqrt(xp.sum(left * left, axis=axis, keepdims=True) * scale)
    return (value.reshape(result_shape(shape, axis, keepdims)),
            lambda g: (g.reshape(kept_shape(shape, axis)) * left * scale / xp.maximum(value, tiniest(g)),))


@op(examples=lambda rng: axes(rng) + [(rng.normal(size=(2, 3)), {"axis": -1, "epsilon": 0.1})])
def norm(xp, x, *, axis=None, keepdims=False, epsilon=0.0):
    """Euclidean norm, sqrt(sum(x * x) + epsilon); without an epsilon its gradient at 0 is 0."""
    shape = x.shape
    value = xp.sqrt(xp.sum_from(x * x, axis, epsilon))
    return (value.reshape(result_shape(shape, axis, keepdims)),
            lambda g: (g.reshape(kept_shape(shape, axis)) / xp.maximum(value, tiniest(g)) * x,))


@op(examples=axes)
def logsumexp(xp, x, *, axis=None, keepdims=False):
    """log(sum(exp(x))), shifted by the maximum so that nothing overflows; of a row of -inf it is -inf."""
    shape = x.shape
    top = ceiling(xp, x, axis)
    parts = xp.exp(x - top)
    total = xp.sum(parts, axis=axis, keepdims=True)
    value = xp.log(total) + top
    return (value.reshape(result_shape(shape, axis, keepdims)),
            lambda g: (g.reshape(kept_shape(shape, axis)) * parts / xp.maximum(total, 0.5),))


@op(examples=lambda rng: [(rng.normal(size=(3, 4)), {"axis": 1}), (rng.normal(size=(3, 4)), {"axis": 0}),
                          (rng.normal(size=(2, 3)), {"axis": None})])
def cumsum(xp, x, *, axis=None):
    """Running sum."""
    shape = x.shape
    flat = axis is None
    along = 0 if flat else axis

    def vjp(g):
        return (xp.flip(xp.cumsum(xp.flip(g, axis=along), axis=along), axis=along).reshape(shape),)

    return xp.cumsum(x.reshape(-1) if flat else x, axis=along), vjp


@op(examples=lambda rng: [(rng.normal(size=(3, 4)), {"axis": 1}), (rng.normal(size=(3, 4)), {"axis": 0}),
                          (rng.normal(size=(2, 3)), {"axis": None})])
def cumprod(xp, x, *, axis=None):
    """Running product.

    The gradient runs back through y_j = y_{j-1} x_j: r_i = g_i + x_{i+1} r_{i+1}, dx_i = y_{i-1} r_i. Nothing is
    divided, so zeros in x are no special case.
    """
    shape = x.shape
    rows = x.reshape(-1) if axis is None else xp.moveaxis(x, axis, -1)
    y = xp.cumprod(rows, axis=-1)
    n = rows.shape[-1]

    def vjp(g):
        g = g if axis is None else xp.moveaxis(g, axis, -1)
        if n == 0:
            return (xp.zeros_like(x),)
        tail = [g[..., n - 1]]
        for i in range(n - 2, -1, -1):
            tail.append(g[..., i] + rows[..., i + 1] * tail[-1])
        before = xp.concatenate([xp.ones_like(y[..., :1]), y[..., :-1]], axis=-1)
        back = before * xp.stack(tail[::-1], axis=-1)
        return (back.reshape(shape) if axis is None else xp.moveaxis(back, -1, axis),)

    return (y if axis is None else xp.moveaxis(y, -1, axis)), vjp
