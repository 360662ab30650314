"""Shapes and layouts that nobody thinks of, drawn by Hypothesis: outputs equal NumPy's, gradients formulas.

The examples of an op name its usual shapes. Here sizes of 0 and 1, 0-d arrays, broadcasting both ways, negative
and several axes, and arrays that are transposed, strided, reversed, read-only or broadcast are mixed at random.
"""

from math import prod

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from tinyaug import Tensor, ops
from tinyaug.derivatives import gradients

fixed = settings(
    derandomize=True,
    deadline=None,
    max_examples=60,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def numbers(seed, shape):
    """Distinct numbers in 0.5 .. 2, so that every function is defined and nothing ties."""
    size = prod(shape)
    return (0.5 + 1.5 * (np.random.default_rng(seed).permutation(size) + 1) / (size + 1)).reshape(shape)


def laid_out(x, layout):
    """The same values in another place in memory."""
    if layout == "Fortran":
        return np.array(x, order="F")
    if layout == "transposed":
        return x.T.copy().T
    if layout == "strided" and x.ndim:
        return np.repeat(x, 2, axis=-1)[..., ::2]
    if layout == "reversed" and x.ndim:
        return x[::-1].copy()[::-1]
    if layout == "read-only":
        x = x.copy()
        x.flags.writeable = False
    return x


layouts = st.sampled_from(["plain", "Fortran", "transposed", "strided", "reversed", "read-only"])
shapes = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)


def summed_to(g, shape):
    """The gradient of broadcasting, element by element: what every copy got, added where it came from."""
    positions = np.broadcast_to(np.arange(prod(shape)).reshape(shape), g.shape)
    return np.bincount(positions.reshape(-1), g.reshape(-1), minlength=prod(shape)).reshape(shape)


def same(found, expected):
    found = found.numpy()
    assert found.shape == np.shape(expected)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def leaf(x):
    return Tensor(x, requires_grad=True, dtype="float64")


def cotangent_for(y):
    return np.cos(np.arange(y.size, dtype=float)).reshape(y.shape)


# op, NumPy's, the derivatives by hand
BINARY = [
    (ops.add, np.add, lambda x, y: 1 + 0 * x, lambda x, y: 1 + 0 * y),
    (ops.subtract, np.subtract, lambda x, y: 1 + 0 * x, lambda x, y: -1 + 0 * y),
    (ops.multiply, np.multiply, lambda x, y: y, lambda x, y: x),
    (ops.divide, np.divide, lambda x, y: 1 / y, lambda x, y: -x / y**2),
    (ops.power, np.power, lambda x, y: y * x ** (y - 1), lambda x, y: x**y * np.log(x)),
    (ops.maximum, np.maximum, lambda x, y: (x > y) + 0.5 * (x == y), lambda x, y: (y > x) + 0.5 * (x == y)),
    (ops.minimum, np.minimum, lambda x, y: (x < y) + 0.5 * (x == y), lambda x, y: (y < x) + 0.5 * (x == y)),
]


@pytest.mark.parametrize("op, numpys, by_x, by_y", BINARY, ids=[row[0].__name__ for row in BINARY])
@fixed
@given(hnp.mutually_broadcastable_shapes(num_shapes=2, min_side=0, max_side=3, max_dims=3), layouts, layouts)
def test_broadcasting(op, numpys, by_x, by_y, drawn, first, second):
    x, y = (
        laid_out(numbers(i, shape), layout)
        for i, (shape, layout) in enumerate(zip(drawn.input_shapes, (first, second)))
    )
    a, b = leaf(x), leaf(y)
    z = op(a, b)
    same(z, numpys(x, y))
    assert z.shape == drawn.result_shape
    g = cotangent_for(z)
    da, db = gradients(z, [a, b], g)
    same(da, summed_to(g * by_x(x, y), x.shape))
    same(db, summed_to(g * by_y(x, y), y.shape))


@fixed
@given(hnp.mutually_broadcastable_shapes(num_shapes=3, min_side=0, max_side=3, max_dims=3))
def test_where_broadcasts_three_ways(put, drawn):
    condition, x, y = (numbers(i, shape) for i, shape in enumerate(drawn.input_shapes))
    condition = condition > 1.2
    a, b = leaf(x), leaf(y)
    z = ops.where(put(condition), a, b)
    same(z, np.where(condition, x, y))
    g = cotangent_for(z)
    da, db = gradients(z, [a, b], g)
    same(da, summed_to(np.where(condition, g, 0), x.shape))
    same(db, summed_to(np.where(condition, 0, g), y.shape))


@fixed
@given(shapes, layouts)
def test_a_broadcast_input_is_read_and_never_written(shape, layout):
    x = np.broadcast_to(laid_out(numbers(0, shape), layout), (3, *shape))  # read-only, stride 0
    a = leaf(x)
    z = ops.multiply(a, a)
    same(z, x * x)
    same(gradients(z, [a], np.ones(z.shape))[0], 2 * x)


REDUCTIONS = {
    "sum": (ops.sum, np.sum),
    "mean": (ops.mean, np.mean),
    "max": (ops.max, np.max),
    "min": (ops.min, np.min),
    "prod": (ops.prod, np.prod),
    "var": (ops.var, np.var),
    "std": (ops.std, np.std),
    "norm": (ops.norm, lambda x, **k: np.sqrt(np.sum(x * x, **k))),
    "logsumexp": (ops.logsumexp, lambda x, **k: np.log(np.sum(np.exp(x), **k))),
}


def slopes(name, x, value, axis):
    """d value / d x for each element, from the textbook; `value` is kept at its axes."""
    n = x.size / max(value.size, 1)
    return {
        "sum": lambda: np.ones_like(x),
        "mean": lambda: np.ones_like(x) / n,
        "max": lambda: 1.0 * (x == value),
        "min": lambda: 1.0 * (x == value),
        "prod": lambda: value / x,
        "var": lambda: 2 * (x - np.mean(x, axis=axis, keepdims=True)) / n,
        "std": lambda: np.where(
            value > 1e-12, (x - np.mean(x, axis=axis, keepdims=True)) / n / np.maximum(value, 1e-12), 0
        ),
        "norm": lambda: x / value,
        "logsumexp": lambda: np.exp(x - value),
    }[name]()


@pytest.mark.parametrize("name", REDUCTIONS)
@fixed
@given(st.data())
def test_reductions(name, data):
    shape = data.draw(shapes)
    x = laid_out(numbers(0, shape), data.draw(layouts))
    several = hnp.valid_tuple_axes(len(shape), min_size=0, max_size=len(shape))
    one = st.integers(-len(shape), len(shape) - 1) if shape else st.none()
    axis = data.draw(st.one_of(st.none(), one, several))
    keepdims = data.draw(st.booleans())
    op, numpys = REDUCTIONS[name]
    a = leaf(x)
    try:
        expected = numpys(x, axis=axis, keepdims=keepdims)
    except ValueError:  # the largest of nothing
        with pytest.raises(ValueError, match=name):
            op(a, axis=axis, keepdims=keepdims)
        return
    y = op(a, axis=axis, keepdims=keepdims)
    same(y, expected)
    g = cotangent_for(y)
    kept = numpys(x, axis=axis, keepdims=True)
    same(gradients(y, [a], g)[0], g.reshape(kept.shape) * slopes(name, x, kept, axis))


@fixed
@given(st.data())
def test_softmax_along_any_axis(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3))
    axis = data.draw(st.integers(-len(shape), len(shape) - 1))
    x = laid_out(numbers(0, shape), data.draw(layouts))
    a = leaf(x)
    y = ops.softmax(a, axis)
    e = np.exp(x) / np.sum(np.exp(x), axis=axis, keepdims=True)
    same(y, e)
    g = cotangent_for(y)
    same(gradients(y, [a], g)[0], e * (g - np.sum(e * g, axis=axis, keepdims=True)))
    same(ops.log_softmax(leaf(x), axis), np.log(e))


def read(shape, index):
    """The reference for the gradient of x[index]: each position read adds its cotangent, by flat position."""
    flat = np.arange(prod(shape)).reshape(shape)[index]
    g = np.cos(np.arange(flat.size, dtype=float)).reshape(flat.shape)
    return g, np.bincount(flat.reshape(-1), g.reshape(-1), minlength=prod(shape)).reshape(shape)


def check_index(x, index, put):
    expected = x[index]

    def moved(part):
        return put(part) if isinstance(part, np.ndarray) else part

    a = leaf(x)
    y = a[tuple(moved(part) for part in index) if isinstance(index, tuple) else moved(index)]
    same(y, expected)
    g, e = read(x.shape, index)
    same(gradients(y, [a], g)[0], e)


@fixed
@given(st.data())
def test_basic_indexing(put, data):
    shape = data.draw(shapes)
    x = laid_out(numbers(0, shape), data.draw(layouts))
    check_index(x, data.draw(hnp.basic_indices(shape, allow_newaxis=True)), put)


@fixed
@given(st.data())
def test_integer_array_indexing(put, data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=4))
    index = data.draw(
        hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(min_dims=0, max_dims=2, min_side=0))
    )
    check_index(laid_out(numbers(0, shape), data.draw(layouts)), tuple(map(np.asarray, index)), put)


@fixed
@given(st.data())
def test_boolean_indexing(put, data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
    mask = data.draw(hnp.arrays(bool, shape[: data.draw(st.integers(1, len(shape)))]))
    check_index(numbers(0, shape), mask, put)


@fixed
@given(st.data())
def test_matmul_of_any_ranks(data):
    gufunc = hnp.mutually_broadcastable_shapes(
        signature="(n?,k),(k,m?)->(n?,m?)", min_side=0, max_side=3, max_dims=2
    )
    drawn = data.draw(gufunc)
    x, y = (laid_out(numbers(i, s) - 1, data.draw(layouts)) for i, s in enumerate(drawn.input_shapes))
    a, b = leaf(x), leaf(y)
    z = ops.matmul(a, b)
    same(z, x @ y)
    g = cotangent_for(z)
    rows, columns = x if x.ndim > 1 else x[None, :], y if y.ndim > 1 else y[:, None]
    full = g.reshape(
        np.broadcast_shapes(rows.shape[:-2], columns.shape[:-2]) + (rows.shape[-2], columns.shape[-1])
    )
    da, db = gradients(z, [a, b], g)
    by_x = full @ np.swapaxes(columns, -1, -2)
    by_y = np.swapaxes(rows, -1, -2) @ full
    same(da, summed_to(by_x, rows.shape).reshape(x.shape))
    same(db, summed_to(by_y, columns.shape).reshape(y.shape))


def moves(data, shape):
    """{name: (ours, NumPy's)} of what only moves numbers: a gradient goes back to where its number was."""
    axes = range(len(shape))
    order = data.draw(st.permutations(axes))
    axis = data.draw(st.sampled_from(axes))
    other = data.draw(st.sampled_from(axes))
    times = data.draw(st.integers(0, 3))
    widths = tuple(data.draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) for _ in shape)
    return {
        "transpose": (lambda x: ops.transpose(x, tuple(order)), lambda x: np.transpose(x, order)),
        "swapaxes": (
            lambda x: ops.swapaxes(x, axis, other - len(shape)),
            lambda x: np.swapaxes(x, axis, other),
        ),
        "moveaxis": (lambda x: ops.moveaxis(x, axis, other), lambda x: np.moveaxis(x, axis, other)),
        "reshape": (lambda x: ops.reshape(x, (prod(shape),)), lambda x: x.reshape(-1)),
        "expand_dims": (lambda x: ops.expand_dims(x, axis), lambda x: np.expand_dims(x, axis)),
        "squeeze": (lambda x: ops.squeeze(x), np.squeeze),
        "flip": (lambda x: ops.flip(x, axis), lambda x: np.flip(x, axis)),
        "flip all": (lambda x: ops.flip(x), np.flip),
        "roll": (lambda x: ops.roll(x, times, axis), lambda x: np.roll(x, times, axis)),
        "roll flat": (lambda x: ops.roll(x, -times), lambda x: np.roll(x, -times)),
        "tile": (lambda x: ops.tile(x, (times, 2)), lambda x: np.tile(x, (times, 2))),
        "repeat": (lambda x: ops.repeat(x, times, axis), lambda x: np.repeat(x, times, axis)),
        "repeat flat": (lambda x: ops.repeat(x, times), lambda x: np.repeat(x, times)),
        "broadcast_to": (
            lambda x: ops.broadcast_to(x, (2, *shape)),
            lambda x: np.broadcast_to(x, (2, *shape)),
        ),
        "pad": (lambda x: ops.pad(x, widths, constant_values=-1), lambda x: np.pad(x, widths, constant_values=-1)),
        "sort": (lambda x: ops.sort(x, axis), lambda x: np.sort(x, axis)),
        "concatenate": (lambda x: ops.concatenate([x, x], axis), lambda x: np.concatenate([x, x], axis)),
        "stack": (lambda x: ops.stack([x, x], axis), lambda x: np.stack([x, x], axis)),
        "split": (lambda x: ops.split(x, [1], axis)[0], lambda x: np.split(x, [1], axis)[0]),
        "tril": (lambda x: ops.tril(ops.expand_dims(x, 0), times), lambda x: np.tril(x[None], times)),
        "triu": (lambda x: ops.triu(ops.expand_dims(x, 0), -times), lambda x: np.triu(x[None], -times)),
    }


@fixed
@given(st.data())
def test_moving_numbers_about(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=3))
    x = laid_out(1.0 + np.random.default_rng(0).permutation(prod(shape)).reshape(shape), data.draw(layouts))
    for name, (op, numpys) in moves(data, shape).items():
        a = leaf(x)
        y = op(a)
        expected = numpys(x)
        same(y, expected)
        g = cotangent_for(y)
        back = np.zeros(prod(shape) + 1)
        where = (
            np.maximum(expected, 0).astype(int).reshape(-1)
        )  # the numbers are 1, 2, ...; 0 is no number of x
        np.add.at(back, where, g.reshape(-1))
        found = gradients(y, [a], g)[0].numpy()
        np.testing.assert_allclose(found, back[x.astype(int)].reshape(shape), atol=1e-12, err_msg=name)
