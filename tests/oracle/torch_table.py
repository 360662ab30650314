"""{tinyaug op: {OpInfo name, or name/variant: call}}: which of PyTorch's operators tries which of ours.

An entry stands under the op that it tries most; many pass through several.
"""

from math import log as ln
from math import prod

import numpy as np

from tests.oracle.torch_calls import (
    _list,
    along,
    at,
    attention,
    bce,
    bce_logits,
    broadcast,
    chunks,
    clamp,
    conv,
    cosine,
    cross_entropy,
    diagonal,
    diff,
    dropped,
    einsum,
    extreme,
    gather,
    gelu,
    group_norm,
    huber,
    index_add,
    index_put,
    layer_norm,
    least,
    less,
    meshgrid,
    mse,
    need,
    nll,
    norm2,
    ordered,
    padded,
    permute,
    pieces,
    plus,
    pool,
    reduced,
    reduction,
    repeat_interleave,
    rms_norm,
    rot90,
    scaled,
    scatter_add,
    shaped,
    sizes,
    smooth_l1,
    spread,
    swap,
    tensor_split,
    topk,
    unit,
)
from tinyaug import ops


def product(x, y):
    return ops.matmul(x, y)


SELU = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717

TABLE = {
    "absolute": {"abs": ops.absolute},
    "add": {
        "add": scaled,
        "__radd__": swap(ops.add),
        "addcmul": lambda x, a, b, value=1: x + ops.multiply(a, b) * value,
        "lerp": lambda x, end, weight: x + weight * (end - x),
    },
    "argmax": {"argmax": lambda x, dim=None, keepdim=False: _picked(ops.argmax, x, dim, keepdim)},
    "argmin": {"argmin": lambda x, dim=None, keepdim=False: _picked(ops.argmin, x, dim, keepdim)},
    "astype": {"double": lambda x, memory_format=None: ops.astype(x, "float64")},
    "avg_pool2d": {
        "nn.functional.avg_pool2d": pool(ops.avg_pool2d, 4),
        "nn.functional.avg_pool1d": pool(ops.avg_pool2d, 3),
    },
    "binary_cross_entropy_with_logits": {
        "nn.functional.binary_cross_entropy_with_logits": bce_logits,
        "nn.functional.binary_cross_entropy": bce,
    },
    "broadcast_to": {
        "broadcast_to": lambda x, shape: ops.broadcast_to(x, sizes(x, (shape,))),
        "expand": lambda x, *shape: ops.broadcast_to(x, sizes(x, shape)),
        "expand_as": lambda x, other: ops.broadcast_to(x, other.shape),
        "broadcast_tensors": lambda *tensors: broadcast(*_list(tensors)),
        "meshgrid/variadic_tensors": meshgrid,
        "meshgrid/list_of_tensors": meshgrid,
    },
    "clip": {
        "clamp": clamp,
        "clamp_min": lambda x, min: clamp(x, min),
        "clamp_max": lambda x, max: clamp(x, None, max),
        "nn.functional.hardtanh": lambda x, min_val=-1.0, max_val=1.0: ops.clip(x, min_val, max_val),
        "nn.functional.relu6": lambda x: ops.clip(x, 0, 6),
        "nn.functional.hardswish": lambda x: x * ops.clip(x + 3, 0, 6) / 6,
    },
    "concatenate": {
        "cat": lambda tensors, dim=0: _cat(tensors, dim),
        "hstack": lambda *tensors: _hstack(_list(tensors)),
        "vstack": lambda *tensors: ops.concatenate(_list([least(2)(_list(tensors))]), axis=0),
        "dstack": lambda *tensors: ops.concatenate(_list([least(3)(_list(tensors))]), axis=2),
        "column_stack": lambda *tensors: ops.concatenate(
            [ops.reshape(t, (-1, 1)) if t.ndim < 2 else t for t in _list(tensors)], axis=1
        ),
    },
    "conv1d": {"nn.functional.conv1d": conv(ops.conv1d, 3)},
    "conv2d": {"nn.functional.conv2d": conv(ops.conv2d, 4)},
    "cos": {"cos": ops.cos},
    "cross_entropy": {"nn.functional.cross_entropy": cross_entropy},
    "cumprod": {"cumprod": along(ops.cumprod)},
    "cumsum": {"cumsum": along(ops.cumsum)},
    "divide": {
        "true_divide": lambda x, other: ops.divide(x, other),
        "div/no_rounding_mode": lambda x, other: ops.divide(x, other),
        "__rdiv__": swap(ops.divide),
        "addcdiv": lambda x, a, b, value=1: x + a / b * value,
        "nn.functional.softsign": lambda x: x / (1 + ops.absolute(x)),
        "nn.functional.cosine_similarity": cosine,
    },
    "einsum": {
        "einsum": lambda operands, equation: einsum(equation, operands),
        "nn.functional.bilinear": lambda a, b, weight, bias=None: (
            ops.einsum("...i,oij,...j->...o", a, weight, b) + dropped(bias)
        ),
    },
    "elu": {
        "nn.functional.elu": lambda x, alpha=1.0: ops.elu(x, alpha),
        "nn.functional.celu": lambda x, alpha=1.0: ops.elu(x / alpha) * alpha,
        "nn.functional.selu": lambda x: SELU[0] * ops.elu(x, SELU[1]),
    },
    "equal": {"eq": ops.equal},
    "not_equal": {"ne": ops.not_equal},
    "less": {"lt": ops.less},
    "less_equal": {"le": ops.less_equal},
    "greater": {"gt": ops.greater},
    "greater_equal": {"ge": ops.greater_equal},
    "exp": {
        "exp": ops.exp,
        "nn.functional.kl_div": lambda x, target, reduction="mean", log_target=False: _kl(
            x, target, reduction, log_target
        ),
    },
    "expand_dims": {
        "unsqueeze": lambda x, dim: ops.expand_dims(x, dim),
        "atleast_1d": least(1),
        "atleast_2d": least(2),
        "atleast_3d": least(3),
    },
    "expm1": {"expm1": ops.expm1},
    "flip": {
        "flip": lambda x, dims: ops.flip(x, tuple(dims)),
        "fliplr": lambda x: ops.flip(x, 1),
        "flipud": lambda x: ops.flip(x, 0),
        "rot90": rot90,
    },
    "gelu": {"nn.functional.gelu": gelu},
    "getitem": {
        "__getitem__": lambda x, index: x[index],
        "select": at,
        "diff": diff,
        "narrow": lambda x, dim, start, length: _narrow(x, dim, start, length),
        "diagonal": diagonal,
        "linalg.diagonal": lambda x, offset=0, dim1=-2, dim2=-1: diagonal(x, offset, dim1, dim2),
        "trace": lambda x: ops.sum(diagonal(x)),
        "masked_select": lambda x, mask: ops.broadcast_to(x, np.broadcast_shapes(x.shape, mask.shape))[
            np.broadcast_to(mask, np.broadcast_shapes(x.shape, mask.shape))
        ],
    },
    "huber": {"nn.functional.huber_loss": huber, "nn.functional.smooth_l1_loss": smooth_l1},
    "isfinite": {"isfinite": ops.isfinite},
    "log": {
        "log": ops.log,
        "log2": lambda x: ops.log(x) / ln(2),
        "log10": lambda x: ops.log(x) / ln(10),
        "xlogy": lambda x, other: ops.multiply(x, ops.log(other)),
        "logit": lambda x, eps=None: _logit(x, eps),
    },
    "log1p": {"log1p": ops.log1p},
    "log_softmax": {"log_softmax": lambda x, dim: ops.log_softmax(x, dim) if x.ndim else x * 0},
    "logical_and": {"logical_and": ops.logical_and},
    "logical_or": {"logical_or": ops.logical_or},
    "logical_not": {"logical_not": ops.logical_not},
    "logaddexp": {"logaddexp": lambda x, other: ops.logaddexp(x, other)},
    "logsumexp": {"logsumexp": reduction(ops.logsumexp)},
    "matmul": {
        "matmul": product,
        "mm": product,
        "bmm": product,
        "mv": product,
        "dot": product,
        "vdot": product,
        "__rmatmul__": swap(ops.matmul),
        "inner": lambda x, y: (
            ops.multiply(x, y)
            if 0 in (x.ndim, y.ndim)
            else ops.einsum("...i,ki->...k", x, y)
            if y.ndim == 2
            else ops.matmul(x, y)
        ),
        "addmm": lambda x, a, b, beta=1, alpha=1: plus(beta, x, alpha, ops.matmul(a, b)),
        "addmm/decomposed": lambda x, a, b, beta=1, alpha=1: plus(beta, x, alpha, ops.matmul(a, b)),
        "addmv": lambda x, a, b, beta=1, alpha=1: plus(beta, x, alpha, ops.matmul(a, b)),
        "baddbmm": lambda x, a, b, beta=1, alpha=1: plus(beta, x, alpha, ops.matmul(a, b)),
        "addbmm": lambda x, a, b, beta=1, alpha=1: plus(beta, x, alpha, ops.sum(ops.matmul(a, b), axis=0)),
        "linalg.multi_dot": lambda tensors: _chain(tensors),
        "nn.functional.linear": lambda x, weight, bias=None: (
            ops.matmul(x, ops.transpose(weight)) + dropped(bias)
        ),
    },
    "max": {
        "amax": reduction(ops.max),
        "max/reduction_no_dim": ops.max,
        "max/reduction_with_dim": extreme(ops.max),
        "aminmax": lambda x, dim=None, keepdim=False: (
            reduction(ops.min)(x, dim, keepdim),
            reduction(ops.max)(x, dim, keepdim),
        ),
    },
    "max_pool2d": {
        "nn.functional.max_pool2d": pool(ops.max_pool2d, 4),
        "nn.functional.max_pool1d": pool(ops.max_pool2d, 3),
    },
    "maximum": {
        "maximum": ops.maximum,
        "max/binary": ops.maximum,
        "fmax": ops.maximum,
        "nn.functional.margin_ranking_loss": lambda a, b, target, margin=0.0, reduction="mean": reduced(
            ops.maximum(-target * (a - b) + margin, 0), reduction
        ),
    },
    "mean": {
        "mean": reduction(ops.mean),
        "nn.functional.layer_norm": layer_norm,
        "nn.functional.rms_norm": rms_norm,
        "nn.functional.group_norm": group_norm,
        "nn.functional.l1_loss": lambda x, target, reduction="mean": reduced(
            ops.absolute(ops.subtract(x, target)), reduction
        ),
    },
    "mean_squared_error": {"nn.functional.mse_loss": mse},
    "min": {
        "amin": reduction(ops.min),
        "min/reduction_no_dim": ops.min,
        "min/reduction_with_dim": extreme(ops.min),
    },
    "minimum": {"minimum": ops.minimum, "min/binary": ops.minimum, "fmin": ops.minimum},
    "moveaxis": {"movedim": lambda x, source, destination: ops.moveaxis(x, source, destination)},
    "multiply": {
        "mul": lambda x, other: ops.multiply(x, other),
        "__rmul__": swap(ops.multiply),
        "nn.functional.silu": lambda x: x * ops.sigmoid(x),
        "nn.functional.mish": lambda x: x * ops.tanh(ops.softplus(x)),
        "nn.functional.glu": lambda x, dim=-1: _glu(x, dim),
    },
    "negative": {"neg": ops.negative},
    "norm": {
        "linalg.vector_norm": lambda x, ord=2, dim=None, keepdim=False: norm2(x, ord, dim, keepdim),
        "norm": norm2,
        "norm/fro": norm2,
        "linalg.norm": lambda x, ord=None, dim=None, keepdim=False: _vector(x, ord, dim, keepdim),
        "dist": lambda x, other, p=2: norm2(ops.subtract(x, other), p),
        "nn.functional.normalize": unit,
    },
    "ones_like": {"ones_like": lambda x: ops.ones_like(x)},
    "zeros_like": {"zeros_like": lambda x: ops.zeros_like(x)},
    "outer": {
        "outer": ops.outer,
        "addr": lambda x, a, b, beta=1, alpha=1: plus(beta, x, alpha, ops.outer(a, b)),
    },
    "pad": {
        "nn.functional.pad/constant": padded,
        "constant_pad_nd": lambda x, pad, value=0: padded(x, pad, value=value),
    },
    "positive": {"positive": ops.positive, "clone": lambda x: ops.positive(x)},
    "power": {
        "pow": ops.power,
        "__rpow__": swap(ops.power),
        "float_power": lambda x, other: ops.power(x, other),
        "exp2": lambda x: ops.power(2.0, x),
    },
    "prod": {"prod": reduction(ops.prod)},
    "reciprocal": {"reciprocal": ops.reciprocal, "rsqrt": lambda x: ops.reciprocal(ops.sqrt(x))},
    "relu": {"nn.functional.relu": ops.relu},
    "repeat": {"repeat_interleave": repeat_interleave},
    "reshape": {
        "reshape": shaped,
        "view": shaped,
        "reshape_as": lambda x, other: ops.reshape(x, other.shape),
        "view_as": lambda x, other: ops.reshape(x, other.shape),
        "ravel": lambda x: ops.reshape(x, (x.size,)),
        "flatten": lambda x, start_dim=0, end_dim=-1: _flatten(x, start_dim, end_dim),
        "unflatten": lambda x, dim, sizes: ops.reshape(
            x, x.shape[: dim % x.ndim] + tuple(sizes) + x.shape[dim % x.ndim + 1 :]
        ),
    },
    "roll": {"roll": lambda x, shifts, dims=None: ops.roll(x, shifts, None if dims == () else dims)},
    "scatter_add": {"scatter_add": scatter_add, "index_add": index_add, "index_put": index_put},
    "sigmoid": {"sigmoid": ops.sigmoid},
    "sign": {"sign": ops.sign, "sgn": ops.sign},
    "sin": {"sin": ops.sin},
    "softmax": {
        "softmax": lambda x, dim: ops.softmax(x, dim) if x.ndim else x * 0 + 1,
        "nn.functional.softmin": lambda x, dim: ops.softmax(-x, dim) if x.ndim else x * 0 + 1,
        "torch.ops.aten._safe_softmax.default": lambda x, dim: ops.softmax(x, dim) if x.ndim else x * 0 + 1,
        "nn.functional.scaled_dot_product_attention": attention,
    },
    "softplus": {
        "nn.functional.softplus": lambda x: ops.softplus(x),
        "nn.functional.logsigmoid": lambda x: -ops.softplus(-x),
        "nn.functional.soft_margin_loss": lambda x, target, reduction="mean": reduced(
            ops.softplus(-target * x), reduction
        ),
    },
    "sort": {"sort": ordered, "msort": lambda x: ordered(x, 0), "topk": topk},
    "split": {
        "split": pieces,
        "split/list_args": pieces,
        "split_with_sizes": pieces,
        "chunk": chunks,
        "tensor_split": tensor_split,
        "hsplit": lambda x, n: tensor_split(x, n, 0 if x.ndim == 1 else 1),
        "vsplit": lambda x, n: tensor_split(x, n, 0),
        "dsplit": lambda x, n: tensor_split(x, n, 2),
    },
    "sqrt": {"sqrt": ops.sqrt, "hypot": lambda x, other: ops.sqrt(ops.square(x) + ops.square(other))},
    "square": {"square": ops.square},
    "squeeze": {
        "squeeze": lambda x, dim=None: _squeeze(x, dim),
        "squeeze/multiple": lambda x, dim: _squeeze(x, dim),
    },
    "stack": {"stack": lambda tensors, dim=0: ops.stack(list(tensors), axis=dim)},
    "std": {
        "std": spread(ops.std),
        "std/unbiased": spread(ops.std),
        "std_mean": lambda x, dim=None, correction=1, keepdim=False: (
            spread(ops.std)(x, dim, correction, keepdim=keepdim),
            reduction(ops.mean)(x, dim, keepdim),
        ),
    },
    "subtract": {
        "sub": less,
        "rsub": lambda x, other, alpha=1: less(other, x, alpha),
        "__rsub__": swap(ops.subtract),
    },
    "sum": {"sum": reduction(ops.sum), "sum_to_size": lambda x, *shape: _sum_to(x, shape)},
    "swapaxes": {
        "transpose": lambda x, a, b: ops.swapaxes(x, a, b) if x.ndim else x,
        "mT": lambda x: ops.swapaxes(x, -1, -2),
    },
    "take": {
        "take": lambda x, index: ops.take(x, index),
        "index_select": lambda x, dim, index: ops.take(x, index, dim) if x.ndim else ops.reshape(x, ()),
        "nn.functional.embedding": lambda weight, index: ops.take(weight, index, 0),
    },
    "take_along_axis": {
        "gather": gather,
        "take_along_dim": lambda x, index, dim=None: _take_along(x, index, dim),
        "nn.functional.nll_loss": nll,
    },
    "tanh": {"tanh": ops.tanh, "nn.functional.tanhshrink": lambda x: x - ops.tanh(x)},
    "tensordot": {"tensordot": lambda x, y, dims=2: _tensordot(x, y, dims)},
    "tile": {
        "tile": lambda x, reps: ops.tile(x, reps),
        "repeat": lambda x, *reps: ops.tile(x, reps[0] if len(reps) == 1 else reps),
        "kron": lambda x, y: _kron(x, y),
    },
    "transpose": {"permute": permute, "T": ops.transpose, "t": ops.transpose, "H": ops.transpose},
    "tril": {"tril": lambda x, diagonal=0: ops.tril(x, diagonal)},
    "triu": {"triu": lambda x, diagonal=0: ops.triu(x, diagonal)},
    "unstack": {"unbind": lambda x, dim=0: ops.unstack(x, dim)},
    "var": {
        "var": spread(ops.var),
        "var/unbiased": spread(ops.var),
        "var_mean": lambda x, dim=None, correction=1, keepdim=False: (
            spread(ops.var)(x, dim, correction, keepdim=keepdim),
            reduction(ops.mean)(x, dim, keepdim),
        ),
    },
    "where": {
        "where": lambda x, condition, other: ops.where(condition, x, other),
        "masked_fill": lambda x, mask, value: ops.where(mask, value, x),
        "nn.functional.leaky_relu": lambda x, negative_slope=0.01: ops.where(x > 0, x, x * negative_slope),
        "nn.functional.threshold": lambda x, threshold, value: ops.where(x > threshold, x, value),
        "nn.functional.prelu": lambda x, weight: ops.where(
            x > 0,
            x,
            x * ops.reshape(weight, (-1,) + (1,) * max(0, x.ndim - 2))
            if x.ndim > 1
            else x * ops.reshape(weight, ()),
        ),
    },
}
ENTRIES = {entry: call for calls in TABLE.values() for entry, call in calls.items()}


def _picked(op, x, dim, keepdim):
    need(not keepdim, "keepdims of argmax")
    return op(x, axis=dim) if x.ndim else op(x)


def _cat(tensors, dim):
    need(len({t.ndim for t in tensors}) == 1, "cat with an empty tensor of another rank")
    return ops.concatenate(list(tensors), axis=dim)


def _hstack(tensors):
    tensors = [ops.reshape(t, (1,)) if t.ndim == 0 else t for t in tensors]
    return ops.concatenate(tensors, axis=0 if tensors[0].ndim == 1 else 1)


def _kl(x, target, reduction, log_target):
    need(reduction in ("mean", "sum", "none", "batchmean"), f"reduction {reduction!r}")
    loss = ops.exp(target) * (target - x) if log_target else target * (ops.log(target) - x)
    return ops.sum(loss) / x.shape[0] if reduction == "batchmean" else reduced(loss, reduction)


def _narrow(x, dim, start, length):
    start = int(start) % x.shape[dim] if x.shape[dim] else 0
    return at(x, dim, slice(start, start + length))


def _logit(x, eps):
    x = x if eps is None else ops.clip(x, eps, 1 - eps)
    return ops.log(x) - ops.log(1 - x)


def _chain(tensors):
    result = tensors[0]
    for t in tensors[1:]:
        result = ops.matmul(result, t)
    return result


def _glu(x, dim):
    a, b = ops.split(x, 2, dim)
    return a * ops.sigmoid(b)


def _vector(x, ord, dim, keepdim):
    need(
        ord in (None, 2, "fro")
        and not (ord == 2 and (dim is None and x.ndim == 2 or isinstance(dim, (tuple, list)))),
        "a norm other than the Euclidean",
    )
    return reduction(ops.norm)(x, dim, keepdim)


def _flatten(x, start, end):
    if x.ndim == 0:
        return ops.reshape(x, (1,))
    start, end = start % x.ndim, end % x.ndim
    return ops.reshape(x, x.shape[:start] + (prod(x.shape[start : end + 1]),) + x.shape[end + 1 :])


def _squeeze(x, dim):
    if dim is None:
        return ops.squeeze(x)
    dims = (dim,) if isinstance(dim, int) else dim
    return ops.squeeze(x, tuple({d % x.ndim for d in dims if x.shape[d] == 1})) if x.ndim else x


def _sum_to(x, shape):
    shape = shape[0] if shape and not isinstance(shape[0], int) else shape
    extra = x.ndim - len(shape)
    over = tuple(range(extra)) + tuple(extra + i for i, size in enumerate(shape) if size == 1)
    return ops.reshape(ops.sum(x, axis=over), shape)


def _tensordot(x, y, dims):
    need(
        isinstance(dims, int) or all(x.shape[a] == y.shape[b] for a, b in zip(*dims, strict=False)),
        "a tensordot that broadcasts",
    )
    return ops.tensordot(x, y, axes=dims)


def _take_along(x, index, dim):
    need(x.ndim > 0, "0-d input with an axis")
    if dim is None:
        return ops.take(x, index.reshape(-1))
    shape = list(
        np.broadcast_shapes(
            tuple(1 if i == dim % x.ndim else n for i, n in enumerate(x.shape)),
            tuple(1 if i == dim % x.ndim else n for i, n in enumerate(index.shape)),
        )
    )
    ours, theirs = shape.copy(), shape.copy()
    ours[dim], theirs[dim] = x.shape[dim], index.shape[dim]
    return ops.take_along_axis(ops.broadcast_to(x, tuple(ours)), np.broadcast_to(index, theirs), axis=dim)


def _kron(x, y):
    rows, columns, p, q = *x.shape, *y.shape
    wide = ops.repeat(ops.repeat(x, p, 0), q, 1)
    return wide * ops.tile(y, (rows, columns))
