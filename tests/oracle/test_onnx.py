"""The ONNX project's recorded operator cases (Apache-2.0): the same inputs through our ops and cells."""

import json

import numpy as np
import pytest

from tests.oracle.golden import golden
from tests.oracle.torch_calls import Skip, need
from tinyaug import Tensor, ops, using_dtype
from tinyaug.nn import cells

pytestmark = [pytest.mark.oracle, pytest.mark.host]


@pytest.fixture(scope="module")
def cases():
    """[(case, {input name: array}, {output name: array}), ...]"""
    records = np.load(golden("onnx_open_node_cases.npz"))
    found = []
    for case in json.loads(golden("onnx_open_node_cases.json").read_text())["cases"]:
        ins, outs = (
            {n: records[f"{case['test']}/{side}_{n}"] for n in case[key] if n}
            for side, key in (("in", "inputs"), ("out", "outputs"))
        )
        found.append((case, ins, outs))
    return found


def classes_last(x):
    return ops.moveaxis(x, 1, -1)


def axes_from(x, axis):
    return tuple(range(axis % x.ndim, x.ndim))


def normalised(x, axis, epsilon):
    mean = ops.mean(x, axis=axis, keepdims=True)
    return (x - mean) / ops.sqrt(ops.var(x, axis=axis, keepdims=True) + epsilon)


def batch_norm(x, s, bias, mean, var, epsilon=1e-5):
    column = (-1,) + (1,) * (x.ndim - 2)
    scale, shift, mean, var = (ops.reshape(t, column) for t in (s, bias, mean, var))
    return (x - mean) / ops.sqrt(var + epsilon) * scale + shift


def instance_norm(x, s, bias, epsilon=1e-5):
    column = (-1,) + (1,) * (x.ndim - 2)
    return normalised(x, tuple(range(2, x.ndim)), epsilon) * ops.reshape(s, column) + ops.reshape(bias, column)


def layer_norm(X, W, B, axis=-1, epsilon=1e-5):  # noqa: N803
    axes = axes_from(X, axis)
    spread = ops.sqrt(ops.var(X, axis=axes, keepdims=True) + epsilon)
    return normalised(X, axes, epsilon) * W + B, ops.mean(X, axis=axes, keepdims=True), ops.reciprocal(spread)


def rms_norm(X, W, axis=-1, epsilon=1e-5):  # noqa: N803
    return X / ops.sqrt(ops.mean(X * X, axis=axes_from(X, axis), keepdims=True) + epsilon) * W


def pool(op, x, kernel_shape, strides=None, pads=(0,) * 4, dilations=None, ceil_mode=0, count_include_pad=0, **other):
    need(not other and dilations is None, "padding by name or dilation of a pool")
    need(not ceil_mode, "ceil_mode")
    need(not any(pads) or op is ops.avg_pool2d and count_include_pad, "padding that does not count")
    if any(pads):
        x = ops.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    return op(x, kernel=tuple(kernel_shape), stride=tuple(strides or (1, 1)))


def conv(x, W, kernel_shape, strides=(1, 1), pads=(0,) * 4):  # noqa: N803
    x = ops.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    return ops.conv2d(x, W, stride=tuple(strides))


def cumsum(x, axis, reverse=0, exclusive=0):
    axis = int(axis)
    x = ops.flip(x, axis) if reverse else x
    y = ops.cumsum(x, axis)
    y = y - x if exclusive else y
    return ops.flip(y, axis) if reverse else y


def weighted(loss, target, weight, ignore_index, reduction):
    """A loss for each element, reduced with class weights and ignored targets."""
    scale = np.ones(target.shape) if weight is None else weight.numpy()[np.clip(target, 0, weight.size - 1)]
    scale = np.where(target == ignore_index, 0, scale)
    loss = loss * scale
    return loss if reduction == "none" else ops.sum(loss) / (1 if reduction == "sum" else scale.sum())


def nll(input, target, weight=None, reduction="mean", ignore_index=None):  # noqa: A002
    safe = np.where(target == ignore_index, 0, target)
    picked = ops.take_along_axis(classes_last(input), safe[..., None], axis=-1)[..., 0]
    return weighted(-picked, target, weight, ignore_index, reduction)


def cross_entropy(x, y, w=None, reduction="mean", ignore_index=None):
    safe = np.where(y == ignore_index, 0, y)
    loss = ops.cross_entropy(classes_last(x), safe, reduction="none")
    return weighted(loss, y, w, ignore_index, reduction), ops.log_softmax(x, axis=1)


def attention(
    Q,
    K,
    V,
    attn_mask=None,
    past_key=None,
    past_value=None,
    nonpad_kv_seqlen=None,
    scale=None,  # noqa: N803
    is_causal=0,
    softcap=0.0,
    q_num_heads=None,
    kv_num_heads=None,
    qk_matmul_output_mode=0,
    **other,
):
    need(nonpad_kv_seqlen is None and not other, "padded or windowed attention")
    flat = Q.ndim == 3
    if flat:
        Q, K, V = (
            ops.swapaxes(ops.reshape(t, (*t.shape[:2], n, -1)), 1, 2)  # noqa: N806
            for t, n in ((Q, q_num_heads), (K, kv_num_heads), (V, kv_num_heads))
        )
    if past_key is not None:
        K, V = ops.concatenate([past_key, K], 2), ops.concatenate([past_value, V], 2)  # noqa: N806
    present = K, V
    groups = Q.shape[1] // K.shape[1]
    K, V = ops.repeat(K, groups, 1), ops.repeat(V, groups, 1)  # noqa: N806
    scores = ops.matmul(Q, ops.swapaxes(K, -1, -2)) * (1 / np.sqrt(Q.shape[-1]) if scale is None else scale)
    stages = [scores]
    if is_causal:
        past = 0 if past_key is None else past_key.shape[2]
        allowed = np.tril(np.ones(scores.shape[-2:], bool), past)
        masked = ops.where(allowed, scores, -np.inf)
    else:
        masked = scores
    if attn_mask is not None:
        masked = ops.where(attn_mask, masked, -np.inf) if not isinstance(attn_mask, Tensor) else masked + attn_mask
    need(not softcap or attn_mask is None and not is_causal, "softcap with a mask")
    if softcap:
        masked = ops.tanh(masked / softcap) * softcap
    weights = ops.softmax(masked)
    stages += [None, masked, weights]
    y = ops.matmul(weights, V)
    if flat:
        y = ops.reshape(ops.swapaxes(y, 1, 2), (y.shape[0], y.shape[2], -1))
    return y, *present, stages[qk_matmul_output_mode]


def rotary(input, cos_cache, sin_cache, position_ids=None, interleaved=0, rotary_embedding_dim=0, num_heads=0):  # noqa: A002
    need(input.ndim == 4 and not num_heads, "rotary embedding of flat heads")
    size = rotary_embedding_dim or input.shape[-1]
    turned, rest = input[..., :size], input[..., size:]
    cos, sin = (c if position_ids is None else ops.take(c, position_ids, 0) for c in (cos_cache, sin_cache))
    cos, sin = (ops.expand_dims(c, 1) for c in (cos, sin))  # (B, 1, T, size / 2)
    a, b = (turned[..., 0::2], turned[..., 1::2]) if interleaved else ops.split(turned, 2, -1)
    real, imaginary = a * cos - b * sin, a * sin + b * cos
    both = (
        ops.reshape(ops.stack([real, imaginary], -1), turned.shape)
        if interleaved
        else ops.concatenate([real, imaginary], -1)
    )
    return ops.concatenate([both, rest], -1)


def in_order(matrix, blocks, order):
    """Row blocks of ONNX, (1, blocks * H, ...), in our order."""
    parts = np.split(matrix[0], blocks)
    return [parts[i] for i in order]


def recurrent(make, blocks, order, X, W, R, B=None, hidden_size=None, layout=0, direction="forward", **other):  # noqa: N803
    """Our cell with ONNX's weights: x W^T + h R^T + the sum of two biases."""
    need(direction == "forward" and not other, "both directions, lengths of sequences or other activations")
    X, W, R = (t.numpy() for t in (X, W, R))  # noqa: N806
    X = np.swapaxes(X, 0, 1) if layout else X  # noqa: N806
    weights = [
        np.concatenate([w, r], axis=1).T for w, r in zip(in_order(W, blocks, order), in_order(R, blocks, order), strict=True)
    ]
    biases = [np.zeros(hidden_size)] * blocks
    if B is not None:
        both = np.split(B.numpy()[0], 2 * blocks)
        biases = [both[i] + both[blocks + i] for i in order]
    core = make(X.shape[2], hidden_size)
    load(core, weights, biases)
    outputs, state = cells.unroll(core, Tensor(X))
    y = ops.expand_dims(outputs, 1)  # (T, directions, B, H)
    last = ops.expand_dims(state.hidden, 0)
    if layout:
        y, last = ops.transpose(y, (2, 0, 1, 3)), ops.swapaxes(last, 0, 1)
    return y, last


def load(core, weights, biases):
    """Blocks of weights (D + H, H) in a cell of ours."""
    if isinstance(core, cells.LSTM):
        core.weight.data[...] = np.concatenate(weights, axis=1)
        core.bias.data[...] = np.concatenate(biases)
    elif isinstance(core, cells.GRU):
        core.gates.weight.data[...], core.gates.bias.data[...] = (
            np.concatenate(weights[:2], axis=1),
            np.concatenate(biases[:2]),
        )
        core.candidate.weight.data[...], core.candidate.bias.data[...] = weights[2], biases[2]
    else:
        core.linear.weight.data[...], core.linear.bias.data[...] = weights[0], biases[0]


def cell(kind):
    return lambda inputs, outputs: kind(inputs, outputs, rng=np.random.default_rng(0))


def one_hot(indices, depth, values, axis=-1):
    need(not isinstance(indices, Tensor), "indices that are no integers")
    off, on = (values[i] for i in (0, 1))
    depth = int(np.asarray(depth.numpy() if isinstance(depth, Tensor) else depth).reshape(-1)[0])
    hot = ops.one_hot(np.where(indices < 0, indices + depth, indices), classes=depth)
    return ops.moveaxis(hot * (on - off) + off, -1, axis)


def scatter_elements(data, indices, updates, axis=0, reduction="none"):
    need(reduction == "add", "assignment, which an op of ours never does, or a product")
    grid = list(np.indices(indices.shape, sparse=True))
    grid[axis] = indices
    return data + ops.scatter_add(updates, index=tuple(grid), shape=data.shape)


def top_k(x, k, axis=-1, largest=1, sorted=1):  # noqa: A002
    need(isinstance(x, Tensor), "integers")
    y = ops.sort(x, axis)
    y = ops.flip(y, axis) if largest else y
    return ops.take(y, np.arange(int(np.asarray(k).reshape(-1)[0])), axis)


def gemm(a, b, c, alpha=1.0, beta=1.0, transA=0, transB=0):  # noqa: N803
    return ops.matmul(a.T if transA else a, b.T if transB else b) * alpha + c * beta


def reduced(op):
    def call(data, axes=None, keepdims=1, noop_with_empty_axes=0):
        if axes is not None and axes.size == 0:
            if noop_with_empty_axes:
                return op(ops.expand_dims(data, 0), axis=0)
            axes = None
        return op(data, axis=None if axes is None else tuple(map(int, axes)), keepdims=bool(keepdims))

    return call


def clip(x, min=None, max=None):  # noqa: A002
    need(isinstance(x, Tensor), "integers")
    bound = [b if b is None else b.item() for b in (min, max)]
    return ops.clip(x, *bound)


def trilu(x, k=0, upper=1):
    return (ops.triu if upper else ops.tril)(x, int(k))


def gelu(x, approximate="none"):
    need(approximate == "tanh", "the form with erf")
    return ops.gelu(x)


def gather_nd(data, indices, batch_dims=0):
    return ops.getitem(data, index=tuple(np.moveaxis(indices, -1, 0)))


def einsum(*operands, equation):
    need(all(len(set(p.strip(". "))) == len(p.strip(". ")) for p in equation.partition("->")[0].split(",")), "a diagonal")
    return ops.einsum(equation.replace(" ", ""), *operands)


CALLS = {
    "Attention": attention,
    "RotaryEmbedding": rotary,
    "AveragePool": lambda x, **k: pool(ops.avg_pool2d, x, **k),
    "MaxPool": lambda x, **k: pool(ops.max_pool2d, x, **k),
    "Conv": conv,
    "BatchNormalization": batch_norm,
    "InstanceNormalization": instance_norm,
    "LayerNormalization": layer_norm,
    "RMSNormalization": rms_norm,
    "Clip": clip,
    "CumSum": cumsum,
    "Dropout": lambda x, r=None, seed=None: x,
    "Einsum": einsum,
    "Elu": lambda x, alpha=1.0: ops.elu(x, alpha),
    "Gather": lambda data, indices, axis=0: ops.take(data, indices, axis),
    "GatherND": gather_nd,
    "Gelu": gelu,
    "Gemm": gemm,
    "LogSoftmax": lambda x, axis=-1: ops.log_softmax(x, axis),
    "Softmax": lambda x, axis=-1: ops.softmax(x, axis),
    "MatMul": lambda a, b: ops.matmul(a, b),
    "Mish": lambda X: X * ops.tanh(ops.softplus(X)),
    "NegativeLogLikelihoodLoss": nll,
    "SoftmaxCrossEntropyLoss": cross_entropy,
    "OneHot": one_hot,
    "ReduceLogSumExp": reduced(ops.logsumexp),
    "ReduceSum": reduced(ops.sum),
    "ReduceSumSquare": reduced(lambda x, **k: ops.sum(ops.square(x), **k)),
    "ScatterElements": scatter_elements,
    "Selu": lambda x, alpha=1.67326319217681884765625, gamma=1.05070102214813232421875: gamma * ops.elu(x, alpha),
    "Sigmoid": ops.sigmoid,
    "Softplus": ops.softplus,
    "TopK": top_k,
    "Trilu": trilu,
    "Where": lambda condition, x, y: ops.where(condition, x, y),
    "LSTM": lambda **k: recurrent(cell(cells.LSTM), 4, (0, 2, 3, 1), **k),  # ONNX: i, o, f, c
    "GRU": lambda **k: recurrent(cell(cells.GRU), 3, (1, 0, 2), **k),  # ONNX: z, r, h
    "RNN": lambda **k: recurrent(cell(cells.RNN), 1, (0,), **k),
}
NOT_OURS = {
    "AffineGrid": "resampling of pictures",
    "GridSample": "resampling of pictures",
    "DFT": "complex numbers",
    "BlackmanWindow": "signal windows",
    "HammingWindow": "signal windows",
    "HannWindow": "signal windows",
    "Hardmax": "an argmax as one-hot",
}
BY_NAME = {"LSTM", "GRU", "RNN"}


def check(case, ins, outs):
    need(case["op"] not in NOT_OURS, NOT_OURS.get(case["op"]))
    arguments = {n: Tensor(x, dtype="float64") if x.dtype.kind == "f" else x for n, x in ins.items()}
    call = CALLS[case["op"]]
    try:
        got = (
            call(**arguments, **case["attributes"])
            if case["op"] in BY_NAME | {"Attention"}
            else call(*arguments.values(), **case["attributes"])
        )
    except TypeError as error:
        if "unexpected keyword" in str(error):
            raise Skip(str(error).partition("() ")[2]) from None
        raise
    got = got if isinstance(got, tuple) else (got,)
    for name, y in zip(case["outputs"], got, strict=False):
        if name and y is not None:
            assert y.shape == outs[name].shape, name
            np.testing.assert_allclose(y.numpy(), outs[name], rtol=case["rtol"], atol=max(case["atol"], 1e-6), err_msg=name)


def test_records(cases, tally):
    failures = []
    for case, ins, outs in cases:
        try:
            with using_dtype("float64"), np.errstate(all="ignore"):
                check(case, ins, outs)
            tally.matched(case["test"])
        except Skip as reason:
            tally.skipped(str(reason))
        except Exception as error:
            tally.failed(case["test"])
            failures.append(f"{case['test']}: {type(error).__name__}: {error}")
    assert not failures, "\n\n".join(failures)
    assert tally.total("matched") >= 150
