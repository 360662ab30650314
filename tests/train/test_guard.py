"""The guard: a NaN planted in any op is named, nothing is updated, and the step can be run again."""

import math
import re
import time
from contextlib import contextmanager

import numpy as np
import pytest

from tinyaug import OPS, Tensor, ops
from tinyaug.arrays import to_device, to_host
from tinyaug.backward import evaluate
from tinyaug.nn import LSTM, Dropout, Linear, Module, unroll
from tinyaug.strict import count_synchronisations
from tinyaug.train import checkpoint
from tinyaug.train.guard import Guard, NotFinite, explain_memory, replay, trace
from tinyaug.train.optimise import Adam


class Nothing(Module):
    """A model without parameters or modules."""


@contextmanager
def body_of(name, change):
    """The op with another body: change(body) -> body."""
    apply = OPS[name]
    cell = apply.__closure__[apply.__code__.co_freevars.index("body")]
    body = cell.cell_contents
    cell.cell_contents = apply.body = change(body)
    try:
        yield
    finally:
        cell.cell_contents = apply.body = body


def spoilt(array):
    """A copy with a NaN at its first place."""
    array = np.array(to_host(array), order="C")
    array.flat[0] = np.nan
    return array


def spoil_result(body):
    def planted(xp, *arrays, **keywords):
        result, vjp = body(xp, *arrays, **keywords)
        return (tuple(map(spoilt, result)) if isinstance(result, tuple) else spoilt(result)), vjp
    return planted


def spoil_gradient(body):
    def planted(xp, *arrays, **keywords):
        result, vjp = body(xp, *arrays, **keywords)

        def planted_vjp(*cotangents):
            gradients = [evaluate(g) for g in vjp(*cotangents)]
            return tuple(None if g is None else spoilt(g) for g in gradients)
        return result, planted_vjp
    return planted


def call(name):
    """(loss, its inputs) for the first example of an op with float outputs and finite gradients, or None."""
    for example in OPS[name].examples(np.random.default_rng(0)):
        keywords = example[-1] if isinstance(example[-1], dict) else {}
        arrays = example[:-1] if keywords else example
        args = [Tensor(x, x.dtype.kind == "f" and i not in OPS[name].constant)
                if isinstance(x, np.ndarray) else x for i, x in enumerate(arrays)]
        args = [[Tensor(part, True) for part in x] if isinstance(x, list) else x for x in args]

        def loss(*args, keywords=keywords):
            outputs = OPS[name](*args, **keywords)
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            return sum((y.sum() for y in outputs[1:]), outputs[0].sum())

        outputs = OPS[name](*args, **keywords)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        if all(y.dtype.kind == "f" and y.size for y in outputs) and math.isfinite(float(loss(*args))):
            return loss, args
    return None


CALLS = {name: call(name) for name in OPS}
FORWARD = [name for name, found in CALLS.items() if found]
BACKWARD = [name for name in FORWARD if CALLS[name][0](*CALLS[name][1]).requires_grad]


def test_nearly_every_op_is_planted():
    without = {name for name in OPS if name not in FORWARD}
    assert without <= {"argmax", "argmin", "argsort", "equal", "greater", "greater_equal", "isfinite", "less",
                       "less_equal", "logical_and", "logical_not", "logical_or", "not_equal"}
    assert {*FORWARD} - {*BACKWARD} <= {"one_hot", "ones_like", "zeros_like", "sign"}
    assert len(BACKWARD) > 60


@pytest.mark.host  # the calls were made when the tests were collected
@pytest.mark.parametrize("name", FORWARD)
def test_a_nan_planted_in_the_result_of_an_op_is_named(name):
    loss, args = CALLS[name]
    assert trace(loss, args, Nothing()) is None
    with body_of(name, spoil_result):
        birth = trace(loss, args, Nothing())
    assert (birth.phase, birth.op, birth.given, birth.before) == ("forward", name, False, None)
    assert birth.line.startswith(f"{__file__}:") and "OPS[name](" in birth.line
    assert any("not finite" in text for text in birth.outputs)
    assert not any("not finite" in text for text in birth.inputs)


@pytest.mark.host  # the calls were made when the tests were collected
@pytest.mark.parametrize("name", BACKWARD)
def test_a_nan_planted_in_the_gradient_of_an_op_is_named(name):
    loss, args = CALLS[name]
    with body_of(name, spoil_gradient):
        birth = trace(loss, args, Nothing())
    assert (birth.phase, birth.op, birth.given) == ("backward", name, False)
    assert birth.line.startswith(f"{__file__}:")
    assert any("not finite" in text for text in birth.outputs) and birth.cotangents


class Small(Module):
    """An LSTM, dropout and a layer that takes the logarithm of what it is given."""

    def __init__(self, rng):
        self.core = LSTM(3, 4, rng=rng)
        self.layers = [Dropout(0.5, rng=rng), Linear(4, 2, rng=rng)]

    def forward(self, x, scale):
        y, _ = unroll(self.core, x)
        return self.layers[1](self.layers[0](y, training=True)) * ops.log(scale)


def prepare(tmp_path, device="cpu"):
    rng = np.random.default_rng(0)
    model = Small(rng).to(device)
    optimiser = Adam(model, rate=0.01)

    def loss(x, scale):
        return ops.mean(model(x, scale) ** 2)

    guard = Guard(model, loss, optimiser, folder=tmp_path, rngs={"model": rng})

    def step(i, scale):
        batch = [Tensor(to_device(np.asarray(x, np.float32), device)) for x in (np.ones((5, 2, 3)), scale)]
        guard.begin(i, *batch)
        value = loss(*batch)
        optimiser.zero_grad()
        value.backward()
        guard.check(value)
        optimiser.step()

    return model, optimiser, rng, loss, step


def everything(model, optimiser):
    return [array.tobytes() for thing in (model, optimiser) for array in thing.state().values()]


@pytest.mark.host
def test_a_step_that_is_not_finite_is_refused_named_kept_and_can_be_run_again(tmp_path):
    model, optimiser, rng, loss, step = prepare(tmp_path)
    for i in range(1, 4):
        step(i, [2.0, 3.0])
    before, state = everything(model, optimiser), rng.bit_generator.state
    with pytest.raises(NotFinite) as caught, np.errstate(divide="ignore"):
        step(4, [0.0, 3.0])
    assert everything(model, optimiser) == before
    assert rng.bit_generator.state == state  # as it was before the step
    error = caught.value
    assert error.step == 4 and error.birth.op == "log" and error.birth.module == "the model itself"
    text = str(error)
    assert text.startswith("step 4: the loss is inf, the norm of its gradients nan; the update was refused\n")
    assert "op:      log (forward)" in text
    assert f"{__file__}:" in text and "* ops.log(scale)" in text
    assert "input:   (2,) float32, finite values in [0, 3]\n" in text
    assert "output:  (2,) float32, finite values in [1.099, 1.099], 1 of 2 not finite" in text

    path = tmp_path / "failed-step-0000004.npz"
    assert str(path) in text
    assert list(checkpoint.load(path).arrays["batch/1"]) == [0.0, 3.0]
    other, _, other_rng, other_loss, _ = prepare(tmp_path)
    assert replay(path, other_loss, other, {"model": other_rng}) == error.birth
    assert other_rng.bit_generator.state == state
    assert all((a == b).all() for a, b in zip(other.state().values(), model.state().values(), strict=True))


@pytest.mark.host
def test_the_module_that_a_nan_is_born_in_is_named(tmp_path):
    model, _, rng, loss, step = prepare(tmp_path)
    model.layers[1].weight.data[0, 0] = np.nan
    with pytest.raises(NotFinite) as caught:
        step(1, [2.0, 3.0])
    birth = caught.value.birth
    assert birth.module == "layers.1" and birth.op in ("matmul", "linear") and birth.given
    assert "layers.py:" in birth.line and f"called from {__file__}:" in birth.line
    assert "see batch and parameters" in str(caught.value)


def test_a_gradient_that_is_not_finite_names_the_op_on_the_way_back(tmp_path):
    w = Tensor(np.array([0.0, 4.0]), True)
    model = Nothing()
    model.weight = w
    optimiser = Adam({"w": w})

    def loss():
        return ops.sum(ops.power(w, 0.5) * Tensor([1.0, 1.0]))

    guard = Guard(model, loss, optimiser, folder=tmp_path)
    with body_of("power", spoil_gradient):
        guard.begin(1)
        value = loss()
        value.backward()
        with pytest.raises(NotFinite, match="the loss is 2, the norm of its gradients nan") as caught:
            guard.check(value)
    birth = caught.value.birth
    assert (birth.phase, birth.op) == ("backward", "power")
    assert "ops.power(w, 0.5)" in birth.line
    assert birth.inputs[0] == "(2,) float32, finite values in [0, 4]"
    assert birth.cotangents == ("(2,) float32, finite values in [1, 1]",)


def test_a_nan_made_of_an_infinity_tells_where_that_came_from():
    x = Tensor([100.0, 1.0], True)

    def loss():
        big = ops.exp(x)
        return ops.sum(big - big)

    birth = trace(loss, (), Nothing())
    assert (birth.op, birth.before.op) == ("subtract", "exp")
    assert "big = ops.exp(x)" in birth.before.line and "infinite before, from: exp at" in str(birth)


def test_infinities_and_nans_that_do_not_reach_the_loss_are_no_fault():
    x = Tensor([-1.0, 0.0, 2.0], True)

    def loss():
        masked = ops.where(np.array([True, False, True]), x, Tensor(-np.inf))
        weights = ops.softmax(masked)
        safe = ops.where(np.array([False, False, True]), ops.log(x), Tensor(0.0))
        bad = ops.sum(ops.log(ops.sum(weights) - 1.0) * 0.0)
        return ops.sum(weights * weights) + ops.sum(safe) + (bad if asked else 0.0)

    asked = False
    assert trace(loss, (), Nothing()) is None
    asked = True
    assert trace(loss, (), Nothing()).op in ("log", "multiply")


def test_a_norm_that_overflows_names_no_op(tmp_path):
    w = Tensor(np.array([1.0, 1.0]), True)
    model = Nothing()
    model.weight = w

    def loss():
        return ops.sum(w * 1e30)

    guard = Guard(model, loss, Adam({"w": w}), folder=tmp_path)
    guard.begin(1)
    value = loss()
    value.backward()
    with pytest.raises(NotFinite, match="either the norm overflowed") as caught, np.errstate(over="ignore"):
        guard.check(value)
    assert caught.value.birth is None


@pytest.mark.host
def test_a_trace_leaves_gradients_and_generators_as_they_were(tmp_path):
    model, _, rng, loss, _ = prepare(tmp_path)
    gradients = [Tensor(np.ones(p.shape)) for p in model.parameters()]
    for parameter, g in zip(model.parameters(), gradients, strict=True):
        parameter.grad = g
    state = rng.bit_generator.state
    assert trace(loss, (Tensor(np.ones((5, 2, 3))), Tensor([2.0, 3.0])), model, {"model": rng}) is None
    assert all(p.grad is g and (g.data == 1).all()
               for p, g in zip(model.parameters(), gradients, strict=True))
    assert rng.bit_generator.state == state


def test_what_cannot_be_kept_is_said_when_it_is_wanted(tmp_path):
    w = Tensor(np.array([1.0]), True)
    model = Nothing()
    model.weight = w

    def loss(words, thing, x):
        return ops.sum(w * np.nan)

    guard = Guard(model, loss, Adam({"w": w}), folder=tmp_path)
    for thing, x in ((7, np.arange(3)), (object(), np.arange(3))):
        guard.begin(1, ["a", "b"], thing, x)
        with pytest.raises(NotFinite):
            guard.check(loss(None, None, None))
        if thing == 7:
            assert replay(tmp_path / "failed-step-0000001.npz", loss, model).op == "multiply"
    with pytest.raises(ValueError, match="item 1 of the batch was neither array, Tensor nor JSON"):
        replay(tmp_path / "failed-step-0000001.npz", loss, model)


@pytest.mark.host
def test_a_folder_that_cannot_be_written_does_not_hide_the_report(tmp_path):
    model, _, _, _, step = prepare(tmp_path / "missing")
    told = "op:      log(.|\n)*could not be kept"
    with pytest.raises(NotFinite, match=told), np.errstate(divide="ignore"):
        step(1, [0.0, 1.0])


@pytest.mark.parametrize("where, told", [("body", "tanh: 7 GiB"), ("vjp", "tanh \\(backward\\): 7 GiB")])
def test_the_op_in_which_memory_ran_out_is_named(where, told):
    def full(*_):
        raise MemoryError("7 GiB")

    def change(body):
        return full if where == "body" else lambda xp, x: (xp.tanh(x), full)

    with body_of("tanh", change), pytest.raises(MemoryError) as caught:
        ops.exp(ops.sum(ops.tanh(Tensor([1.0], True)) * 2.0)).backward()
    assert re.fullmatch(f"out of memory in {told}; lower --set batch; saved after step 3",
                        explain_memory(caught.value, 3, "--set batch"))
    assert explain_memory(MemoryError(), 3, "x").startswith("out of memory in no op: no detail; lower x; ")


@pytest.mark.host
def test_on_the_strict_device_a_check_waits_once_and_a_failure_is_named(tmp_path):
    model, optimiser, _, _, step = prepare(tmp_path, "strict")
    step(1, [2.0, 3.0])
    with count_synchronisations() as waits:
        step(2, [2.0, 3.0])
    assert waits.count == 1
    with pytest.raises(NotFinite) as caught, np.errstate(divide="ignore"):
        step(3, [0.0, 3.0])
    assert caught.value.birth.op == "log"
    kept = tmp_path / "failed-step-0000003.npz"
    other, _, rng, loss, _ = prepare(tmp_path, "strict")
    assert replay(kept, loss, other, {"model": rng}).op == "log"


def test_in_normal_running_the_guard_takes_at_most_three_hundredths_of_a_step(tmp_path):
    """Measured on a small step (LSTM of 100, 20 steps of time, one sequence); a larger one makes it less."""
    rng = np.random.default_rng(0)
    core = LSTM(8, 100, rng=rng)
    x = Tensor(rng.normal(size=(20, 1, 8)))
    optimiser = Adam(core)

    def loss(x):
        return ops.mean(unroll(core, x)[0] ** 2)

    guard = Guard(core, loss, optimiser, folder=tmp_path, rngs={"model": rng})
    steps, checks = [], []
    for i in range(60):
        start = time.perf_counter()
        value = loss(x)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
        steps.append(time.perf_counter() - start)
        norm = optimiser.norm
        optimiser.measure, measure = lambda norm=norm: norm, optimiser.measure
        start = time.perf_counter()
        guard.begin(i, x)
        guard.check(value)
        optimiser._norm(optimiser.gradient)  # counted as the guard's, though clipping needs it anyway
        checks.append(time.perf_counter() - start)
        optimiser.measure = measure
    share = np.median(checks) / np.median(steps)
    print(f"guard {1e6 * np.median(checks):.0f} us of {1e6 * np.median(steps):.0f} us, {100 * share:.2f} %")
    assert share <= 0.03
