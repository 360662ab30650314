"""Where functions have corners, poles and nothing to compute: what comes out, and what the gradient is.

A row says where its expected values come from. Where HIPS autograd or PyTorch give NaN, this table decides.
"""

import numpy as np
import pytest

from tinyaug import Tensor, grad, ops, using_dtype
from tinyaug.derivatives import gradients
from tinyaug.memory.addressing import content_weights, cosine_similarity, sharpen

inf, nan = np.inf, np.nan
FINITE = "finite"  # whatever it is, it is a number: very large where the true derivative is infinite

# (name, source, function of Tensors, inputs, value, gradient an input)
ROWS = [
    # poles: the derivative is infinite there, and 0 times it must be 0
    (
        "sqrt at 0",
        "the derivative is 1/0; a finite stand-in keeps 0 * it at 0",
        ops.sqrt,
        [[0.0, 4.0]],
        [0, 2],
        [FINITE],
    ),
    (
        "sqrt at 0, not counted",
        "PyTorch and HIPS autograd: 0 * inf = NaN; the product's derivative is 0",
        lambda x: ops.sqrt(x) * np.array([0.0, 1.0]),
        [[0.0, 4.0]],
        [0, 2],
        [[0, 0.25]],
    ),
    (
        "norm at 0",
        "subgradient of least length; PyTorch: 0, HIPS autograd: NaN",
        ops.norm,
        [[0.0, 0.0]],
        0,
        [[0, 0]],
    ),
    (
        "norm of one zero row",
        "as above, an axis at a time",
        lambda x: ops.norm(x, axis=1),
        [[[0.0, 0.0], [3.0, 4.0]]],
        [0, 5],
        [[[0, 0], [0.6, 0.8]]],
    ),
    (
        "norm with epsilon at 0",
        "sqrt(x . x + epsilon) is smooth: derivative 0",
        lambda x: ops.norm(x, epsilon=1e-4),
        [[0.0, 0.0]],
        0.01,
        [[0, 0]],
    ),
    ("std of equal numbers", "as the norm at 0; PyTorch: NaN", ops.std, [[2.0, 2.0, 2.0]], 0, [[0, 0, 0]]),
    ("log 0", "IEEE 754: log(+0) = -inf", ops.log, [[0.0, 1.0]], [-inf, 0], [FINITE]),
    ("log1p(-1)", "IEEE 754: log1p(-1) = -inf", ops.log1p, [[-1.0, 0.0]], [-inf, 0], [FINITE]),
    ("reciprocal of 0", "IEEE 754: 1 / +0 = inf", ops.reciprocal, [[0.0, 2.0]], [inf, 0.5], [[-inf, -0.25]]),
    (
        "x / 0",
        "IEEE 754: 1 / +0 = inf",
        ops.divide,
        [[1.0, 1.0], [0.0, 2.0]],
        [inf, 0.5],
        [FINITE, [-inf, -0.25]],
    ),
    (
        "1 / x at 0, not counted",
        "0 * inf = NaN must not arise",
        lambda x: ops.reciprocal(x)[1],
        [[0.0, 2.0]],
        0.5,
        [[0, -0.25]],
    ),
    (
        "absolute at 0",
        "subgradient 0; PyTorch, TensorFlow: 0",
        ops.absolute,
        [[0.0, -2.0]],
        [0, 2],
        [[0, -1]],
    ),
    ("relu at 0", "subgradient 0; PyTorch: 0", ops.relu, [[0.0, 2.0, -1.0]], [0, 2, 0], [[0, 1, 0]]),
    (
        "clip at its bounds",
        "the bounds count as inside; PyTorch: 1",
        lambda x: ops.clip(x, 0.0, 1.0),
        [[0.0, 1.0, 2.0]],
        [0, 1, 1],
        [[1, 1, 0]],
    ),
    (
        "huber where its pieces meet",
        "both pieces have slope delta there",
        lambda x: ops.huber(x, ops.zeros_like(x), reduction="none"),
        [[1.0, -1.0, 0.0]],
        [0.5, 0.5, 0],
        [[1, -1, 0]],
    ),
    # powers of 0
    (
        "0 ** gamma, gamma >= 1",
        "limits: d/dw = gamma w^(gamma-1), d/dgamma = w^gamma log w -> 0; sharpening needs them",
        ops.power,
        [[0.0, 0.0, 0.0], [1.0, 2.0, 1.5]],
        [0, 0, 0],
        [[1, 0, 0], [0, 0, 0]],
    ),
    (
        "0 ** 0",
        "IEEE 754 pow(0, 0) = 1; d/dx of the constant 1 is 0",
        lambda x: ops.power(x, 0.0),
        [[0.0, 2.0]],
        [1, 1],
        [[0, 0]],
    ),
    (
        "0 ** 0.5",
        "a pole of the derivative, as sqrt",
        lambda x: ops.power(x, 0.5),
        [[0.0, 4.0]],
        [0, 2],
        [FINITE],
    ),
    (
        "number 0 ** y",
        "w^gamma log w -> 0 for a plain number too",
        lambda y: 0.0**y,
        [[1.0, 2.0]],
        [0, 0],
        [[0, 0]],
    ),
    (
        "negative ** 2",
        "d/dx x^2 = 2x; log of a negative number must not reach it",
        lambda x: ops.power(x, 2.0),
        [[-3.0]],
        [9],
        [[-6]],
    ),
    (
        "product with one zero",
        "product of the others; prod(x) / x gives NaN",
        ops.prod,
        [[0.0, 2.0, 3.0]],
        0,
        [[6, 0, 0]],
    ),
    ("product with two zeros", "product of the others", ops.prod, [[0.0, 0.0, 3.0]], 0, [[0, 0, 0]]),
    (
        "running product with a zero",
        "sum of the products of the others",
        ops.cumprod,
        [[2.0, 0.0, 3.0]],
        [2, 0, 0],
        [[1, 8, 0]],
    ),
    # the branch that is not taken
    (
        "where, NaN not taken",
        "the gradient of what is not taken is 0; HIPS autograd: NaN",
        lambda x, y: ops.where(np.array([True, False]), x, y),
        [[1.0, nan], [nan, 2.0]],
        [1, 2],
        [[1, 0], [0, 1]],
    ),
    (
        "where(x > 0, log(x), 0) at 0",
        "0 * (1/0) must not become NaN; PyTorch, JAX, HIPS autograd: NaN",
        lambda x: ops.where(x > 0, ops.log(x), 0.0),
        [[0.0, 1.0]],
        [0, 0],
        [[0, 1]],
    ),
    (
        "where(x > 0, sqrt(x), 0) at 0",
        "as above",
        lambda x: ops.where(x > 0, ops.sqrt(x), 0.0),
        [[0.0, 4.0]],
        [0, 2],
        [[0, 0.25]],
    ),
    (
        "where(x != 0, 1 / x, 0) at 0",
        "as above",
        lambda x: ops.where(x != 0, 1 / x, 0.0),
        [[0.0, 2.0]],
        [0, 0.5],
        [[0, -0.25]],
    ),
    (
        "where(x < 1, exp(x), 0) at 1000",
        "exp overflows in the branch not taken",
        lambda x: ops.where(x < 1, ops.exp(x), 0.0),
        [[0.0, 1000.0]],
        [1, 0],
        [[1, 0]],
    ),
    # ties share evenly
    (
        "max of a tie",
        "subgradient of least length; PyTorch amax, HIPS autograd",
        ops.max,
        [[3.0, 1.0, 3.0]],
        3,
        [[0.5, 0, 0.5]],
    ),
    ("min of all equal", "as max", ops.min, [[2.0, 2.0, 2.0, 2.0]], 2, [[0.25] * 4]),
    (
        "max along an axis",
        "each row on its own",
        lambda x: ops.max(x, axis=1),
        [[[1.0, 1.0], [1.0, 2.0]]],
        [1, 2],
        [[[0.5, 0.5], [0, 1]]],
    ),
    (
        "maximum of a tie",
        "half each; PyTorch",
        ops.maximum,
        [[1.0, 2.0], [1.0, 3.0]],
        [1, 3],
        [[0.5, 0], [0.5, 1]],
    ),
    (
        "minimum of a tie",
        "half each; PyTorch",
        ops.minimum,
        [[1.0, 2.0], [1.0, 3.0]],
        [1, 2],
        [[0.5, 1], [0.5, 0]],
    ),
    (
        "max_pool2d of a tie",
        "as max",
        lambda x: ops.max_pool2d(x, kernel=2)[0, 0, 0, 0],
        [[[[[1.0, 1.0], [0.0, 1.0]]]]],
        1,
        [[[[[1 / 3, 1 / 3], [0, 1 / 3]]]]],
    ),
    # nothing to choose from
    (
        "softmax of -inf only",
        "torch.ops.aten._safe_softmax, which its attention uses: zeros",
        ops.softmax,
        [[-inf, -inf]],
        [0, 0],
        [[0, 0]],
    ),
    ("softmax with some -inf", "exp(-inf) = 0", ops.softmax, [[-inf, 0.0, 0.0]], [0, 0.5, 0.5], [FINITE]),
    (
        "softmax at +-1000",
        "shift invariance: the same as at 0 and -2000",
        ops.softmax,
        [[1000.0, -1000.0]],
        [1, 0],
        [[0, 0]],
    ),
    (
        "log_softmax at +-1000",
        "shift invariance",
        ops.log_softmax,
        [[1000.0, -1000.0]],
        [0, -2000],
        [[-1, 1]],
    ),
    (
        "logsumexp of -inf only",
        "log of an empty sum is -inf; scipy.special.logsumexp",
        ops.logsumexp,
        [[-inf, -inf]],
        -inf,
        [[0, 0]],
    ),
    ("logsumexp of nothing", "log 0", ops.logsumexp, [np.zeros(0)], -inf, [np.zeros(0)]),
    ("logsumexp at 1000", "1000 + log 2", ops.logsumexp, [[1000.0, 1000.0]], 1000 + np.log(2), [[0.5, 0.5]]),
    (
        "softmax of an empty row",
        "nothing in, nothing out; PyTorch",
        ops.softmax,
        [np.zeros((2, 0))],
        np.zeros((2, 0)),
        [np.zeros((2, 0))],
    ),
    ("sum of nothing", "the empty sum", ops.sum, [np.zeros((0, 3))], 0, [np.zeros((0, 3))]),
    ("prod of nothing", "the empty product", ops.prod, [np.zeros(0)], 1, [np.zeros(0)]),
    ("mean of nothing", "0 / 0; NumPy: nan", ops.mean, [np.zeros(0)], nan, [np.zeros(0)]),
    # saturation: with all logits multiplied by a hundred, training must go on
    (
        "sigmoid at +-1000",
        "limits 1 and 0, slope 0",
        ops.sigmoid,
        [[1000.0, -1000.0, 0.0]],
        [1, 0, 0.5],
        [[0, 0, 0.25]],
    ),
    ("tanh at +-1000", "limits, slope 0", ops.tanh, [[1000.0, -1000.0]], [1, -1], [[0, 0]]),
    ("softplus at +-1000", "limits x and 0", ops.softplus, [[1000.0, -1000.0]], [1000, 0], [[1, 0]]),
    ("oneplus at +-1000", "1 + softplus", ops.oneplus, [[1000.0, -1000.0]], [1001, 1], [[1, 0]]),
    (
        "logaddexp far apart and tied",
        "the larger one takes all; a tie shares",
        ops.logaddexp,
        [[1000.0, -1000.0, 0.0, -inf], [-1000.0, 1000.0, 0.0, 0.0]],
        [1000, 1000, np.log(2), 0],
        [[1, 0, 0.5, 0], [0, 1, 0.5, 1]],
    ),
    ("softplus at +-inf", "limits inf and 0, slopes 1 and 0", ops.softplus, [[inf, -inf]], [inf, 0], [[1, 0]]),
    ("oneplus at +-inf", "1 + softplus", ops.oneplus, [[inf, -inf]], [inf, 1], [[1, 0]]),
    (
        "softplus far below 0",
        "the slope sigmoid(-20) = 2.0611536e-9, which 1 - exp(-y) would round away",
        lambda x: ops.softplus(x) * 1e9,
        [[-20.0]],
        [2.0611536],
        [[2.0611536]],
    ),
    (
        "logaddexp at infinities",
        "the infinite one takes all; of two -inf as logsumexp",
        ops.logaddexp,
        [[inf, 0.0, -inf, -inf], [0.0, inf, -inf, 0.0]],
        [inf, inf, -inf, 0],
        [[1, 0, 0, 0], [0, 1, 0, 1]],
    ),
    ("gelu at +-1000", "limits x and 0", ops.gelu, [[1000.0, -1000.0]], [1000, 0], [[1, 0]]),
    ("elu at +-1000", "limits x and -1", ops.elu, [[1000.0, -1000.0]], [1000, -1], [[1, 0]]),
    ("expm1 at -1000", "limit -1, slope 0", ops.expm1, [[-1000.0]], [-1], [[0]]),
    ("exp at 1000", "IEEE 754: overflow to inf", ops.exp, [[1000.0]], [inf], [FINITE]),
    (
        "binary cross-entropy at +-1000, right",
        "-log sigmoid(1000) = 0",
        lambda x: ops.binary_cross_entropy_with_logits(x, np.array([1.0, 0.0]), reduction="none"),
        [[1000.0, -1000.0]],
        [0, 0],
        [[0, 0]],
    ),
    (
        "binary cross-entropy at +-1000, wrong",
        "-log sigmoid(-1000) = 1000",
        lambda x: ops.binary_cross_entropy_with_logits(x, np.array([0.0, 1.0]), reduction="none"),
        [[1000.0, -1000.0]],
        [1000, 1000],
        [[1, -1]],
    ),
    (
        "cross-entropy at +-1000, right",
        "-log softmax = 0",
        lambda x: ops.cross_entropy(x, np.array([0])),
        [[[1000.0, -1000.0]]],
        0,
        [[[0, 0]]],
    ),
    (
        "cross-entropy at +-1000, wrong",
        "the difference of the logits",
        lambda x: ops.cross_entropy(x, np.array([1])),
        [[[1000.0, -1000.0]]],
        2000,
        [[[1, -1]]],
    ),
    (
        "cross-entropy with a class ruled out",
        "log softmax of the others",
        lambda x: ops.cross_entropy(x, np.array([1])),
        [[[-inf, 0.0, 0.0]]],
        np.log(2),
        [[[0, -0.5, 0.5]]],
    ),
    # addressing
    (
        "cosine of a zero row",
        "0 by the epsilon inside the norm, never 0/0",
        cosine_similarity,
        [[[[1.0, 0.0]]], [[[0.0, 0.0], [2.0, 0.0]]]],
        [[[0, 1]]],
        [FINITE, FINITE],
    ),
    (
        "cosine of a zero key",
        "as above",
        cosine_similarity,
        [[[[0.0, 0.0]]], [[[1.0, 0.0]]]],
        [[[0]]],
        [FINITE, FINITE],
    ),
    (
        "content weights of an empty memory",
        "all rows alike: uniform",
        lambda key, memory: content_weights(key, Tensor(np.full((1, 1, 1), 1000.0)), memory),
        [[[[0.0, 0.0]]], [[[0.0, 0.0], [0.0, 0.0]]]],
        [[[0.5, 0.5]]],
        [FINITE, FINITE],
    ),
    (
        "sharpen a one-hot weighting",
        "w^gamma / sum = w",
        lambda w: sharpen(w, Tensor(np.full((1, 1, 1), 100.0))),
        [[[[1.0, 0.0, 0.0]]]],
        [[[1, 0, 0]]],
        [FINITE],
    ),
]


@pytest.mark.parametrize(
    "source, function, inputs, value, expected", [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_edge(source, function, inputs, value, expected, dtype):
    assert source
    with using_dtype(dtype):
        leaves = [Tensor(np.array(x, dtype), requires_grad=True) for x in inputs]
        y = function(*leaves)
    close = {"rtol": 1e-5, "atol": 1e-6} if dtype == "float32" else {"rtol": 1e-7, "atol": 1e-7}
    assert y.dtype == dtype and y.shape == np.shape(value)
    np.testing.assert_allclose(y.numpy(), value, **close)
    for gradient, e in zip(gradients(y, leaves, np.ones(y.shape)), expected, strict=True):
        found = gradient.numpy()
        if isinstance(e, str):
            assert np.isfinite(found).all(), found
        else:
            np.testing.assert_allclose(found, e, **close)


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_branch_not_taken_stays_out_of_higher_derivatives(order):
    def f(x):
        return ops.sum(ops.where(x > 0, ops.log(x), 0.0))

    for _ in range(order):
        f = (lambda inner: lambda x: ops.sum(grad(inner)(x)))(f)
    x = Tensor(np.array([0.0, 2.0]), requires_grad=True, dtype="float64")
    assert f(x).item() == pytest.approx({2: -1 / 4, 3: 2 / 8}[order])


def test_ties_keep_their_order_in_long_rows():
    """NumPy's default kind sorts short rows stably and long ones, on many machines, not."""
    x = np.arange(1000) % 3 * 1.0
    expected = np.argsort(x, kind="stable")
    assert np.array_equal(ops.argsort(Tensor(x)).numpy(), expected)
    leaf = Tensor(x, requires_grad=True)
    g = np.arange(1000.0)
    ops.sort(leaf).backward(g)
    assert np.array_equal(leaf.grad.numpy()[expected], g)
