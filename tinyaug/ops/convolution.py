"""Convolution and pooling: the same small computation at every position."""

from functools import reduce
from operator import add

from tinyaug.autograd import op


def _windows(size, kernel, stride):
    """The slices of an axis that hold, for each offset in the kernel, what that offset sees at every position."""
    steps = (size - kernel) // stride + 1
    return [slice(i, i + stride * (steps - 1) + 1, stride) for i in range(kernel)]


def _patches(x, kernel, stride):
    """The indices of the kh * kw shifted pictures that a kernel slides over."""
    height, width = x.shape[2:]
    if kernel[0] > height or kernel[1] > width:
        raise ValueError(f"convolution: kernel {kernel} is larger than the picture {(height, width)}; pad it")
    return [(slice(None), slice(None), rows, columns)
            for rows in _windows(height, kernel[0], stride[0]) for columns in _windows(width, kernel[1], stride[1])]


def _spread(xp, parts, cuts, shape):
    """The gradient of x from those of its shifted pictures: each goes back to where it was cut out."""
    return _total(xp.scatter_add(part, index=cut, shape=shape) for part, cut in zip(parts, cuts))


def _total(parts):
    """The sum of some arrays, from the first to the last, each made when its turn comes."""
    return reduce(add, parts)


def _pair(x):
    """One number for both directions, or one for each."""
    return tuple(x) if hasattr(x, "__iter__") else (x, x)


def _check_ranks(name, **arrays):
    """Each array has the axes that are listed with it, separated by commas. raises: ValueError"""
    for word, (x, axes) in arrays.items():
        if len(x.shape) != axes.count(",") + 1:
            raise ValueError(f"{name}: {word} of shape {x.shape}, expected ({axes})")


@op(examples=lambda rng: [(rng.normal(size=(2, 3, 5, 4)), rng.normal(size=(4, 3, 3, 2))),
                          (rng.normal(size=(1, 2, 4, 5)), rng.normal(size=(2, 2, 2, 2)), {"stride": 2, "padding": 1})])
def conv2d(xp, x, weight, *, stride=1, padding=0):
    """Cross-correlation of pictures with kernels.

        y(b, o, i, j) = sum_{d, m, n} x(b, d, i s + m, j s + n) weight(o, d, m, n)

    x: (B, D, height, width), weight: (O, D, kernel height, kernel width) -> (B, O, height', width')
    """
    _check_ranks("conv2d", x=(x, "B, D, height, width"), weight=(weight, "O, D, kernel height, kernel width"))
    out, depth, *kernel = weight.shape
    (down, across), stride = _pair(padding), _pair(stride)
    if down or across:
        x = xp.pad(x, ((0, 0), (0, 0), (down, down), (across, across)))
    shape = x.shape
    cuts = _patches(x, tuple(kernel), stride)
    patches = xp.stack([x[cut] for cut in cuts], axis=2)                                     # (B, D, kh kw, h', w')
    flat = weight.reshape((out, depth, kernel[0] * kernel[1]))

    def to_x(g):
        dpatches = xp.einsum("bohw,odk->bkdhw", g, flat)
        dx = _spread(xp, (dpatches[:, k] for k in range(len(cuts))), cuts, shape)
        return dx[:, :, down:shape[2] - down, across:shape[3] - across]

    return (xp.einsum("bdkhw,odk->bohw", patches, flat),
            lambda g: (lambda: to_x(g), lambda: xp.einsum("bdkhw,bohw->odk", patches, g).reshape(weight.shape)))


@op(examples=lambda rng: [(rng.normal(size=(2, 3, 6)), rng.normal(size=(4, 3, 3))),
                          (rng.normal(size=(2, 2, 5)), rng.normal(size=(3, 2, 2)), {"stride": 2, "padding": 1})])
def conv1d(xp, x, weight, *, stride=1, padding=0):
    """Cross-correlation of sequences with kernels: x (B, D, T), weight (O, D, kernel) -> (B, O, T').

        y(b, o, t) = sum_{d, m} x(b, d, t s + m) weight(o, d, m)
    """
    _check_ranks("conv1d", x=(x, "B, D, T"), weight=(weight, "O, D, kernel"))
    y, vjp = conv2d.body(xp, xp.expand_dims(x, 2), xp.expand_dims(weight, 2), stride=(1, stride), padding=(0, padding))

    def squeezed(g):
        dx, dweight = vjp(xp.expand_dims(g, 2))
        return lambda: dx()[:, :, 0], lambda: dweight()[:, :, 0]

    return y[:, :, 0], squeezed


@op(examples=lambda rng: [(rng.permutation(80).reshape(2, 2, 4, 5) * 0.1, {"kernel": 2}),
                          (rng.permutation(60).reshape(1, 3, 4, 5) * 0.1, {"kernel": (2, 3), "stride": 1})])
def max_pool2d(xp, x, *, kernel, stride=None):
    """The largest element under each window; ties share the gradient.

    x: (B, D, height, width) -> (B, D, height', width'); stride is the kernel's size where none is given
    """
    _check_ranks("max_pool2d", x=(x, "B, D, height, width"))
    kernel = _pair(kernel)
    cuts = _patches(x, kernel, _pair(kernel if stride is None else stride))
    shape = x.shape
    patches = xp.stack([x[cut] for cut in cuts])                                             # (kh kw, B, D, h', w')
    best = xp.max(patches, axis=0)

    def vjp(g):
        ties = (patches == best).astype(g.dtype)
        share = g / xp.sum(ties, axis=0)
        return (_spread(xp, (ties[k] * share for k in range(len(cuts))), cuts, shape),)

    return best, vjp


@op(examples=lambda rng: [(rng.normal(size=(2, 2, 4, 5)), {"kernel": 2}),
                          (rng.normal(size=(1, 3, 4, 5)), {"kernel": (2, 3), "stride": 1})])
def avg_pool2d(xp, x, *, kernel, stride=None):
    """The mean under each window. Shapes and stride as in max_pool2d."""
    _check_ranks("avg_pool2d", x=(x, "B, D, height, width"))
    kernel = _pair(kernel)
    cuts = _patches(x, kernel, _pair(kernel if stride is None else stride))
    shape = x.shape
    scale = 1 / len(cuts)

    def vjp(g):
        share = g * scale
        return (_spread(xp, (share for _ in cuts), cuts, shape),)

    return xp.sum(xp.stack([x[cut] for cut in cuts]), axis=0) * scale, vjp


@op(examples=lambda rng: [(rng.normal(size=(2, 1, 6)), rng.normal(size=(2, 1, 3))),
                          (rng.normal(size=5), rng.normal(size=5)), (rng.normal(size=(2, 4)), rng.normal(size=(2, 1)))])
def circular_convolution(xp, weights, offsets):
    """Rotate a weighting by a distribution over offsets -S//2 .. S//2.

        y(i) = sum_j weights(i - j mod N) offsets(j)                                            NTM eq. (8)

    weights: (..., N), offsets: (..., S) with S odd and at most N
    raises:  ValueError where S is even or larger than N
    """
    slots, width = weights.shape[-1], offsets.shape[-1]
    if width % 2 == 0 or width > slots:
        raise ValueError(f"circular_convolution: {width} offsets over {slots} slots; expected an odd number of at most "
                         f"{slots}")
    half = width // 2

    def ring(x):
        return xp.concatenate([x[..., slots - half:], x, x[..., :half]], axis=-1) if half else x

    padded = ring(weights)                                                                   # (..., N + 2 half)
    shifted = [padded[..., width - 1 - k:width - 1 - k + slots] for k in range(width)]

    def to_weights(g):
        g = ring(g)
        return _total([g[..., k:k + slots] * offsets[..., k:k + 1] for k in range(width)])

    def to_offsets(g):
        return xp.concatenate([xp.sum(g * part, axis=-1, keepdims=True) for part in shifted], axis=-1)

    return (_total([part * offsets[..., k:k + 1] for k, part in enumerate(shifted)]),
            lambda g: (lambda: to_weights(g), lambda: to_offsets(g)))
