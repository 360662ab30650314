"""How a recorded function may be called: with which arguments, by whom, and what its results are good for."""

import copy
import pickle
from importlib import import_module
from threading import Thread

import numpy as np
import pytest

from tinyaug import Tensor, no_grad, ops
from tinyaug.derivatives import gradients, jacobian
from tinyaug.record import RecordError, record
from tinyaug.record.trace import NOT_THE_USERS, error

pytestmark = pytest.mark.host            # programs are of arrays on the host

rng = np.random.default_rng(0)
X, Y = rng.normal(size=(2, 2, 3))
WEIGHT = rng.normal(size=(40, 40)).astype(np.float32) / 6


def slope(x, y):
    """The gradient of sum(x y) by x."""
    x.grad = y.grad = None
    ops.sum(x * y).backward()
    return x.grad


def test_the_same_tensor_twice_gets_both_gradients():
    recorded, product = record(slope), record(ops.multiply)
    for wanted in (True, True, True, False, False):
        x, y = (Tensor(values, requires_grad=wanted) for values in (X, Y))
        for a, b in ((x, x), (x, y), (y, y)):
            assert np.array_equal(product(a, b).numpy(), a.numpy() * b.numpy())
            if wanted:
                assert np.array_equal(recorded(a, b).numpy(), 2 * a.numpy() if a is b else b.numpy())
    assert len(recorded.programs) == 2 and len(product.programs) == 3


def test_whether_a_gradient_is_wanted_makes_another_program():
    def function(x):
        weight.grad = None
        return slope(x, weight), weight.grad

    weight, recorded = Tensor(WEIGHT[0, :3], requires_grad=True), record(function)
    for _ in range(3):
        assert recorded(Tensor(X))[0] is None
        assert np.array_equal(recorded(Tensor(X, requires_grad=True))[0].numpy(), np.tile(WEIGHT[0, :3], (2, 1)))
    assert recorded.explain(runs=0).count("arguments  (2, 3) float32") == 2


@pytest.mark.parametrize("values", [
    X[::-1, ::2], X.T, np.asfortranarray(X), np.broadcast_to(X[0], (2, 3)), X.astype(">f8"), X[:0], X[:, :0], X[0, 0],
    np.arange(6).reshape(2, 3), X > 0,
], ids=["strides", "turned", "Fortran", "read-only", "other bytes", "no rows", "no columns", "number", "integers", "truths"])
def test_any_array_is_an_argument(values):
    def function(x):
        return ops.multiply(x, 2), ops.sum(x), ops.transpose(x), ops.where(x > 0, 0.5, x)

    recorded = record(function)
    for x in (values, Tensor(values)):
        for got, expected in zip(recorded(x), function(x), strict=True):
            assert got.dtype == expected.dtype and np.array_equal(got.numpy(), expected.numpy())


def test_a_gradient_that_would_be_missed_is_an_error():
    """Backward would stop at what a program gave, and leave out whatever the function has to do with the loss."""
    weight = Tensor([1.0, 2.0, 3.0], requires_grad=True)
    recorded = record(lambda x: (ops.tanh(x * weight), x * 2.0))
    for _ in range(3):
        y, doubled = recorded(Tensor(X))
        assert y.requires_grad and not doubled.requires_grad
        for create_graph in (False, True):
            with pytest.raises(RecordError, match="no gradient flows back through what a recorded function gives"):
                gradients(ops.sum(y) + ops.sum(weight), [weight], create_graph=create_graph)
    for function in (recorded, record(lambda x: (ops.tanh(x * weight), x * 2.0))):
        for _ in range(2):
            with no_grad():
                assert not function(Tensor(X))[0].requires_grad
            assert function(Tensor(X))[0].requires_grad
        assert len(function.programs) == 1


def test_what_the_loss_does_not_depend_on_has_gradient_zero():
    one, other = Tensor([1.0, 2.0, 3.0], requires_grad=True), Tensor([4.0, 5.0], requires_grad=True)
    recorded = record(lambda x: gradients(ops.sum(x * one), [one, other]))
    for _ in range(3):
        assert [g.numpy().tolist() for g in recorded(Tensor([[1.0, 2.0, 3.0]]))] == [[1.0, 2.0, 3.0], [0.0, 0.0]]


def test_a_loss_that_has_had_its_backward_pass_is_a_plain_number():
    weight = Tensor([1.0, 2.0, 3.0], requires_grad=True)

    def step(x):
        weight.grad = None
        loss = ops.sum(x * weight)
        loss.backward()
        return loss, weight.grad

    assert not any(x.requires_grad for x in record(step)(Tensor(X)))


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))],
                         ids=["copy", "deepcopy", "pickle"])
def test_a_copy_records_anew(again):
    recorded = record(ops.softmax)
    for _ in range(6):
        recorded(Tensor(X))
    other = again(recorded)
    assert not other.programs and len(recorded.programs) == 1
    for function in (other, recorded):
        assert np.array_equal(function(Tensor(Y)).numpy(), ops.softmax(Tensor(Y)).numpy())


def test_a_sum_of_some_numbers():
    """Of a product, too, which is no dot product then."""
    some, row = rng.random((2, 90)) > 0.5, rng.normal(size=90)
    recorded = record(lambda x: [np.add.reduce(y, axis=-1, where=some) for y in (x, x * row)])
    for x in rng.normal(size=(3, 2, 90)):
        for got, y in zip(recorded(x), (x, x * row), strict=True):
            np.testing.assert_allclose(got, np.where(some, y, 0).sum(axis=-1))


def test_an_index_of_nothing_takes_all():
    recorded = record(lambda x: (ops.tanh((x * 2.0)[()]), ops.tanh(ops.sum(x)[()])))
    for x in (Tensor(X), Tensor(Y)):
        for got, expected in zip(recorded(x), recorded.function(x), strict=True):
            np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-6)


def test_numbers_of_numpy_are_told_apart():
    numbers = np.float32(0.0), np.float32(-0.0), np.int64(2), np.float32(2.0), np.float64(2.0)
    recorded = record(lambda x: [x * number for number in numbers])
    for values in (np.arange(3), np.arange(3.0)):
        for got, number in zip(recorded(values), numbers, strict=True):
            expected = values * number
            assert got.dtype == expected.dtype and got.tobytes() == expected.tobytes()


def test_a_concatenation_that_grows_and_grows():
    """Each lies in the next, 1,500 deep: no recursion."""
    def grow(x):
        y = x
        for _ in range(1500):
            y = ops.concatenate([y, ops.tanh(x)], axis=-1)
        return y

    assert np.array_equal(record(grow)(Tensor(X[:, :1])).numpy(), grow(Tensor(X[:, :1])).numpy())


def test_programs_of_growing_shapes_share_their_memory():
    recorded = record(lambda x: ops.softmax(ops.tanh(x)) * 2.0)
    for rows in range(1, 41):
        recorded(Tensor(np.ones((rows, 50))))
    blocks = {}
    for program, _ in recorded.programs.values():
        array = program.results[0]
        while array.base is not None:
            array = array.base
        blocks[id(array)] = array.nbytes
    assert 1 < len(blocks) < 10 and sum(blocks.values()) <= 2 * recorded.memory.nbytes


def test_threads_take_turns():
    def deep(x):
        for _ in range(20):
            x = ops.tanh(x @ weight)
        return x

    weight, recorded, wrong = Tensor(WEIGHT), record(deep), []
    given = [Tensor(rng.normal(size=(40, 40))) for _ in range(4)]
    expected = [deep(x).numpy() for x in given]

    def work(i):
        own = record(deep)
        for _ in range(60):
            wrong.extend(1 for f in (recorded, own) if not np.allclose(f(given[i]).numpy(), expected[i], atol=1e-5))

    threads = [Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and len(recorded.programs) == 1


def test_a_file_beside_the_package_is_the_users():
    path = NOT_THE_USERS[0].rstrip("/\\") + "_demo.py"
    said = eval(compile("error('told')", path, "eval"), {"error": error})
    assert str(said) == f"record: told\n  at {path}:1: "


def test_programs_that_were_used_longest_ago_make_room(monkeypatch):
    recorded = record(lambda x: ops.softmax(ops.tanh(x)) * 2.0)
    inputs = [Tensor(np.full((rows, 5), 0.5)) for rows in range(1, 6)]
    expected = [recorded.function(x).numpy() for x in inputs]
    recorded(inputs[0])
    each = len(next(iter(recorded.programs.values()))[0].steps)
    monkeypatch.setattr(import_module("tinyaug.record"), "KEPT", 3 * each)
    for i in (1, 2, 0, 3, 4, 0, 1):
        np.testing.assert_array_equal(recorded(inputs[i]).numpy(), expected[i])
    assert [key[0][0][0] for key in recorded.programs] == [5, 1, 2] and recorded.dropped == 3
    assert "3 programs, 3 dropped" in recorded.explain(runs=0)


def test_a_jacobian_is_recorded():
    function = jacobian(lambda x: ops.tanh(x) * x)
    x = Tensor(np.linspace(-1, 1, 4))
    np.testing.assert_allclose(record(function)(x).numpy(), function(x).numpy(), rtol=1e-6)
