"""Shapes: the same numbers in another arrangement. The gradient is arranged back."""

from functools import lru_cache
from itertools import accumulate, pairwise
from operator import index

from numpy.exceptions import AxisError

from tinyaug.autograd import op
from tinyaug.ops.reduce import reduced_axes, several


def sequence(args, keywords):
    """The call takes one list of arrays, the body takes them one by one."""
    if len(args) > 1:
        keywords = {"axis": args[1], **keywords}
    arrays = tuple(args[0]) if hasattr(args[0], "__iter__") else ()
    if not arrays:
        raise TypeError(f"concatenate, stack: got {args[0]!r}, expected a list of at least one array")
    return arrays, keywords


@lru_cache(maxsize=1024)
def cuts(sizes, axis, ndim):
    """The indices of neighbouring slices of these sizes along an axis."""
    before = (slice(None),) * (axis % ndim)
    return [before + (slice(end - size, end),) for size, end in zip(sizes, accumulate(sizes))]


@op(examples=lambda rng: [(rng.normal(size=(3, 4)), {"shape": (2, -1)}), (rng.normal(size=(2, 3)), {"shape": 6})])
def reshape(xp, x, *, shape):
    """The same elements in row-major order under another shape; one size may be -1."""
    before = x.shape
    return x.reshape(shape), lambda g: (g.reshape(before),)


@op(examples=lambda rng: [(rng.normal(size=(2, 3, 4)),), (rng.normal(size=(2, 3, 4)), {"axes": (1, -1, 0)})])
def transpose(xp, x, *, axes=None):
    """Axes in another order; reversed if none is given."""
    order = tuple(range(len(x.shape)))[::-1] if axes is None else tuple(a % len(x.shape) for a in axes)
    y = x.transpose(order if axes is None else tuple(axes))
    inverse = tuple(order.index(i) for i in range(len(order)))
    return y, lambda g: (g.transpose(inverse),)


@op(examples=lambda rng: [(rng.normal(size=(2, 3, 4)), {"axis1": 0, "axis2": -1})])
def swapaxes(xp, x, *, axis1, axis2):
    """Two axes change places."""
    return x.swapaxes(axis1, axis2), lambda g: (g.swapaxes(axis1, axis2),)


@op(examples=lambda rng: [(rng.normal(size=(2, 3, 4)), {"source": 0, "destination": -1})])
def moveaxis(xp, x, *, source, destination):
    """Axes move to other places, the others keep their order."""
    return xp.moveaxis(x, source, destination), lambda g: (xp.moveaxis(g, destination, source),)


@op(examples=lambda rng: [(rng.normal(size=(3, 4)), {"axis": 1}), (rng.normal(size=(3, 4)), {"axis": (0, -1)})])
def expand_dims(xp, x, *, axis):
    """New axes of size 1."""
    shape = x.shape
    ndim = len(shape) + len(several(axis))
    new = reduced_axes(ndim, axis)
    sizes = iter(shape)
    return x.reshape(tuple(1 if i in new else next(sizes) for i in range(ndim))), lambda g: (g.reshape(shape),)


@op(examples=lambda rng: [(rng.normal(size=(3, 1, 4, 1)),), (rng.normal(size=(3, 1, 4, 1)), {"axis": 1})])
def squeeze(xp, x, *, axis=None):
    """Axes of size 1 go."""
    shape = x.shape
    return xp.squeeze(x, axis=axis), lambda g: (g.reshape(shape),)


@op(examples=lambda rng: [(rng.normal(size=(3, 1)), {"shape": (2, 3, 4)})])
def broadcast_to(xp, x, *, shape):
    """x repeated to fill a larger shape; the gradients of the copies add up."""
    return xp.broadcast_to(x, shape), lambda g: (g,)


@op(examples=lambda rng: [(rng.normal(size=(2, 3)), rng.normal(size=(1, 3)), {"axis": 0}),
                          (rng.normal(size=(2, 3)), rng.normal(size=(2, 1)), rng.normal(size=(2, 2)), {"axis": -1})],
    adapt=sequence)
def concatenate(xp, *arrays, axis=0):
    """Arrays joined along an axis that they have."""
    def vjp(g):
        sizes = tuple([x.shape[axis] for x in arrays])
        return [g[cut] for cut in cuts(sizes, axis, g.ndim)]

    return xp.concatenate(arrays, axis=axis), vjp


@op(examples=lambda rng: [(rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), {"axis": 0}),
                          (rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), {"axis": -1})], adapt=sequence)
def stack(xp, *arrays, axis=0):
    """Arrays of one shape joined along a new axis."""
    def vjp(g):
        parts = xp.moveaxis(g, axis, 0)
        return tuple([parts[i] for i in range(len(arrays))])

    return xp.stack(arrays, axis=axis), vjp


@op(examples=lambda rng: [(rng.normal(size=(2, 3)), {"axis": 0}), (rng.normal(size=(2, 3)), {"axis": -1})])
def unstack(xp, x, *, axis=0):
    """The slices of x along an axis, as a tuple: the inverse of stack."""
    parts = xp.moveaxis(x, axis, 0)
    return tuple([parts[i] for i in range(x.shape[axis])]), lambda *gs: (xp.stack(gs, axis=axis),)


@op(examples=lambda rng: [(rng.normal(size=(4, 3)), {"indices_or_sections": 2}),
                          (rng.normal(size=(2, 6)), {"indices_or_sections": [1, 3], "axis": -1})])
def split(xp, x, *, indices_or_sections, axis=0):
    """x cut along an axis, into equal sections or at the given indices, as a tuple."""
    where = tuple(indices_or_sections) if hasattr(indices_or_sections, "__iter__") else index(indices_or_sections)
    try:
        sizes = _section_sizes(x.shape[axis], where)
    except IndexError:
        raise AxisError(axis, len(x.shape)) from None
    return (tuple([x[cut] for cut in cuts(sizes, axis, len(x.shape))]),
            lambda *gs: (xp.concatenate(gs, axis=axis),))


@lru_cache(maxsize=1024)
def _section_sizes(size, where):
    """Into which sizes split cuts an axis."""
    if isinstance(where, int):
        if size % where:
            raise ValueError(f"split: an axis of size {size} does not divide into {where} equal sections")
        return (size // where,) * where
    ends = [0, *(slice(0, i).indices(size)[1] for i in where), size]
    return tuple(b - a for a, b in pairwise(ends))


@op(examples=lambda rng: [(rng.normal(size=(2, 3)), {"pad_width": ((1, 0), (2, 1))}),
                          (rng.normal(size=(2, 3)), {"pad_width": 1, "constant_values": 2.0})])
def pad(xp, x, *, pad_width, mode="constant", constant_values=0.0):
    """A border of a constant around x; pad_width is ((before, after), ...) an axis, or one number for all.

    raises: ValueError for another of NumPy's modes
    """
    if mode != "constant":
        raise ValueError(f"pad: mode {mode!r}, expected 'constant'")
    ndim = len(x.shape)
    widths = tuple(tuple(w) for w in pad_width) if hasattr(pad_width, "__iter__") else ((pad_width, pad_width),) * ndim
    if len(widths) != ndim:
        raise ValueError(f"pad: {len(widths)} pairs of widths for {ndim} axes; give one an axis, or one number for all")
    inner = tuple(slice(before, before + size) for (before, _), size in zip(widths, x.shape))
    return xp.pad(x, widths, constant_values=constant_values), lambda g: (g[inner],)


@op(examples=lambda rng: [(rng.normal(size=(2, 3)),), (rng.normal(size=(2, 3)), {"axis": 1})])
def flip(xp, x, *, axis=None):
    """The elements in reverse order along an axis, or along all."""
    return xp.flip(x, axis=axis), lambda g: (xp.flip(g, axis=axis),)


@op(examples=lambda rng: [(rng.normal(size=(2, 3)), {"shift": 1}), (rng.normal(size=(2, 3)), {"shift": -2, "axis": 1}),
                          (rng.normal(size=(2, 3)), {"shift": (1, 2), "axis": (0, 1)})])
def roll(xp, x, *, shift, axis=None):
    """Elements move by `shift` places along an axis, and what falls off one end comes in at the other."""
    if hasattr(shift, "__iter__"):
        shift, axis = tuple(shift), axis if axis is None else several(axis)
    back = tuple(-s for s in shift) if isinstance(shift, tuple) else -shift
    return xp.roll(x, shift, axis=axis), lambda g: (xp.roll(g, back, axis=axis),)


@op(examples=lambda rng: [(rng.normal(size=(2, 3)), {"reps": 2}), (rng.normal(size=(2, 3)), {"reps": (2, 1, 3)})])
def tile(xp, x, *, reps):
    """x laid out several times along each axis."""
    reps = several(reps)
    ndim = max(len(reps), len(x.shape))
    reps = (1,) * (ndim - len(reps)) + reps
    shape = (1,) * (ndim - len(x.shape)) + x.shape
    pairs = tuple(size for pair in zip(reps, shape) for size in pair)

    def vjp(g):
        return (xp.sum(g.reshape(pairs), axis=tuple(range(0, 2 * ndim, 2))).reshape(x.shape),)

    return xp.tile(x, reps), vjp


@op(examples=lambda rng: [(rng.normal(size=(2, 3)), {"repeats": 2}), (rng.normal(size=(2, 3)), {"repeats": 3, "axis": 1})])
def repeat(xp, x, *, repeats, axis=None):
    """Every element `repeats` times in a row, along an axis or of the flat array."""
    shape, repeats = x.shape, index(repeats)            # one number: the gradient of several has no even rows to add up
    if axis is None:
        split_shape, along = (-1, repeats) if x.size and repeats else (x.size, repeats), 1
    else:
        along = reduced_axes(len(shape), axis)[0] + 1
        split_shape = shape[:along] + (repeats,) + shape[along:]
    return xp.repeat(x, repeats, axis=axis), lambda g: (xp.sum(g.reshape(split_shape), axis=along).reshape(shape),)
