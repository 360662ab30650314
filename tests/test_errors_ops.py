"""Misuse of the ops: an error before anything is computed, in one line that names the op, what it got and the shapes."""

import numpy as np
import pytest

from tinyaug import OPS, Tensor, ops

BAD_SHAPES = "broadcast|mismatch|same shape|expected one shape|shapes|match"
NO_AXIS = "out of bounds|out of range"


def T(*shape):  # noqa: N802
    return Tensor(np.ones(shape))


WORDS = np.array(["a", "b"])

# one axis too far, for every op that takes an axis
AXIS = [
    (name, f"axis is 5 in {name}", (lambda op: lambda: op(T(2, 3), axis=5))(OPS[name]), NO_AXIS)
    for name in (
        "sum",
        "mean",
        "max",
        "min",
        "prod",
        "var",
        "std",
        "norm",
        "logsumexp",
        "cumsum",
        "cumprod",
        "softmax",
        "log_softmax",
        "argmax",
        "argmin",
        "argsort",
        "sort",
        "expand_dims",
        "squeeze",
        "flip",
        "unstack",
    )
]
# shapes that do not broadcast, for every op of two arguments
PAIRS = [
    (name, f"shapes in {name}", (lambda op: lambda: op(T(2, 3), T(4)))(OPS[name]), BAD_SHAPES)
    for name in (
        "add",
        "subtract",
        "multiply",
        "divide",
        "power",
        "maximum",
        "minimum",
        "less",
        "less_equal",
        "greater",
        "greater_equal",
        "logical_and",
        "logical_or",
        "logaddexp",
        "binary_cross_entropy_with_logits",
        "mean_squared_error",
        "huber",
    )
]
# no numbers, for every op of one argument; an argument too many
UNARY = (
    "absolute",
    "cos",
    "elu",
    "exp",
    "expm1",
    "gelu",
    "isfinite",
    "log",
    "log1p",
    "negative",
    "oneplus",
    "positive",
    "reciprocal",
    "relu",
    "sigmoid",
    "sign",
    "sin",
    "softplus",
    "sqrt",
    "square",
    "tanh",
)
WORD = [
    (name, f"words in {name}", (lambda op: lambda: op(WORDS))(OPS[name]), "expected real numbers|ufunc|loop|str|U1")
    for name in UNARY
]
MANY = [
    (name, f"three arguments of {name}", (lambda op: lambda: op(T(2), 1.0, T(2)))(OPS[name]), "argument")
    for name in (*UNARY, "logical_not", "zeros_like", "ones_like")
]

# (op, case, call, what the message says)
CASES = [
    *AXIS,
    *PAIRS,
    *WORD,
    *MANY,
    ("add", "complex number", lambda: T(2) + 2j, "argument 1 is of dtype complex128, expected real numbers"),
    ("add", "None", lambda: T(2) + None, "argument 1 is of dtype object, expected real numbers"),
    ("power", "word", lambda: T(2) ** "a", "expected real numbers"),
    ("add", "one argument", lambda: ops.add(T(2)), "missing 1 required positional argument"),
    ("exp", "no argument", lambda: ops.exp(), "missing 1 required positional argument"),
    ("sum", "unknown keyword", lambda: ops.sum(T(2), axes=0), "unexpected keyword argument 'axes'"),
    ("sum", "axis that is no integer", lambda: ops.sum(T(2), axis=0.5), "x (2,), axis=0.5"),
    ("sum", "axis twice", lambda: ops.sum(T(2, 3), axis=(0, 0)), "duplicate"),
    ("max", "of nothing", lambda: ops.max(T(0, 3)), "x (0, 3)"),
    ("where", "condition's shape", lambda: ops.where(np.ones(3, bool), T(2), T(2)), "condition (3,), x (2,), y (2,)"),
    ("clip", "word", lambda: ops.clip(T(2), "a"), "a_min=a"),
    ("astype", "unknown dtype", lambda: ops.astype(T(2), "numbers"), "dtype=numbers"),
    ("equal", "word", lambda: ops.equal(T(2), "a"), "expected real numbers"),
    ("not_equal", "word", lambda: ops.not_equal(T(2), "a"), "expected real numbers"),
    ("softmax", "integers", lambda: ops.softmax(Tensor(np.array([1, 2]))), "got int64, expected a floating dtype"),
    ("reshape", "size", lambda: ops.reshape(T(2, 3), (4,)), "x (2, 3), shape=(4,)"),
    ("reshape", "two unknowns", lambda: ops.reshape(T(2, 3), (-1, -1)), "one unknown dimension"),
    ("transpose", "axis", lambda: ops.transpose(T(2, 3), (5, 0)), NO_AXIS),
    ("transpose", "axis twice", lambda: ops.transpose(T(2, 3), (0, 0)), "repeated axis"),
    ("transpose", "too few axes", lambda: ops.transpose(T(2, 3), (0,)), "axes don't match"),
    ("swapaxes", "axis", lambda: ops.swapaxes(T(2, 3), 0, 5), NO_AXIS),
    ("moveaxis", "axis", lambda: ops.moveaxis(T(2, 3), 0, 5), NO_AXIS),
    ("squeeze", "axis of size 2", lambda: ops.squeeze(T(2, 3), 0), "size not equal to one"),
    ("broadcast_to", "shape", lambda: ops.broadcast_to(T(2, 3), (4, 3)), "x (2, 3), shape=(4, 3)"),
    ("concatenate", "nothing", lambda: ops.concatenate([]), "at least one array"),
    ("concatenate", "a number", lambda: ops.concatenate(5), "at least one array"),
    ("concatenate", "sizes", lambda: ops.concatenate([T(2, 3), T(3, 2)]), "arrays (2, 3), arrays (3, 2)"),
    ("concatenate", "ranks", lambda: ops.concatenate([T(2, 3), T(2)]), "arrays (2, 3), arrays (2,)"),
    ("concatenate", "axis", lambda: ops.concatenate([T(2, 3), T(2, 3)], 5), "axis 5 is out of bounds for array of dim"),
    ("stack", "shapes", lambda: ops.stack([T(2), T(3)]), "same shape"),
    ("stack", "axis", lambda: ops.stack([T(2), T(2)], 5), NO_AXIS),
    ("unstack", "a number", lambda: ops.unstack(T()), NO_AXIS),
    ("split", "a fraction", lambda: ops.split(T(5, 2), 2.5), "indices_or_sections=2.5"),
    ("split", "does not divide", lambda: ops.split(T(5, 2), 2), "size 5 does not divide into 2"),
    ("split", "axis", lambda: ops.split(T(5, 2), 2, axis=4), "axis 4 is out of bounds for array of dimension 2"),
    ("pad", "too few widths", lambda: ops.pad(T(2, 3), ((1, 1),)), "1 pairs of widths for 2 axes"),
    ("pad", "another mode", lambda: ops.pad(T(2), 1, "edge"), "expected 'constant'"),
    ("pad", "negative width", lambda: ops.pad(T(2), -1), "negative"),
    ("roll", "axis", lambda: ops.roll(T(2, 3), 1, axis=5), NO_AXIS),
    ("tile", "negative", lambda: ops.tile(T(2), -1), "negative"),
    ("repeat", "a number for each element", lambda: ops.repeat(T(2), [1, 2]), "x (2,), repeats=[1, 2]"),
    ("repeat", "negative", lambda: ops.repeat(T(2), -1), "negative"),
    ("repeat", "axis", lambda: ops.repeat(T(2), 2, axis=5), NO_AXIS),
    ("matmul", "inner sizes", lambda: T(2, 3) @ T(2, 3), "x (2, 3), y (2, 3)"),
    ("matmul", "batches", lambda: T(2, 3, 3) @ T(4, 3, 3), "x (2, 3, 3), y (4, 3, 3)"),
    ("matmul", "a number", lambda: T(2, 3) @ 2.0, "x (2, 3), y 2.0"),
    ("outer", "a number", lambda: ops.outer(T(2), 2.0), "x (2,), y 2.0"),
    ("tensordot", "sizes", lambda: ops.tensordot(T(2, 3), T(2, 3), axes=1), "axis 1 of size 3 against axis 0 of size 2"),
    ("einsum", "sizes", lambda: ops.einsum("ij,jk", T(2, 3), T(4, 5)), "operands (2, 3), operands (4, 5)"),
    ("einsum", "operands", lambda: ops.einsum("ij,jk", T(2, 3)), "names 2 operands, got 1"),
    ("einsum", "rank", lambda: ops.einsum("ij", T(2, 3, 4)), "operands (2, 3, 4)"),
    ("einsum", "diagonal", lambda: ops.einsum("ii", T(3, 3)), "takes a diagonal; take it with getitem first"),
    ("getitem", "index", lambda: T(2, 3)[5], "x (2, 3), index=5"),
    ("getitem", "too many", lambda: T(2, 3)[0, 0, 0], "too many indices"),
    ("getitem", "a fraction", lambda: T(2, 3)[0.5], "x (2, 3), index=0.5"),
    ("scatter_add", "shape of the values", lambda: ops.scatter_add(T(3), index=(slice(0, 2),), shape=(4,)), "values (3,)"),
    ("take", "index", lambda: ops.take(T(2, 3), np.array([9]), axis=0), "out of bounds"),
    ("take", "fractions", lambda: ops.take(T(2, 3), np.array([0.5]), axis=0), "x (2, 3), indices (1,)"),
    ("take", "axis", lambda: ops.take(T(2, 3), np.array([0]), axis=5), NO_AXIS),
    ("take_along_axis", "axis", lambda: ops.take_along_axis(T(2, 3), np.zeros((2, 3), int), axis=5), NO_AXIS),
    ("take_along_axis", "rank", lambda: ops.take_along_axis(T(2, 3), np.zeros(2, int), axis=0), "indices (2,)"),
    ("tril", "a number", lambda: ops.tril(T()), "x ()"),
    ("triu", "a number", lambda: ops.triu(T()), "x ()"),
    ("one_hot", "fractions", lambda: ops.one_hot(np.array([0.5]), classes=3), "float64, expected integers"),
    ("conv1d", "rank", lambda: ops.conv1d(T(2, 5), T(3, 2, 2)), "x of shape (2, 5), expected (B, D, T)"),
    ("conv1d", "kernel", lambda: ops.conv1d(T(1, 2, 3), T(3, 2, 4)), "larger than the picture"),
    ("conv2d", "depth", lambda: ops.conv2d(T(1, 2, 5, 5), T(3, 4, 2, 2)), "x (1, 2, 5, 5), weight (3, 4, 2, 2)"),
    ("conv2d", "rank", lambda: ops.conv2d(T(2, 5, 5), T(3, 2, 2, 2)), "x of shape (2, 5, 5), expected (B, D, h"),
    ("conv2d", "rank of the kernels", lambda: ops.conv2d(T(1, 2, 5, 5), T(2, 2, 2)), "weight of shape (2, 2, 2), expected"),
    (
        "conv2d",
        "kernel",
        lambda: ops.conv2d(T(1, 2, 3, 3), T(3, 2, 4, 4)),
        "kernel (4, 4) is larger than the picture (3, 3)",
    ),
    ("conv2d", "stride", lambda: ops.conv2d(T(1, 2, 5, 5), T(3, 2, 2, 2), stride=0), "stride=0"),
    (
        "max_pool2d",
        "kernel",
        lambda: ops.max_pool2d(T(1, 2, 3, 3), kernel=4),
        "kernel (4, 4) is larger than the picture (3, 3)",
    ),
    ("avg_pool2d", "rank", lambda: ops.avg_pool2d(T(5, 5), kernel=2), "x of shape (5, 5), expected (B, D, height, width)"),
    ("max_pool2d", "rank", lambda: ops.max_pool2d(T(5, 5), kernel=2), "x of shape (5, 5), expected (B, D, height, width)"),
    ("circular_convolution", "even", lambda: ops.circular_convolution(T(2, 5), T(2, 2)), "2 offsets over 5 slots"),
    ("circular_convolution", "wide", lambda: ops.circular_convolution(T(2, 5), T(2, 7)), "at most 5"),
    (
        "circular_convolution",
        "batches",
        lambda: ops.circular_convolution(T(2, 5), T(3, 3)),
        "weights (2, 5), offsets (3, 3)",
    ),
    ("cross_entropy", "shapes", lambda: ops.cross_entropy(T(2, 3), np.zeros(3, int)), "logits (2, 3), targets (3,)"),
    ("cross_entropy", "fractions", lambda: ops.cross_entropy(T(2, 3), np.zeros(2)), "float64, expected integers"),
    ("huber", "reduction", lambda: ops.huber(T(2), T(2), reduction="average"), "'average', expected mean, sum or none"),
]


@pytest.mark.parametrize("op, call, said", [(c[0], c[2], c[3]) for c in CASES], ids=[f"{c[0]}: {c[1]}" for c in CASES])
def test_misuse(op, call, said):
    with pytest.raises((ValueError, TypeError, IndexError, NotImplementedError)) as caught:
        call()
    message = str(caught.value)
    assert op in message.partition(":")[0], message
    assert "\n" not in message
    assert any(word in message for word in said.split("|")), message


def test_every_op_has_a_case():
    cases = {case[0] for case in CASES}
    assert {name for name, op in OPS.items() if op.__module__.startswith("tinyaug.")} <= cases


def test_the_error_of_a_body_keeps_its_kind_and_its_cause():
    with pytest.raises(IndexError) as caught:
        T(2)[7]
    assert isinstance(caught.value.__cause__, IndexError)
    with pytest.raises(np.exceptions.AxisError):
        ops.sum(T(2), axis=3)


def test_a_refused_op_leaves_nothing_behind():
    x = Tensor(np.ones(3), requires_grad=True)
    y = x * 2
    with pytest.raises(ValueError, match="multiply"):
        y * np.ones(4)
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [2, 2, 2])
