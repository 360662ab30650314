"""Layer records of Keras 2 (from keras-js, MIT): inputs and weights through our ops and cells, outputs compared.

What a layer was configured with stands in the title of its record, as words: "units=4, activation='tanh', ...".
"""

import json
import re
import tarfile
from types import SimpleNamespace

import numpy as np
import pytest

from tests.oracle.golden import golden
from tests.oracle.test_onnx import load
from tests.oracle.torch_calls import Skip, need
from tinyaug import Tensor, ops, using_dtype
from tinyaug.nn import cells

pytestmark = [pytest.mark.oracle, pytest.mark.host]
PREFIX = "keras-js/test/data/layers/"


@pytest.fixture(scope="module")
def records():
    """({record: {input, weights, expected}}, {record: title})"""
    with tarfile.open(golden("keras-js_test_data.tar.xz")) as tar:
        files = {m.name: json.load(tar.extractfile(m)) for m in tar if m.name.endswith(".json")}
    titles = files.pop("keras-js/case_titles.json")
    found = {}
    for path, content in files.items():
        if path.startswith(PREFIX):
            found.update(content)
    return found, titles


def array(record):
    return np.array(record["data"], dtype=np.float64).reshape(record["shape"])


def options(title):
    """{"strides": (2, 2), "padding": "same", ...} from a title."""
    found = {}
    for word, value in re.findall(r"(\w+)=(\([^()]*\)|'[^']*'|[\w.e-]+)", title):
        found[word] = eval(value, {"__builtins__": {}}, {"True": True, "False": False, "None": None})  # noqa: S307
    return found


def hard_sigmoid(x):
    return ops.clip(x * 0.2 + 0.5, 0.0, 1.0)


ACTIVATIONS = {
    "linear": lambda x: x,
    "relu": ops.relu,
    "sigmoid": ops.sigmoid,
    "tanh": ops.tanh,
    "softplus": ops.softplus,
    "hard_sigmoid": hard_sigmoid,
    "softmax": ops.softmax,
    "elu": ops.elu,
    "softsign": lambda x: x / (1 + ops.absolute(x)),
    "selu": lambda x: 1.0507009873554805 * ops.elu(x, 1.6732632423543772),
}
# the records of Activation have no titles: they are Keras's functions in the order of its documentation
UNTITLED = "softmax", "elu", "selu", "softplus", "softsign", "relu", "tanh", "sigmoid", "hard_sigmoid", "linear"
WRONG_TITLE = "convolutional.Cropping2D.5"  # says 4, was recorded with 1


def same_padding(size, kernel, stride):
    """How much Keras pads in front and behind so that ceil(size / stride) positions come out."""
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def as_pair(x):
    return (x, x) if isinstance(x, int) else x


def convolved(x, kernel, bias, strides, padding, dilation_rate, activation):
    """x (height, width, D), kernel (kh, kw, D, O): channels last, as Keras has them."""
    need(as_pair(dilation_rate) == (1, 1), "dilation")
    strides = as_pair(strides)
    x = ops.expand_dims(ops.transpose(x, (2, 0, 1)), 0)
    if padding == "same":
        x = ops.pad(
            x,
            ((0, 0), (0, 0), *(same_padding(n, k, s) for n, k, s in zip(x.shape[2:], kernel.shape, strides, strict=False))),
        )
    y = ops.conv2d(x, ops.transpose(kernel, (3, 2, 0, 1)), stride=strides)
    y = ops.transpose(y[0], (1, 2, 0))
    return ACTIVATIONS[activation](y if bias is None else y + bias)


def conv2d(x, weights, *, strides, padding, activation, dilation_rate=1, use_bias=True, data_format="channels_last"):
    need(data_format == "channels_last", "channels first")
    kernel, bias = weights if use_bias else (*weights, None)
    return convolved(x, kernel, bias, strides, padding, dilation_rate, activation)


def conv1d(x, weights, *, strides, padding, dilation_rate, activation, use_bias=True):
    kernel, bias = weights if use_bias else (*weights, None)
    need(dilation_rate == 1, "dilation")
    y = convolved(ops.expand_dims(x, 0), ops.expand_dims(kernel, 0), bias, (1, strides), padding, 1, activation)
    return y[0]


def separable(x, weights, *, strides, padding, depth_multiplier, activation, use_bias=True, **_):
    """A convolution of each channel by itself, then one of 1 x 1 across them."""
    depthwise, pointwise, bias = weights if use_bias else (*weights, None)
    each = [
        convolved(x[..., d : d + 1], depthwise[:, :, d : d + 1], None, strides, padding, 1, "linear")
        for d in range(x.shape[-1])
    ]
    return convolved(ops.concatenate(each, -1), pointwise, bias, 1, "valid", 1, activation)


def pooled(op, rank):
    def call(x, _, *, pool_size, padding, strides=None, data_format="channels_last"):
        kernel = (1, pool_size) if rank == 1 else as_pair(pool_size)
        stride = kernel if strides is None else (1, strides) if rank == 1 else as_pair(strides)
        if rank == 1:
            x = ops.expand_dims(x, 0)
        x = x if data_format == "channels_first" else ops.transpose(x, (2, 0, 1))
        widths = ((0, 0),) * 3
        if padding == "same":
            widths = ((0, 0), *(same_padding(n, k, s) for n, k, s in zip(x.shape[1:], kernel, stride, strict=True)))
        if op is ops.max_pool2d:
            y = op(ops.expand_dims(ops.pad(x, widths, constant_values=-1e300), 0), kernel=kernel, stride=stride)[0]
        else:  # Keras takes the mean of what is there, without the border
            y, share = (
                op(ops.expand_dims(ops.pad(t, widths), 0), kernel=kernel, stride=stride)[0] for t in (x, ops.ones_like(x))
            )
            y = y / share
        y = y if data_format == "channels_first" else ops.transpose(y, (1, 2, 0))
        return y[0] if rank == 1 else y

    return call


def whole(op):
    def call(x, _, *, data_format="channels_last"):
        space = tuple(range(x.ndim - 1)) if data_format == "channels_last" else tuple(range(1, x.ndim))
        return op(x, axis=space)

    return call


def dense(x, weights, activation="linear"):
    y = ops.matmul(x, weights[0])
    return ACTIVATIONS[activation](y + weights[1] if len(weights) > 1 else y)


def batch_norm(x, weights, *, epsilon, axis, center, scale):
    weights = list(weights)
    gain = weights.pop(0) if scale else 1.0
    shift = weights.pop(0) if center else 0.0
    axis = axis - 1 if axis > 0 else x.ndim - 1
    column = tuple(-1 if i == axis else 1 for i in range(x.ndim))
    gain, shift, mean, var = (t if isinstance(t, float) else ops.reshape(t, column) for t in (gain, shift, *weights))
    return (x - mean) / ops.sqrt(var + epsilon) * gain + shift


def merged(combine):
    """What is merged in these records is dense layers, linear, on top of one input."""

    def call(x, weights, **options):
        parts = [ops.matmul(x, w) + b for w, b in zip(weights[::2], weights[1::2], strict=True)]
        return combine(parts, **options)

    return call


def recurrent(
    kind,
    x,
    weights,
    *,
    units,
    activation,
    recurrent_activation="sigmoid",
    return_sequences=False,
    go_backwards=False,
    stateful=False,
    use_bias=True,
    **_,
):
    """Our cell with Keras's weights and activations; a stateful layer was called twice, the second time is recorded."""
    need(not stateful, "state kept between calls, which ours never is")
    blocks, order = {"LSTM": (4, (0, 1, 2, 3)), "GRU": (3, (1, 0, 2)), "SimpleRNN": (1, (0,))}[kind]
    matrix = np.concatenate([w.numpy() for w in weights[:2]])  # (D + H, blocks H)
    parts = np.split(matrix, blocks, axis=1)
    biases = np.split(weights[2].numpy() if use_bias else np.zeros(matrix.shape[1]), blocks)
    make = {"LSTM": cells.LSTM, "GRU": cells.GRU, "SimpleRNN": cells.RNN}[kind]
    core = make(x.shape[-1], units, rng=np.random.default_rng(0))
    load(core, [parts[i] for i in order], [biases[i] for i in order])
    squashed = {**vars(ops), "sigmoid": ACTIVATIONS[recurrent_activation], "tanh": ACTIVATIONS[activation]}
    before, cells.ops = cells.ops, SimpleNamespace(**squashed)
    try:
        y, _ = cells.unroll(core, ops.expand_dims(ops.flip(x, 0) if go_backwards else x, 1))
    finally:
        cells.ops = before
    return y[:, 0] if return_sequences else y[-1, 0]


def bidirectional(x, weights, *, merge_mode, wrapped, return_sequences=False, **more):
    half = len(weights) // 2
    forward, backward = (
        recurrent(wrapped, x, part, return_sequences=return_sequences, go_backwards=back, **more)
        for part, back in ((weights[:half], False), (weights[half:], True))
    )
    if return_sequences:
        backward = ops.flip(backward, 0)
    return {
        "sum": lambda: forward + backward,
        "mul": lambda: forward * backward,
        "ave": lambda: (forward + backward) / 2,
        "concat": lambda: ops.concatenate([forward, backward], -1),
    }[merge_mode]()


def numbers(title):
    """The first group of numbers in a title: "padding ((1,2),(3,4)) on ..." is ((1, 2), (3, 4))."""
    return eval(re.search(r"\(.*?\)+(?= on)|\d+(?= on)", title).group(0), {"__builtins__": {}})  # noqa: S307


def by_axis(widths, rank):
    widths = (widths,) * rank if isinstance(widths, int) else widths
    if rank == 1 and isinstance(widths[0], int) and len(widths) == 2:
        return (widths,)
    return tuple((w, w) if isinstance(w, int) else w for w in widths)


def bordered(rank, crop):
    def call(x, _, *, title, data_format="channels_last"):
        widths = by_axis(numbers(title), rank)
        widths = (*widths, (0, 0)) if data_format == "channels_last" else ((0, 0), *widths)
        if crop:
            return x[tuple(slice(a, n - b) for (a, b), n in zip(widths, x.shape, strict=True))]
        return ops.pad(x, widths)

    return call


def upsampled(rank):
    def call(x, _, *, title, data_format="channels_last"):
        times = [int(n) for n in re.search(r"size ([\dx]+)", title).group(1).split("x")]
        times = times * rank if len(times) == 1 else times
        for axis, n in enumerate(times, start=int(data_format == "channels_first")):
            x = ops.repeat(x, n, axis)
        return x

    return call


def product(op):
    def call(parts):
        total = parts[0]
        for part in parts[1:]:
            total = op(total, part)
        return total

    return call


LAYERS = {
    "LeakyReLU": lambda x, _, alpha: ops.where(x > 0, x, x * alpha),
    "ELU": lambda x, _, alpha: ops.elu(x, alpha),
    "PReLU": lambda x, w: ops.where(x > 0, x, x * w[0]),
    "ThresholdedReLU": lambda x, _, theta: ops.where(x > theta, x, 0.0),
    "Conv1D": conv1d,
    "Conv2D": conv2d,
    "SeparableConv2D": separable,
    "AveragePooling1D": pooled(ops.avg_pool2d, 1),
    "AveragePooling2D": pooled(ops.avg_pool2d, 2),
    "MaxPooling1D": pooled(ops.max_pool2d, 1),
    "MaxPooling2D": pooled(ops.max_pool2d, 2),
    **{f"GlobalAveragePooling{n}D": whole(ops.mean) for n in (1, 2, 3)},
    **{f"GlobalMaxPooling{n}D": whole(ops.max) for n in (1, 2, 3)},
    **{f"ZeroPadding{n}D": bordered(n, False) for n in (1, 2, 3)},
    **{f"Cropping{n}D": bordered(n, True) for n in (1, 2, 3)},
    **{f"UpSampling{n}D": upsampled(n) for n in (1, 2, 3)},
    "BatchNormalization": batch_norm,
    "Embedding": lambda x, w, **_: ops.take(w[0], x.numpy().astype(int), 0),
    "Flatten": lambda x, _: ops.reshape(x, (-1,)),
    "RepeatVector": lambda x, _: ops.tile(x, (7, 1)),
    "Add": merged(product(ops.add)),
    "Multiply": merged(product(ops.multiply)),
    "Subtract": merged(product(ops.subtract)),
    "Maximum": merged(product(ops.maximum)),
    "Minimum": merged(product(ops.minimum)),
    "Average": merged(lambda parts: ops.mean(ops.stack(parts), axis=0)),
}
TITLED = tuple(f"{kind}{n}D" for kind in ("ZeroPadding", "Cropping", "UpSampling") for n in (1, 2, 3))
NOT_OURS = {
    "Conv3D": "three dimensions",
    "AveragePooling3D": "three dimensions",
    "MaxPooling3D": "three dimensions",
    "Conv2DTranspose": "transposed convolution",
    "Concatenate": "layers before it that its record does not name",
    "Dot": "layers before it that its record does not name",
}


def check(name, record, title):
    layer = name.split(".")[1]
    need(layer not in NOT_OURS, NOT_OURS.get(layer))
    need(name != WRONG_TITLE, "a title that does not say what was recorded")
    x, expected = Tensor(array(record["input"])), array(record["expected"])
    weights = [Tensor(array(w)) for w in record.get("weights", [])]
    if layer in ("LSTM", "GRU", "SimpleRNN"):
        y = recurrent(layer, x, weights, **options(title))
    elif layer == "Bidirectional":
        y = bidirectional(x, weights, wrapped=re.search(r"wrap an? (\w+)", title).group(1), **options(title))
    elif layer == "Activation":
        y = dense(x, weights, UNTITLED[int(name.split(".")[2])])
    elif layer in ("Dense", "Dropout", "GaussianDropout", "GaussianNoise"):
        y = dense(x, weights, re.search(r"(\w+) activation|$", title).group(1) or "linear")
    elif layer in ("Permute", "Reshape"):
        y = (
            ops.transpose(x, tuple(x.shape.index(n) for n in expected.shape))
            if layer == "Permute"
            else ops.reshape(x, expected.shape)
        )
    elif layer == "TimeDistributed":
        need("Dense" in title, "a layer of pictures at every step")
        y = dense(x, weights)
    else:
        need(layer in LAYERS, f"no counterpart of {layer}")
        y = LAYERS[layer](x, weights, **options(title), **({"title": title} if layer in TITLED else {}))
    assert y.shape == expected.shape
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-4, atol=2e-5)


def test_records(records, tally):
    found, titles = records
    failures = []
    for name, record in found.items():
        try:
            with using_dtype("float64"), np.errstate(all="ignore"):
                check(name, record, titles.get(name, ""))
            tally.matched(name)
        except Skip as reason:
            tally.skipped(str(reason))
        except Exception as error:
            tally.failed(name)
            failures.append(f"{name} ({titles.get(name)}): {type(error).__name__}: {str(error)[:300]}")
    assert not failures, "\n\n".join(failures)
    assert tally.total("matched") >= 150
