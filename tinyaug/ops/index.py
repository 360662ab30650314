"""Reading and writing by position. Positions are data: gradient flows to the numbers, never to the indices."""

from tinyaug.autograd import op


@op(examples=lambda rng: [(rng.normal(size=(4, 3)), {"index": (slice(None, None, 2), 1)}),
                          (rng.normal(size=(4, 3)), {"index": rng.integers(0, 4, 5)}),
                          (rng.normal(size=(4, 3)), {"index": (Ellipsis, None, -1)}),
                          (rng.normal(size=(4, 3)), {"index": (rng.integers(0, 4, 5), rng.integers(0, 3, 5))}),
                          (rng.normal(size=(4, 3)), {"index": rng.permutation(4) > 1})])
def getitem(xp, x, *, index):
    """x[index], with NumPy's basic, boolean and integer indexing. An element read twice gets both gradients."""
    return x[index], lambda g: (xp.scatter_add(g, index=index, shape=x.shape),)


@op(examples=lambda rng: [(rng.normal(size=(5, 2)), {"index": rng.integers(0, 4, 5), "shape": (4, 2)}),
                          (rng.normal(size=2), {"index": (slice(1, 3), 0), "shape": (4, 2)})])
def scatter_add(xp, values, *, index, shape):
    """Zeros of `shape` with `values` added at `index`, repeated positions summed: the other half of getitem."""
    return xp.scatter_add(values, index=index, shape=shape), lambda g: (g[index],)


@op(examples=lambda rng: [(rng.normal(size=(4, 3)), rng.integers(0, 4, (2, 5)), {"axis": 0}),
                          (rng.normal(size=(4, 3)), rng.integers(0, 3, 5), {"axis": -1}),
                          (rng.normal(size=(4, 3)), rng.integers(0, 12, 5))], constant=("indices",))
def take(xp, x, indices, *, axis=None):
    """Slices of x along an axis, by index: rows of an embedding, say. Without an axis x counts as flat."""
    shape = x.shape
    if axis is None:
        return xp.take(x, indices), lambda g: (xp.scatter_add(g, index=indices, shape=(x.size,)).reshape(shape), None)
    index = (slice(None),) * (axis % len(shape)) + (indices,)
    return xp.take(x, indices, axis=axis), lambda g: (xp.scatter_add(g, index=index, shape=shape), None)


@op(examples=lambda rng: [(rng.normal(size=(4, 3)), rng.integers(0, 3, (4, 2)), {"axis": 1}),
                          (rng.normal(size=(4, 3)), rng.integers(0, 4, (2, 3)), {"axis": 0})], constant=("indices",))
def take_along_axis(xp, x, indices, *, axis):
    """For each row along an axis its own elements: y[i, j] = x[i, indices[i, j]] for axis 1."""
    shape = x.shape
    along = axis % len(shape)
    sizes = indices.shape
    grid = [xp.arange(size).reshape((-1,) + (1,) * (len(sizes) - 1 - i)) for i, size in enumerate(sizes)]
    index = tuple(indices if i == along else grid[i] for i in range(len(sizes)))
    return (xp.take_along_axis(x, indices, axis=axis),
            lambda g: (xp.scatter_add(g, index=index, shape=shape), None))


@op(examples=lambda rng: [(rng.normal(size=(3, 4)),), (rng.normal(size=(3, 4)), {"axis": 0})])
def sort(xp, x, *, axis=-1):
    """x in ascending order along an axis, equal elements as they came. The order itself counts as constant."""
    order = xp.argsort(x, axis=axis, kind="stable")
    back = xp.argsort(order, axis=axis, kind="stable")
    return xp.take_along_axis(x, order, axis=axis), lambda g: (xp.take_along_axis(g, back, axis=axis),)


@op(examples=lambda rng: [(rng.normal(size=(3, 4)),), (rng.normal(size=(2, 3, 3)), {"k": -1})])
def tril(xp, x, *, k=0):
    """The lower triangle of the last two axes, up to the k-th diagonal; zeros above."""
    return xp.tril(x, k=k), lambda g: (xp.tril(g, k=k),)


@op(examples=lambda rng: [(rng.normal(size=(3, 4)),), (rng.normal(size=(2, 3, 3)), {"k": 1})])
def triu(xp, x, *, k=0):
    """The upper triangle of the last two axes, from the k-th diagonal; zeros below."""
    return xp.triu(x, k=k), lambda g: (xp.triu(g, k=k),)
