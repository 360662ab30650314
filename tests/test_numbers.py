"""Plain numbers at the border: what may become a Tensor, what meets one, and NumPy's integers wherever an int goes."""

import numpy as np
import pytest

from tinyaug import OPS, Tensor, grad, jacobian, ops, using_dtype, value_and_grad


@pytest.mark.parametrize("data", [None, "a", 1 + 2j, [None], ["a", "b"], [1 + 2j], np.datetime64("2014-10-20"), object()])
def test_only_real_numbers_become_a_tensor(data):
    with pytest.raises(TypeError, match="Tensor: got .* expected real numbers") as caught:
        Tensor(data)
    assert "\n" not in str(caught.value)


def test_an_integer_has_no_gradient_and_the_error_says_what_to_write():
    for attempt in (lambda: Tensor(3, requires_grad=True), lambda: grad(lambda x: x * x)(3)):
        with pytest.raises(TypeError, match="got int64; write 3.0 for 3, or give a dtype"):
            attempt()
    assert grad(lambda x: x * x)(3.0).item() == 6
    assert Tensor(3, requires_grad=True, dtype="float32").dtype == "float32"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("function, value", [
    (lambda x: x * 0.5, [0.5, 1]), (lambda x: 0.5 * x, [0.5, 1]), (lambda x: x / 2, [0.5, 1]), (lambda x: 2 / x, [2, 1]),
    (lambda x: x + 0.5, [1.5, 2.5]), (lambda x: x ** -1.0, [1, 0.5]), (lambda x: ops.maximum(x, 1.5), [1.5, 2]),
])
def test_integers_that_meet_a_fraction_take_the_default_dtype(function, value, dtype):
    with using_dtype(dtype):
        y = function(Tensor([1, 2]))
    assert y.dtype == dtype
    np.testing.assert_array_equal(y.numpy(), value)
    assert (Tensor([1, 2]) * 2).dtype == "int64"


@pytest.mark.parametrize("function", [lambda x: 3.0, lambda x: 3, lambda x: Tensor(3.0), lambda x: x.detach().sum()],
                         ids=["float", "int", "Tensor", "detached"])
def test_the_gradient_of_what_does_not_depend_on_its_input_is_zero(function):
    x = Tensor([1.0, 2.0])
    value, found = value_and_grad(function)(x)
    assert isinstance(value, Tensor) and value.item() == 3
    for zero in (found, grad(function)(x), grad(lambda x: ops.sum(grad(function)(x)))(x), jacobian(function)(x)):
        assert zero.dtype == "float32"
        np.testing.assert_array_equal(zero.numpy(), [0, 0])


def test_a_jacobian_has_the_shapes_of_output_and_input_whatever_they_are():
    x = Tensor(np.ones((2, 3)))
    assert jacobian(lambda x: x[:0])(x).shape == (0, 3, 2, 3)
    assert jacobian(lambda x: np.ones(4))(x).shape == (4, 2, 3)


def test_a_function_without_a_value_is_refused():
    with pytest.raises(TypeError, match="got NoneType .* expected real numbers"):
        grad(lambda x: None)(1.0)


I = np.int64  # noqa: E741


@pytest.mark.parametrize("name, plain, numpy", [
    ("split", {"indices_or_sections": 2}, {"indices_or_sections": I(2)}),
    ("split", {"indices_or_sections": [1, 3], "axis": 1}, {"indices_or_sections": np.array([1, 3]), "axis": I(1)}),
    ("expand_dims", {"axis": 1}, {"axis": I(1)}), ("expand_dims", {"axis": (0, 2)}, {"axis": [I(0), 2]}),
    ("tile", {"reps": 2}, {"reps": I(2)}), ("tile", {"reps": (2, 1)}, {"reps": np.array([2, 1])}),
    ("repeat", {"repeats": 2}, {"repeats": I(2)}), ("repeat", {"repeats": 2, "axis": 1}, {"repeats": I(2), "axis": I(1)}),
    ("pad", {"pad_width": 1}, {"pad_width": I(1)}), ("reshape", {"shape": 16}, {"shape": I(16)}),
    ("roll", {"shift": (1, 2), "axis": (0, 1)}, {"shift": [1, 2], "axis": [0, 1]}),
    ("roll", {"shift": 1, "axis": 0}, {"shift": I(1), "axis": I(0)}),
])
def test_integers_of_numpy_and_lists(name, plain, numpy):
    same(name, (np.arange(16.0).reshape(4, 4),), plain, numpy)


def same(name, arrays, plain, numpy):
    """Output and gradients of an op do not depend on how its integers are written."""
    found = []
    for keywords in (plain, numpy):
        leaves = [Tensor(x, requires_grad=x.dtype.kind == "f") for x in arrays]
        outputs = OPS[name](*leaves, **keywords)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        if outputs[0].requires_grad:
            ops.sum(ops.square(outputs[-1])).backward()
        found.append([y.numpy() for y in outputs] + [x.grad.numpy() for x in leaves if x.grad is not None])
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def with_an_axis():
    """One example of every op that takes an axis as one integer."""
    for name, op in OPS.items():
        if op.__module__.startswith("tinyaug.") and name not in ("concatenate", "stack"):
            for example in op.examples(np.random.default_rng(0)):
                if isinstance(example[-1], dict) and type(example[-1].get("axis")) is int:
                    yield pytest.param(name, example[:-1], example[-1], id=name)
                    break


@pytest.mark.parametrize("name, arrays, keywords", list(with_an_axis()))
def test_an_axis_may_be_an_integer_of_numpy(name, arrays, keywords):
    same(name, [np.asarray(x) for x in arrays], keywords, keywords | {"axis": I(keywords["axis"])})


def test_the_axis_of_a_join_may_be_an_integer_of_numpy():
    x = Tensor(np.ones((2, 3)))
    for join in (ops.concatenate, ops.stack):
        np.testing.assert_array_equal(join([x, x], axis=I(-1)).numpy(), join([x, x], axis=-1).numpy())


@pytest.mark.parametrize("pair", [2, I(2), (2, 2), [2, 2]], ids=repr)
def test_the_stride_of_a_convolution_may_be_any_integer_or_pair(pair):
    x, weight = Tensor(np.ones((1, 2, 5, 5))), Tensor(np.ones((3, 2, 2, 2)))
    assert ops.conv2d(x, weight, stride=pair).shape == (1, 3, 2, 2)


@pytest.mark.parametrize("axes", [1, I(1), (1, 0), ([I(1)], [I(0)])], ids=repr)
def test_the_axes_of_tensordot(axes):
    assert ops.tensordot(Tensor(np.ones((2, 3))), Tensor(np.ones((3, 4))), axes=axes).shape == (2, 4)
