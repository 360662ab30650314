"""PyTorch's operators written with our ops, under PyTorch's parameter names: a sample binds as it comes.

A sample that does not bind, or that raises Skip, has no counterpart here and is counted with that reason.
"""

from math import prod, sqrt

import numpy as np

from tinyaug import ops


class Skip(Exception):
    """This sample asks for something that we do not have; the message is the reason."""


def need(condition, reason):
    if not condition:
        raise Skip(reason)


def axes(dim):
    """PyTorch takes lists of axes, and an empty one for all."""
    return (
        None
        if dim is None or dim == [] or dim == ()
        else tuple(dim)
        if isinstance(dim, (list, tuple))
        else dim
    )


def kept(x, dim, reduce):
    """A reduction over an axis that 0-d Tensors do not have: PyTorch lets them have axes 0 and -1."""
    return reduce(ops.reshape(x, (1,)), 0) if x.ndim == 0 else reduce(x, dim)


def reduction(op):
    def call(x, dim=None, keepdim=False):
        if x.ndim == 0:
            return op(x)
        return op(x, axis=axes(dim), keepdims=keepdim)

    return call


def spread(op):
    def call(x, dim=None, correction=1, unbiased=True, keepdim=False):
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        ddof = correction if unbiased else 0
        need(isinstance(ddof, int), "a correction that is no integer")
        axis = axes(dim) if x.ndim else None
        count = (
            x.size
            if axis is None
            else prod(x.shape[a] for a in (axis if isinstance(axis, tuple) else (axis,)))
        )
        need(count > ddof, "a variance of too few numbers: NaN here, infinite there")
        return op(x, axis=axis, ddof=ddof, keepdims=keepdim)

    return call


def along(op):
    def call(x, dim):
        return ops.reshape(op(ops.reshape(x, (1,)), axis=0), ()) if x.ndim == 0 else op(x, axis=dim)

    return call


def extreme(op):
    """PyTorch's gradient goes to the index it returns, ours in equal parts to all ties: equal without ties."""

    def call(x, dim, keepdim=False):
        need(no_ties(x), "ties, which share the gradient evenly here")
        return op(x) if x.ndim == 0 else op(x, axis=dim, keepdims=keepdim)

    return call


def no_ties(x):
    return len(np.unique(x.numpy())) == x.size


def swap(function):
    return lambda x, other: function(other, x)


def scaled(x, other, alpha=1):
    return ops.add(x, ops.multiply(other, alpha)) if alpha != 1 else ops.add(x, other)


def less(x, other, alpha=1):
    return ops.subtract(x, ops.multiply(other, alpha)) if alpha != 1 else ops.subtract(x, other)


def clamp(x, min=None, max=None):
    need(min is not None or max is not None, "no bound")
    if any(hasattr(bound, "shape") for bound in (min, max)):
        x = x if min is None else ops.maximum(x, min)
        return x if max is None else ops.minimum(x, max)
    return ops.clip(x, min, max)


def plus(beta, x, alpha, product):
    return ops.add(ops.multiply(x, beta), ops.multiply(product, alpha))


def permute(x, *dims):
    return ops.transpose(x, dims[0] if len(dims) == 1 and not isinstance(dims[0], int) else dims)


def sizes(x, shape):
    """A shape in which -1 stands for the size that x has there."""
    shape = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
    extra = len(shape) - x.ndim
    return tuple(x.shape[i - extra] if size == -1 else size for i, size in enumerate(shape))


def shaped(x, *shape):
    return ops.reshape(x, tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape)


def pieces(x, split_size_or_sections, dim=0):
    size = x.shape[dim]
    if isinstance(split_size_or_sections, int):
        ends = list(range(split_size_or_sections, size, split_size_or_sections))
    else:
        ends = list(np.cumsum(split_size_or_sections))[:-1]
    return ops.split(x, [int(e) for e in ends], dim)


def chunks(x, chunks, dim=0):
    return pieces(x, -(-x.shape[dim] // chunks), dim)


def tensor_split(x, indices_or_sections, dim=0):
    if np.ndim(indices_or_sections) == 0:
        indices_or_sections = int(indices_or_sections)
    if isinstance(indices_or_sections, int):
        each, more = divmod(x.shape[dim], indices_or_sections)
        ends = np.cumsum([each + (i < more) for i in range(indices_or_sections)])[:-1]
    else:
        ends = np.asarray(indices_or_sections).reshape(-1)
    return ops.split(x, [int(e) for e in ends], dim)


def at(x, dim, index):
    return x[(slice(None),) * (dim % max(x.ndim, 1)) + (index,)]


def gather(x, dim, index):
    need(x.ndim > 0 and np.ndim(index) == x.ndim, "0-d input with an axis")
    cut = tuple(slice(None) if i == dim % x.ndim else slice(n) for i, n in enumerate(index.shape))
    return ops.take_along_axis(x[cut], index, axis=dim)


def positions(index, dim, ndim):
    grid = list(np.indices(index.shape, sparse=True))
    grid[dim % ndim] = index
    return tuple(grid)


def scatter_add(x, dim, index, src):
    need(x.ndim > 0 and index.ndim == x.ndim, "0-d input with an axis")
    values = src[tuple(slice(n) for n in index.shape)]
    return ops.add(x, ops.scatter_add(values, positions(index, dim, x.ndim), x.shape))


def index_add(x, dim, index, source, alpha=1):
    need(x.ndim > 0, "0-d input with an axis")
    need(np.ndim(index) == 1, "a 0-d index with an axis")
    where = (slice(None),) * (dim % x.ndim) + (np.asarray(index),)
    return ops.add(x, ops.multiply(ops.scatter_add(source, where, x.shape), alpha))


def index_put(x, indices, values, accumulate=False):
    need(accumulate, "assignment, which an op of ours never does")
    return ops.add(
        x, ops.scatter_add(ops.broadcast_to(values, x.numpy()[tuple(indices)].shape), tuple(indices), x.shape)
    )


def ordered(x, dim=-1, descending=False, stable=False):
    need(x.ndim > 0, "0-d input with an axis")
    y = ops.sort(x, axis=dim)
    return ops.flip(y, axis=dim) if descending else y


def topk(x, k, dim=-1, largest=True, sorted=True):
    need(x.ndim > 0, "0-d input with an axis")
    y = ordered(x, dim, descending=largest)
    return at(y, dim, slice(k))


def repeat_interleave(x, repeats, dim=None, output_size=None):
    need(isinstance(repeats, int), "a number of repeats for each element")
    need(x.ndim > 0 or dim is None, "0-d input with an axis")
    return ops.repeat(x, repeats, dim)


def padded(x, pad, mode="constant", value=None):
    need(all(p >= 0 for p in pad), "negative padding")
    widths = [(0, 0)] * x.ndim
    for i in range(len(pad) // 2):
        widths[-1 - i] = (pad[2 * i], pad[2 * i + 1])
    return ops.pad(x, tuple(widths), constant_values=value or 0.0)


def norm2(x, p="fro", dim=None, keepdim=False):
    need(p in ("fro", 2, 2.0, None), "a norm other than the Euclidean")
    return reduction(ops.norm)(x, dim, keepdim)


def reduced(loss, reduction):
    return {"mean": ops.mean, "sum": ops.sum, "none": lambda x: x}[reduction](loss)


def one_shape(x, target):
    need(x.shape == target.shape, "a loss between shapes that broadcast")


def huber(x, target, reduction="mean", delta=1.0):
    one_shape(x, target)
    return ops.huber(x, target, delta=delta, reduction=reduction)


def smooth_l1(x, target, reduction="mean", beta=1.0):
    one_shape(x, target)
    if beta == 0:
        return reduced(ops.absolute(ops.subtract(x, target)), reduction)
    return ops.divide(ops.huber(x, target, delta=beta, reduction=reduction), beta)


def mse(x, target, reduction="mean"):
    one_shape(x, target)
    return ops.mean_squared_error(x, target, reduction=reduction)


def classes_last(x):
    return ops.moveaxis(x, 1, -1) if x.ndim > 1 else x


def cross_entropy(x, target, weight=None, ignore_index=-100, reduction="mean", label_smoothing=0.0):
    need(weight is None, "class weights")
    need(target.dtype.kind == "i", "targets that are probabilities")
    need(not np.any(target == ignore_index), "ignored targets")
    need(label_smoothing == 0, "label smoothing")
    return ops.cross_entropy(classes_last(x), target, reduction=reduction)


def nll(x, target, weight=None, ignore_index=-100, reduction="mean"):
    need(weight is None, "class weights")
    need(not np.any(target == ignore_index), "ignored targets")
    x = classes_last(x)
    return reduced(-ops.take_along_axis(x, target[..., None], axis=-1)[..., 0], reduction)


def bce_logits(x, target, weight=None, reduction="mean", pos_weight=None):
    need(pos_weight is None, "class weights")
    loss = ops.binary_cross_entropy_with_logits(x, target, reduction="none")
    return reduced(loss if weight is None else ops.multiply(loss, weight), reduction)


def bce(x, target, weight=None, reduction="mean"):
    loss = -(target * ops.log(x) + (1 - target) * ops.log(1 - x))
    return reduced(loss if weight is None else loss * weight, reduction)


def dropped(bias):
    return 0.0 if bias is None else bias


def batched(x, rank):
    return (x, lambda y: y) if x.ndim == rank else (ops.expand_dims(x, 0), lambda y: y[0])


def conv(op, rank):
    def call(x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        need(groups == 1, "groups")
        need(dilation in (1, (1,) * (rank - 2), [1] * (rank - 2)), "dilation")
        need(padding != "same", "padding by name")
        padding, stride = (0 if padding == "valid" else padding), stride
        if rank == 3:
            padding, stride = ((p if isinstance(p, int) else p[0]) for p in (padding, stride))
        x, back = batched(x, rank)
        y = op(x, weight, stride=stride, padding=padding)
        return back(y if bias is None else y + ops.reshape(bias, (-1,) + (1,) * (rank - 2)))

    return call


def pool(op, rank):
    def call(
        x,
        kernel_size,
        stride=None,
        padding=0,
        dilation=1,
        ceil_mode=False,
        count_include_pad=True,
        divisor_override=None,
        return_indices=False,
    ):
        need(not np.any(padding), "padding of a pool")
        need(np.all(np.asarray(dilation) == 1), "dilation")
        need(not ceil_mode and divisor_override is None, "ceil_mode or another divisor")
        x, back = batched(x, rank)
        kernel, stride = kernel_size, None if stride in ((), []) else stride
        if rank == 3:
            kernel, stride = (
                (1, s if isinstance(s, int) else s[0]) if s is not None else None for s in (kernel, stride)
            )
            return back(op(ops.expand_dims(x, 2), kernel=kernel, stride=stride)[:, :, 0])
        if op is ops.max_pool2d:
            need(no_ties(x), "ties, which share the gradient evenly here")
        return back(op(x, kernel=kernel, stride=stride))

    return call


def layer_norm(x, normalized_shape, weight=None, bias=None, eps=1e-5):
    axis = tuple(range(-len(normalized_shape), 0))
    left = x - ops.mean(x, axis=axis, keepdims=True)
    y = left / ops.sqrt(ops.mean(left * left, axis=axis, keepdims=True) + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def rms_norm(x, normalized_shape, weight=None, eps=None):
    eps = np.finfo(np.float64).eps if eps is None else eps
    axis = tuple(range(-len(normalized_shape), 0))
    y = x / ops.sqrt(ops.mean(x * x, axis=axis, keepdims=True) + eps)
    return y if weight is None else y * weight


def group_norm(x, num_groups, weight=None, bias=None, eps=1e-5):
    groups = ops.reshape(x, (x.shape[0], num_groups, -1 if x.size else 0))
    left = groups - ops.mean(groups, axis=-1, keepdims=True)
    y = ops.reshape(left / ops.sqrt(ops.mean(left * left, axis=-1, keepdims=True) + eps), x.shape)
    column = (-1,) + (1,) * (x.ndim - 2)
    y = y if weight is None else y * ops.reshape(weight, column)
    return y if bias is None else y + ops.reshape(bias, column)


def unit(x, p=2.0, dim=1, eps=1e-12):
    need(p == 2, "a norm other than the Euclidean")
    need(x.ndim > 0, "0-d input with an axis")
    return x / ops.maximum(ops.norm(x, axis=dim, keepdims=True), eps)


def cosine(x1, x2, dim=1, eps=1e-8):
    need(x1.ndim > 0, "0-d input with an axis")
    x1, x2 = broadcast(x1, x2)
    lengths = ops.maximum(ops.norm(x1, axis=dim), eps) * ops.maximum(ops.norm(x2, axis=dim), eps)
    return ops.sum(x1 * x2, axis=dim) / lengths


def attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False
):
    need(dropout_p == 0 and not enable_gqa, "dropout or grouped queries")
    scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) * (
        1 / sqrt(query.shape[-1]) if scale is None else scale
    )
    if is_causal:
        attn_mask = np.tril(np.ones(scores.shape[-2:], dtype=bool))
    if attn_mask is not None:
        scores = ops.where(attn_mask, scores, -np.inf) if attn_mask.dtype == bool else scores + attn_mask
    return ops.matmul(ops.softmax(scores), value)


def diagonal(x, offset=0, dim1=0, dim2=1):
    x = ops.moveaxis(x, (dim1, dim2), (-2, -1))
    rows = np.arange(max(0, min(x.shape[-2] + min(offset, 0), x.shape[-1] - max(offset, 0))))
    return x[..., rows - min(offset, 0), rows + max(offset, 0)]


def meshgrid(*tensors, indexing="ij"):
    tensors = tensors[0] if isinstance(tensors[0], (list, tuple)) else tensors
    grid = np.meshgrid(*[np.arange(t.size) for t in tensors], indexing=indexing)
    return tuple(ops.reshape(t, (-1,))[index] for t, index in zip(tensors, grid, strict=False))


def fold(op, axis_of):
    return lambda *tensors: op(_list(tensors), axis=axis_of)


def _list(tensors):
    return list(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else list(tensors)


def einsum(equation, *operands):
    operands = _list(operands)
    ins, _, out = equation.replace(" ", "").partition("->")
    need(
        all(len(set(p.replace(".", ""))) == len(p.replace(".", "")) for p in ins.split(",")),
        "a diagonal in einsum",
    )
    return ops.einsum(equation, *operands)


def broadcast(*tensors):
    shape = np.broadcast_shapes(*[t.shape for t in tensors])
    return tuple(ops.broadcast_to(t, shape) for t in tensors)


def rot90(x, k=1, dims=(0, 1)):
    a, b = dims
    for _ in range(k % 4):
        x = ops.flip(ops.swapaxes(x, a, b), axis=a)
    return x


def diff(x, n=1, dim=-1, prepend=None, append=None):
    need(x.ndim > 0, "0-d input with an axis")
    if n > 0:
        x = ops.concatenate([t for t in (prepend, x, append) if t is not None], axis=dim)
    for _ in range(n):
        x = at(x, dim, slice(1, None)) - at(x, dim, slice(0, -1))
    return x


def gelu(x, approximate="none"):
    need(approximate == "tanh", "the form with erf")
    return ops.gelu(x)


def least(n):
    def call(*tensors):
        found = []
        for x in _list(tensors):
            missing = max(0, n - x.ndim)
            found.append(
                ops.expand_dims(
                    x,
                    tuple(range(missing))
                    if n < 3 or x.ndim == 1 and n == 2
                    else {0: (0, 1, 2), 1: (0, 2), 2: (2,)}.get(x.ndim, ()),
                )
            )
        return tuple(found) if len(found) > 1 or isinstance(tensors[0], (list, tuple)) else found[0]

    return call
