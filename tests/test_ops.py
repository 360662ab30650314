"""Every test of every op, generated from its registry entry."""

import numpy as np
import pytest

from tinyaug import OPS, Tensor, no_grad, using_dtype
from tinyaug.backward import evaluate
from tinyaug.check import CheckError, check, check_second
from tinyaug.derivatives import gradients
from tinyaug.record import RecordError, record

NAMES = sorted(name for name, function in OPS.items() if function.__module__.startswith("tinyaug."))


def examples(name):
    """[(arrays, keywords), ...] of an op."""
    found = []
    for example in OPS[name].examples(np.random.default_rng(7)):
        keywords = example[-1] if isinstance(example[-1], dict) else {}
        found.append((example[:-1] if keywords else example, keywords))
    return found


CASES = [pytest.param(name, i, id=f"{name}-{i}") for name in NAMES for i in range(len(examples(name)))]
every_case = pytest.mark.parametrize("name, i", CASES)


def raw(name):
    """The op called with its arrays by position, as its body has them."""
    function = OPS[name]

    def call(*arrays, **keywords):
        if sequence_call(name):
            return function(list(arrays), **keywords)
        return function(*arrays, **keywords)

    call.__name__ = name
    return call


def sequence_call(name):
    return name in ("concatenate", "stack")


def differentiable(name):
    arrays, keywords = examples(name)[0]
    with using_dtype("float64"):
        y = raw(name)(*[Tensor(x, requires_grad=True) if is_float(x) else x for x in arrays], **keywords)
    return any(t.requires_grad for t in (y if isinstance(y, tuple) else (y,)))


def is_float(x):
    return np.asarray(x).dtype.kind == "f"


def tensors(name, arrays, dtype):
    fixed = OPS[name].constant
    return [x if i in fixed or not is_float(x) else Tensor(np.asarray(x, dtype), True, dtype)
            for i, x in enumerate(arrays)]


def outputs(result):
    return result if isinstance(result, tuple) else (result,)


@every_case
def test_first_derivative(name, i):
    arrays, keywords = examples(name)[i]
    check(raw(name), *arrays, **keywords)


@every_case
def test_second_derivative(name, i):
    arrays, keywords = examples(name)[i]
    if differentiable(name):
        check_second(raw(name), *arrays, **keywords)


@every_case
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_in_is_dtype_out(name, i, dtype):
    arrays, keywords = examples(name)[i]
    if name == "astype":
        keywords = {"dtype": dtype}
    with using_dtype(dtype):
        inputs = tensors(name, arrays, dtype)
        for y in outputs(raw(name)(*inputs, **keywords)):
            if y.dtype.kind != "f":
                continue
            assert y.dtype == dtype
            if y.requires_grad:
                leaves = [x for x in inputs if isinstance(x, Tensor) and x.requires_grad]
                for x, g in zip(leaves, gradients(y, leaves, np.ones(y.shape), retain_graph=True)):
                    assert g.dtype == dtype and g.shape == x.shape


@every_case
def test_inputs_and_cotangent_are_left_alone_and_gradients_are_not_shared(name, i):
    arrays, keywords = examples(name)[i]
    before = [np.array(x) for x in arrays]
    inputs = tensors(name, arrays, "float32")
    for x in inputs:
        if isinstance(x, Tensor):
            x.data.flags.writeable = False
    y = outputs(raw(name)(*inputs, **keywords))[0]
    for x, b in zip(arrays, before):
        np.testing.assert_array_equal(x, b)
    if not y.requires_grad:
        return
    cotangent = np.ones(y.shape, y.dtype)
    cotangent.flags.writeable = False
    y.backward(cotangent)
    assert np.all(cotangent == 1)
    grads = [x.grad.data for x in inputs if isinstance(x, Tensor) and x.grad is not None]
    for j, g in enumerate(grads):
        assert g.flags.writeable
        assert not np.shares_memory(g, cotangent)
        assert not any(np.shares_memory(g, h) for h in grads[j + 1:])
        assert not any(np.shares_memory(g, x.data) for x in inputs if isinstance(x, Tensor))


def layouts(x):
    """x as Fortran-ordered, strided, reversed in memory, and as a read-only array: equal values in all."""
    x = np.asarray(x)
    yield np.asfortranarray(x)
    if x.ndim:
        yield np.repeat(x, 2, axis=-1)[..., ::2]
        yield np.ascontiguousarray(x[::-1])[::-1]
    frozen = x.copy()
    frozen.flags.writeable = False
    yield frozen


@every_case
def test_memory_layout_changes_nothing(name, i):
    arrays, keywords = examples(name)[i]
    expected = run(name, [np.asarray(x) for x in arrays], keywords)
    for variant in zip(*[list(layouts(x)) for x in arrays if np.ndim(x)]):
        variant = iter(variant)
        changed = [next(variant) if np.ndim(x) else x for x in arrays]
        for a, b in zip(expected, run(name, changed, keywords)):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def run(name, arrays, keywords):
    """Outputs and, for a cotangent of cosines, all gradients."""
    with using_dtype("float64"):
        inputs = tensors(name, arrays, "float64")
        results = outputs(raw(name)(*inputs, **keywords))
        found = [y.numpy() for y in results]
        leaves = [x for x in inputs if isinstance(x, Tensor) and x.requires_grad]
        for y in results:
            if y.requires_grad and leaves:
                cotangent = np.cos(np.arange(y.size)).reshape(y.shape)
                found += [g.numpy() for g in gradients(y, leaves, cotangent, retain_graph=True)]
    return found


def step(name, keywords, cotangents):
    """A function of an op's inputs: its outputs, and the gradients that backward leaves from each of them."""
    def apply(*inputs):
        found = list(outputs(raw(name)(*inputs, **keywords)))
        for y, cotangent in zip(tuple(found), cotangents):
            if y.requires_grad:
                for x in inputs:
                    if isinstance(x, Tensor):
                        x.grad = None
                y.backward(cotangent, retain_graph=True)
                found += [x.grad for x in inputs if isinstance(x, Tensor) and x.grad is not None]
        return found
    return apply


def others(name, arrays, draw):
    """Inputs of the same shapes: floats a little larger or smaller, indices and conditions in another order."""
    rng = np.random.default_rng(draw)
    fixed = [rng.permutation(x) if np.ndim(x) else x for x in arrays]
    moved = [x * rng.uniform(0.9, 1.1, np.shape(x)) if is_float(x) else other for x, other in zip(arrays, fixed)]
    return tensors(name, moved, "float64")


@pytest.mark.host
@every_case
@pytest.mark.parametrize("exact", [True, False], ids=["exact", "with passes"])
def test_recorded_is_eager(name, i, exact):
    """To the last bit without passes, within rounding with them; four times, since a stale buffer shows only later."""
    arrays, keywords = examples(name)[i]
    with using_dtype("float64"):
        first = outputs(raw(name)(*tensors(name, arrays, "float64"), **keywords))
        cotangents = [np.cos(np.arange(y.size)).reshape(y.shape).astype(y.dtype) for y in first]
        function = step(name, keywords, cotangents)
        recorded = record(function, passes=[] if exact else None)
        if name == "getitem" and np.asarray(keywords["index"]).dtype == bool:
            with pytest.raises(RecordError, match=r"the shape of x\[mask\] depends on values"):
                recorded(*others(name, arrays, 0))
            return
        for draw in range(4):
            expected, got = (g(*others(name, arrays, draw)) for g in (function, recorded))
            assert [x.dtype for x in expected] == [x.dtype for x in got]
            for a, b in zip(expected, got, strict=True):
                if exact:
                    assert a.shape == b.shape and a.numpy().tobytes() == b.numpy().tobytes()
                else:
                    np.testing.assert_allclose(b.numpy(), a.numpy(), rtol=1e-12, atol=1e-14)


@every_case
def test_no_grad_leaves_no_graph(name, i):
    arrays, keywords = examples(name)[i]
    with no_grad():
        for y in outputs(raw(name)(*tensors(name, arrays, "float32"), **keywords)):
            assert not y.requires_grad and y.source is None


@every_case
def test_a_wrong_factor_in_the_vjp_is_caught(name, i, monkeypatch):
    """The meta-test: a vjp that is 1.01 times too large must fail the check."""
    if not differentiable(name):
        pytest.skip(f"{name} has no gradient")
    arrays, keywords = examples(name)[i]
    with pytest.raises(CheckError, match=name):
        check(planted(name), *arrays, **keywords)


def planted(name, factor=1.01):
    """The op with its vjp multiplied by a factor."""
    function = raw(name)

    def wrong(*arrays, **keywords):
        results = outputs(function(*arrays, **keywords))
        for node in {y.source if len(results) == 1 else y.source[0] for y in results if y.source is not None}:
            right = node.vjp
            node.vjp = lambda *gs, right=right: tuple(None if g is None else evaluate(g) * factor for g in right(*gs))
        return results if len(results) > 1 else results[0]

    wrong.__name__ = name
    return wrong


@pytest.mark.parametrize("name", NAMES)
def test_entry_is_complete(name):
    function = OPS[name]
    assert function.__doc__ and len(examples(name)) >= 1
    public = getattr(__import__("tinyaug").ops, name)
    assert public is function


def test_every_public_function_of_ops_has_an_entry():
    import tinyaug.ops as ops
    functions = {n for n in dir(ops) if not n.startswith("_") and callable(getattr(ops, n)) and n not in ("Tensor",)}
    assert functions - {"stop_gradient"} == set(NAMES)


ELEMENTWISE = ["add", "subtract", "multiply", "divide", "power", "maximum", "minimum", "where"]


@pytest.mark.parametrize("name", [n for n in ELEMENTWISE if n != "where"])
def test_the_same_tensor_twice(name):
    x = np.random.default_rng(3).uniform(0.5, 2, (3, 4))
    if name in ("maximum", "minimum"):
        with using_dtype("float64"):
            t = Tensor(x, requires_grad=True)
            OPS[name](t, t).sum().backward()
            np.testing.assert_allclose(t.grad.numpy(), np.ones((3, 4)))
    else:
        check(lambda t: OPS[name](t, t), x)
