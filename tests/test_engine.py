"""The tape itself: depth, sharing, memory, what is refused, and derivatives of derivatives."""

import gc
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from tinyaug import OPS, Tensor, no_grad, observe, op, ops, stop_gradient, using_dtype
from tinyaug.autograd import Node
from tinyaug.backward import backpropagate
from tinyaug.derivatives import grad, gradients, hvp, jacobian, value_and_grad

ROOT = Path(__file__).resolve().parents[1]


def leaf(x, dtype="float64"):
    return Tensor(np.asarray(x, dtype), requires_grad=True, dtype=dtype)


def live_nodes():
    return sum(type(x) is Node for x in gc.get_objects())


# depth and sharing


def test_100000_chained_ops_forward_and_backward():
    x = leaf(1.0)
    y, step = x, leaf(1e-6)
    for _ in range(100_000):
        y = y + step
    y.backward()
    assert y.item() == pytest.approx(1.1)
    assert x.grad.item() == 1.0 and step.grad.item() == 100_000


def test_100000_chained_ops_are_dropped_without_recursion():
    code = """
import sys
from tinyaug import Tensor, ops
sys.setrecursionlimit(200)
y = Tensor(1.0, requires_grad=True)
for _ in range(100_000):
    y = ops.positive(y)
del y
print("dropped")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "dropped\n"), done.stderr[-500:]


def test_a_diamond_on_a_diamond_counts_every_path_once():
    a = leaf(3.0)
    b = a + a
    c = b + b
    d = c * c
    d.backward()
    assert a.grad.item() == 2 * (4 * 3.0) * 4
    assert b.grad is None and c.grad is None


def test_sixty_doublings_take_no_longer_than_sixty_ops():
    a = leaf(1.0)
    y = a
    for _ in range(60):  # 2 ** 60 paths
        y = y + y
    y.backward()
    assert a.grad.item() == 2.0**60


def test_old_and_new_uses_of_a_leaf_add_up():
    a = leaf([1.0, 2.0])
    late = ops.exp(a)
    for _ in range(3):
        late = late * 1.0
    (late + a + a[0]).sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), np.exp([1.0, 2.0]) + 1 + [2.0, 0.0])


@pytest.mark.parametrize("times", [1, 2, 7])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (1, 3), (2, 0, 3), (2, 3), (3, 2, 3), (20, 60), (1500,)], ids=str)
def test_a_leaf_that_is_used_many_times_gets_the_sum(shape, times):
    """Small or large, as it is, as the bias of rows, and broadcast: all that it was used for counts once."""
    rng = np.random.default_rng(0)
    a, expected = leaf(rng.normal(size=shape)), np.zeros(shape)
    total = ops.sum(a) if a.size else 0.0
    expected += 1 if a.size else 0
    for _ in range(times):
        for given in (shape, (4, *shape)):
            weights = rng.normal(size=given)
            total = total + ops.sum(a * weights)
            expected += weights.sum(axis=0) if given != shape else weights
    total.backward()
    np.testing.assert_allclose(a.grad.numpy(), expected, rtol=1e-12, atol=1e-12)
    assert a.grad.shape == shape


@pytest.mark.host
def test_a_leaf_that_is_the_output_as_well_gets_both():
    a = leaf([1.0, 2.0])
    outputs, cotangents = [a, ops.sum(a * np.ones((3, 2)))], [np.array([10.0, 20.0]), None]
    (found,) = backpropagate(outputs, cotangents, wanted=[a], retain=False, create=False)
    np.testing.assert_allclose(found, [13, 23])


def test_grad_adds_up_over_backward_calls():
    a = leaf([1.0, 2.0])
    (a * 2).sum().backward()
    (a * 3).sum().backward()
    np.testing.assert_allclose(a.grad.numpy(), [5, 5])


@pytest.mark.parametrize("used", [(0,), (1,), (2,), (0, 2), ()])
@pytest.mark.parametrize("name", ["split", "unstack"])
def test_outputs_that_nobody_used_count_as_zero(name, used):
    a = leaf(np.arange(6.0).reshape(3, 2))
    parts = ops.split(a, 3) if name == "split" else ops.unstack(a)
    if not used:
        (a * 2).sum().backward()
        expected = np.full((3, 2), 2.0)
    else:
        sum(((parts[i] * (i + 1)).sum() for i in used[1:]), (parts[used[0]] * (used[0] + 1)).sum()).backward()
        expected = np.array([[i + 1.0] * 2 if i in used else [0.0] * 2 for i in range(3)])
    np.testing.assert_array_equal(a.grad.numpy(), expected)


def test_an_input_that_does_not_matter_gets_zeros():
    a, b = leaf([1.0, 2.0]), leaf(np.ones((2, 3)))
    first, second = gradients((a * 2).sum(), [a, b])
    np.testing.assert_array_equal(first.numpy(), [2, 2])
    np.testing.assert_array_equal(second.numpy(), np.zeros((2, 3)))


def test_gradients_of_something_in_the_middle():
    a = leaf([1.0, 2.0])
    b = a * 3
    c = (b * b).sum()
    np.testing.assert_allclose(gradients(c, [b])[0].numpy(), [6, 12])


def test_a_backward_pass_that_broke_leaves_nothing_for_the_next():
    def interrupt(phase, name, *_):
        if (phase, name) == ("backward", "exp"):
            raise KeyboardInterrupt

    a = leaf([1.0, 2.0])
    y = (ops.exp(a) * ops.tanh(a) + a * 3).sum()
    with pytest.raises(KeyboardInterrupt), observe(interrupt):
        y.backward(retain_graph=True)
    assert a.grad is None
    y.backward()
    x = a.numpy()
    np.testing.assert_allclose(a.grad.numpy(), np.exp(x) * (np.tanh(x) + 1 - np.tanh(x) ** 2) + 3)


# what is refused


def test_a_second_backward_says_what_happened():
    a = leaf(2.0)
    y = a * a
    y.backward()
    with pytest.raises(RuntimeError, match=r"multiply was released by an earlier backward.*retain_graph=True"):
        y.backward()
    y = a * a
    y.backward(retain_graph=True)
    y.backward()
    assert a.grad.item() == 3 * 4.0


def test_backward_wants_one_number_or_a_cotangent():
    a = leaf([1.0, 2.0])
    with pytest.raises(ValueError, match=r"shape \(2,\) is not one number"):
        (a * 2).backward()
    with pytest.raises(ValueError, match=r"cotangent of shape \(3,\), expected \(2,\)"):
        (a * 2).backward(np.ones(3))
    with pytest.raises(RuntimeError, match="requires a gradient"):
        Tensor([1.0]).backward()


def test_assignment_in_place_is_refused_with_the_way_out():
    a = leaf([1.0, 2.0])
    with pytest.raises(TypeError, match="where, stack or concatenate"):
        a[0] = 1.0
    before = a
    a += 1.0  # makes a new Tensor, as for numbers
    assert a is not before and before.numpy()[0] == 1.0


def test_what_had_arrived_before_an_error_does_not_meet_the_next_pass():
    """Of a product the first factor's gradient is there when that of the second goes wrong."""
    x = Tensor([1.0, 2.0], requires_grad=True)
    a, b = x * 3.0, x * 5.0
    y = a * b
    node = y.source
    vjp, node.vjp = node.vjp, lambda g: (g * b.data, g[:1])
    with pytest.raises(ValueError, match="multiply: its vjp gives shape"):
        y.backward(np.ones(2, np.float32), retain_graph=True)
    node.vjp = vjp
    y.backward(np.ones(2, np.float32))
    np.testing.assert_array_equal(x.grad.numpy(), [30.0, 60.0])


def test_mixed_dtypes_are_an_error_that_names_the_op():
    a, b = leaf([1.0], "float32"), leaf([1.0], "float64")
    with pytest.raises(TypeError, match="multiply: Tensors of dtypes float32 and float64"):
        a * b
    with pytest.raises(TypeError, match="concatenate"):
        ops.concatenate([a, b])
    assert (a.astype("float64") * b).dtype == "float64"


def test_integers_cannot_require_a_gradient():
    with pytest.raises(TypeError, match="floating dtype"):
        Tensor(np.array([1, 2]), requires_grad=True)


@pytest.mark.host
def test_what_is_no_tensor_takes_the_tensors_dtype():
    a = leaf([1.0, 2.0], "float32")
    for other in (2, 2.0, np.float64(2), np.array([2.0, 2.0]), [2.0, 2.0], np.array([2, 2])):
        for y in (a * other, other * a if not isinstance(other, list) else a * other):
            assert isinstance(y, Tensor) and y.dtype == "float32"
            np.testing.assert_array_equal(y.numpy(), [2, 4])


@pytest.mark.host
def test_an_array_on_the_left_gives_way_to_the_tensor():
    a = leaf([1.0, 2.0])
    x = np.array([3.0, 4.0])
    for y, expected in ((x * a, [3, 8]), (x + a, [4, 6]), (x - a, [2, 2]), (x / a, [3, 2]), (x**a, [3, 16]), (x @ a, 11)):
        assert isinstance(y, Tensor) and y.requires_grad
        np.testing.assert_array_equal(y.numpy(), expected)
    assert isinstance(x > a, Tensor)
    with pytest.raises(TypeError, match=r"tensor.numpy\(\)"):
        np.asarray(a)


def test_a_vjp_of_a_wrong_shape_or_dtype_is_named():
    try:

        @op(examples=lambda rng: [])
        def askew(xp, x):
            """Its gradient has a wrong shape."""
            return x * 1, lambda g: (xp.concatenate([g, g]),)

        @op(examples=lambda rng: [])
        def narrowed(xp, x):
            """Its gradient has a wrong dtype."""
            return x * 1, lambda g: (g.astype("float32"),)

        with pytest.raises(ValueError, match=r"askew: its vjp gives shape \(4,\) for an input of shape \(2,\)"):
            askew(leaf([1.0, 2.0])).backward(np.ones(2))
        with pytest.raises(TypeError, match="narrowed: its vjp gives float32 for an input of float64"):
            narrowed(leaf([1.0, 2.0])).backward(np.ones(2))
    finally:
        OPS.pop("askew"), OPS.pop("narrowed")


# tracking


def test_an_exception_inside_no_grad_restores_tracking():
    a = leaf(1.0)
    with pytest.raises(KeyError), no_grad():
        assert not (a * 2).requires_grad
        raise KeyError
    assert (a * 2).requires_grad
    with pytest.raises(ZeroDivisionError):
        grad(lambda x: x * (1 / 0))(a)
    assert (a * 2).requires_grad


def test_no_grad_nests():
    a = leaf(1.0)
    with no_grad():
        with no_grad():
            pass
        assert not (a * 2).requires_grad
        assert grad(lambda x: x * x)(3.0).item() == 6.0  # a gradient asked for is a gradient
        assert not (a * 2).requires_grad


def test_detach_and_stop_gradient_pass_the_value_and_no_gradient():
    a = leaf(3.0)
    (a * a.detach() + stop_gradient(a) * 5).backward()
    assert a.grad.item() == 3.0
    assert not np.shares_memory(a.grad.numpy(), a.numpy())


def test_observe_tells_of_every_op_and_stops():
    seen = []
    a = leaf(2.0)
    with observe(lambda phase, name, node, inputs, outputs: seen.append((phase, name))):
        ops.exp(a * a).backward()
    a * a
    assert seen == [("forward", "multiply"), ("forward", "exp"), ("backward", "exp"), ("backward", "multiply")]


# memory


def training(steps, peaks):
    """A small recurrent model, trained; peaks[n] becomes the most memory in use in the 100 steps before step n."""
    rng = np.random.default_rng(0)
    w, b = leaf(rng.normal(size=(6, 4)) * 0.3, "float32"), leaf(np.zeros(4), "float32")
    for step in range(1, steps + 1):
        if step + 100 in peaks:
            assert gc.collect() == 0  # nothing to collect, but Python's lists of freed tuples are emptied
            tracemalloc.reset_peak()
        h = Tensor(np.zeros((3, 4)))
        for x in ops.unstack(Tensor(rng.normal(size=(2, 3, 2)))):
            h = ops.tanh(ops.concatenate([x, h], axis=-1) @ w + b)
        first, _ = ops.split(h, [1], axis=-1)
        loss = (first * first).mean()
        w.grad = b.grad = None
        loss.backward()
        w.data[...] -= 0.1 * w.grad.data
        b.data[...] -= 0.1 * b.grad.data
        if step in peaks:
            peaks[step] = tracemalloc.get_traced_memory()[1]


@pytest.mark.host
def test_memory_is_flat_with_the_collector_off():
    gc.collect()
    gc.disable()
    peaks = {200: 0, 2000: 0}
    try:
        training(5, {})
        tracemalloc.start()
        training(2000, peaks)
    finally:
        tracemalloc.stop()
        gc.enable()
    assert 0 < peaks[2000] <= 1.05 * peaks[200]


def test_no_reference_cycle_and_no_node_left_behind():
    gc.collect()
    gc.disable()
    before = live_nodes()
    try:
        training(3, {})
        grad(lambda x: (x * x).sum())(leaf([1.0, 2.0]))
        value_and_grad(grad(lambda x: x * x * x))(2.0)
        jacobian(lambda x: x * x)(leaf([1.0, 2.0]))
        unused = ops.exp(leaf([1.0]))
        with pytest.raises(RuntimeError):
            unused.sum().backward(), unused.sum().backward()
        del unused
        assert live_nodes() == before
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_backward_releases_the_graph_while_the_loss_is_kept():
    gc.collect()
    before = live_nodes()
    y = leaf(np.ones(10))
    for _ in range(100):
        y = y * 1.0
    loss = y.sum()
    del y
    loss.backward()
    assert live_nodes() <= before + 1


# derivatives of derivatives


def close(tensor, expected, tolerance=1e-9):
    np.testing.assert_allclose(tensor.numpy(), expected, rtol=tolerance, atol=tolerance)


def test_value_and_grad_of_several_arguments():
    with using_dtype("float64"):
        value, (dx, dy) = value_and_grad(lambda x, y, scale=1.0: (x * y).sum() * scale, argnums=(0, 1))(
            np.array([1.0, 2.0]), np.array([3.0, 4.0]), scale=2.0
        )
    assert value.item() == 22 and not value.requires_grad
    close(dx, [6, 8])
    close(dy, [2, 4])


def test_powers_of_grad():
    f = lambda x: x**4 * 0.5  # noqa: E731
    with using_dtype("float64"):
        for expected in (0.5 * 2.0**4, 2 * 2.0**3, 6 * 2.0**2, 12 * 2.0, 12.0):
            assert Tensor(f(Tensor(2.0)).numpy()).item() == pytest.approx(expected)
            f = grad(f)


def test_jacobian_of_softmax():
    x = np.array([0.1, -0.4, 0.7])
    y = np.exp(x) / np.exp(x).sum()
    with using_dtype("float64"):
        close(jacobian(ops.softmax)(x), np.diag(y) - np.outer(y, y))


def test_jacobian_has_the_outputs_shape_then_the_inputs():
    with using_dtype("float64"):
        j = jacobian(lambda x: ops.sum(x, axis=0))(np.ones((2, 3)))
    assert j.shape == (3, 2, 3)
    close(j, np.broadcast_to(np.eye(3)[:, None, :], (3, 2, 3)))


def test_hessian_is_the_jacobian_of_grad_and_hvp_its_product():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(4, 4))
    x, v = rng.normal(size=4), rng.normal(size=4)
    s = np.tanh(a @ x)
    d = 1 - s * s
    hessian = a.T @ np.diag(2 * d * d - 4 * s * s * d) @ a  # of sum(tanh(a x)^2)
    with using_dtype("float64"):

        def f(t):
            return ops.square(ops.tanh(ops.matmul(a, t))).sum()

        close(jacobian(grad(f))(x), hessian)
        close(hvp(f, x, v), hessian @ v)


def third_by_differences(f, x, v, eps=1e-4):
    """d^3 f(x + t v) / dt^3 at 0, from the second derivative along v, by central differences."""

    def second(t):
        point = x + t * v
        return float(np.sum(hvp(f, point, v).numpy() * v))

    return (second(eps) - second(-eps)) / (2 * eps)


INDEX = np.array([0, 2, 2])
THIRD = {
    "matmul": (lambda x: ops.exp(ops.matmul(x, ops.matmul(x, x)) * 0.3).sum(), (3, 3)),
    "softmax": (lambda x: (ops.softmax(x) * np.array([1.0, -2.0, 0.5])).sum(), (2, 3)),
    "getitem": (lambda x: (ops.sin(x[INDEX]) * x[::-1][:, 1:2]).sum(), (3, 3)),
    "broadcast": (lambda x: ops.square(ops.sum(x * x, axis=0) * x).sum(), (2, 3)),
    "norm": (lambda x: ops.norm(x, axis=-1).sum(), (2, 3)),
    "einsum": (lambda x: ops.einsum("ij,jk,kl->il", x, x, x).sum(), (3, 3)),
}


@pytest.mark.parametrize("name", THIRD)
def test_third_derivative(name, put):
    f, shape = THIRD[name]
    rng = np.random.default_rng(1)
    x, v = rng.normal(size=shape), rng.normal(size=shape)
    with using_dtype("float64"):

        def first(t):
            return (grad(f)(t) * v).sum()

        def second(t):
            return (grad(first)(t) * v).sum()

        third = float(np.sum(grad(second)(x).numpy() * v))
        assert third == pytest.approx(third_by_differences(f, x, v), rel=1e-5, abs=1e-5)


def test_nested_grad_over_a_variable_from_outside():
    """d/dx of x * d/dy (x y) at y = 1: the inner gradient, x, is differentiated as part of the outer function."""
    with using_dtype("float64"):
        outer = grad(lambda x: x * grad(lambda y: x * y * y)(1.0))
        assert outer(3.0).item() == pytest.approx(4 * 3.0)  # x * 2x
        assert grad(outer)(3.0).item() == pytest.approx(4.0)


def test_inner_and_outer_derivatives_are_not_confused():
    """Siskind and Pearlmutter 2005: d/dx (x * d/dy (x + y)) = 1 at x = 1, not 2."""
    with using_dtype("float64"):
        assert grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0).item() == 1.0


def test_a_leaf_outside_gets_its_share_of_a_gradient_penalty():
    w = leaf([1.0, -2.0])
    x = leaf([0.5, 3.0])
    (slope,) = gradients((w * x * x).sum(), [x], create_graph=True)
    (slope * slope).sum().backward()
    close(w.grad, 8 * w.numpy() * x.numpy() ** 2)


def test_create_graph_through_backward():
    x = leaf(2.0)
    (x**3).backward(create_graph=True)
    first = x.grad
    x.grad = None
    first.backward()
    assert x.grad.item() == pytest.approx(12.0)
