"""Optimisers against their equations written as loops over single numbers."""

import math

import numpy as np
import pytest

from tinyaug.arrays import to_device, to_host
from tinyaug.autograd import Tensor
from tinyaug.train.optimise import SGD, Adam, Momentum, RMSProp

RULES = {"sgd": SGD, "momentum": Momentum, "rmsprop": RMSProp, "adam": Adam}


def model(rng, dtype="float64", device="cpu"):
    shapes = {"weight": (3, 2), "bias": (2,), "scale": ()}
    return {name: Tensor(to_device(np.asarray(rng.normal(size=shape), dtype), device), True, dtype=dtype)
            for name, shape in shapes.items()}


def give(parameters, gradients):
    for parameter, g in zip(parameters.values(), gradients, strict=True):
        g = to_device(np.asarray(g, parameter.dtype), parameter.device)
        parameter.grad = Tensor(g, dtype=parameter.dtype)


def draw(rng):
    return [rng.normal(size=shape) for shape in ((3, 2), (2,), ())]


def flatten(arrays):
    return np.concatenate([np.ravel(to_host(x.data if isinstance(x, Tensor) else x)) for x in arrays])


def sgd(w, g, t, s, rate):
    return w - rate * g


def momentum(w, g, t, s, rate):
    s["v"] = 0.9 * s.get("v", 0.0) - rate * g
    return w + s["v"]


def rmsprop(w, g, t, s, rate):
    s["n"] = 0.95 * s.get("n", 0.0) + 0.05 * g ** 2                                    # Graves 2013 (38)
    s["g"] = 0.95 * s.get("g", 0.0) + 0.05 * g                                         # (39)
    s["d"] = 0.9 * s.get("d", 0.0) - rate * g / math.sqrt(s["n"] - s["g"] ** 2 + 1e-4)   # (40)
    return w + s["d"]                                                                  # (41)


def adam(w, g, t, s, rate):
    s["m"] = 0.9 * s.get("m", 0.0) + 0.1 * g
    s["v"] = 0.999 * s.get("v", 0.0) + 0.001 * g ** 2
    return w - rate * (s["m"] / (1 - 0.9 ** t)) / (math.sqrt(s["v"] / (1 - 0.999 ** t)) + 1e-8)


@pytest.mark.parametrize("name", RULES)
def test_each_rule_is_its_equation(name):
    rng = np.random.default_rng(0)
    parameters = model(rng)
    expected = list(flatten(parameters.values()))
    memories = [{} for _ in expected]
    optimiser = RULES[name](parameters, rate=0.01)
    for t in range(1, 31):
        gradients = draw(rng)
        give(parameters, gradients)
        if t == 20:
            optimiser.set_rate(0.003)
        optimiser.step()
        rate = 0.01 if t < 20 else 0.003
        expected = [globals()[name](w, g, t, s, rate)
                    for w, g, s in zip(expected, flatten(gradients), memories, strict=True)]
        np.testing.assert_allclose(flatten(parameters.values()), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", RULES)
def test_parameters_are_views_and_dtype_stays(name):
    parameters = model(np.random.default_rng(0), "float32")
    before = flatten(parameters.values())
    optimiser = RULES[name](parameters, rate=0.1)
    assert (flatten(parameters.values()) == before).all()
    views = [parameter.data for parameter in parameters.values()]
    give(parameters, draw(np.random.default_rng(1)))
    optimiser.step()
    assert (flatten(parameters.values()) != before).all()
    for parameter, view in zip(parameters.values(), views, strict=True):
        assert parameter.data is view and parameter.dtype == np.float32
    optimiser.flat[...] = 7.0
    assert (flatten(parameters.values()) == 7.0).all()
    assert {array.dtype for array in optimiser.state().values()} == {np.dtype("float32")}


@pytest.mark.host
@pytest.mark.parametrize("name", RULES)
def test_the_strict_device_gives_the_same_bits_and_waits_for_nothing(name):
    from tinyaug.strict import count_synchronisations
    results = []
    for device in ("cpu", "strict"):
        parameters = model(np.random.default_rng(0), "float32", device)
        optimiser = RULES[name](parameters, rate=0.1, clip_value=1.0, clip_norm=1.5, noise=0.3,
                                rng=np.random.default_rng(2))
        rng = np.random.default_rng(1)
        with count_synchronisations() as waits:
            for _ in range(5):
                give(parameters, draw(rng))
                optimiser.set_rate(0.05)
                optimiser.step()
        assert waits.count == 0
        results.append(flatten(parameters.values()))
    assert results[0].tobytes() == results[1].tobytes()


@pytest.mark.parametrize("name", RULES)
def test_a_saved_state_goes_on_to_the_byte(name):
    rng = np.random.default_rng(0)
    batches = [draw(rng) for _ in range(10)]
    ends = []
    for interrupted in (False, True):
        parameters = model(np.random.default_rng(1), "float32")
        optimiser = RULES[name](parameters, rate=0.05)
        for i, batch in enumerate(batches):
            if i == 5 and interrupted:
                state, values = optimiser.state(), [p.numpy().copy() for p in parameters.values()]
                parameters = model(np.random.default_rng(9), "float32")
                optimiser = RULES[name](parameters, rate=77.0)
                for parameter, value in zip(parameters.values(), values, strict=True):
                    parameter.data[...] = to_device(value, parameter.device)
                optimiser.load(state)
            give(parameters, batch)
            optimiser.step()
        ends.append(flatten(parameters.values()).tobytes())
    assert ends[0] == ends[1]


def test_a_state_that_does_not_fit_changes_nothing():
    parameters = model(np.random.default_rng(0))
    optimiser = Adam(parameters)
    before = optimiser.state()
    wrong = {**Adam(model(np.random.default_rng(0))).state(), "means": np.ones(3), "count": np.array(7.0)}
    for state in (wrong, SGD(parameters, rate=1.0).state()):
        with pytest.raises(ValueError, match="Adam: got state .* expected"):
            optimiser.load(state)
    assert all((before[name] == array).all() for name, array in optimiser.state().items())


def test_the_norm_is_measured_before_clipping_and_without_gradients_is_zero():
    parameters = model(np.random.default_rng(0))
    optimiser = SGD(parameters, rate=1.0, clip_norm=0.5)
    assert float(optimiser.measure()) == 0.0
    gradients = draw(np.random.default_rng(1))
    give(parameters, gradients)
    before = flatten(parameters.values())
    optimiser.step()  # measure was called before there were gradients: what it gathered is used
    assert (flatten(parameters.values()) == before).all()
    optimiser.step()
    norm = np.linalg.norm(flatten(gradients))
    assert float(optimiser.norm) == pytest.approx(norm) and optimiser.norm.shape == ()
    np.testing.assert_allclose(flatten(parameters.values()), before - flatten(gradients) * 0.5 / norm)


def test_a_norm_below_the_bound_is_left_alone_and_zero_is_no_division():
    parameters = model(np.random.default_rng(0))
    optimiser = SGD(parameters, rate=1.0, clip_norm=100.0)
    before, gradients = flatten(parameters.values()), draw(np.random.default_rng(1))
    give(parameters, gradients)
    optimiser.step()
    assert (flatten(parameters.values()) == before - flatten(gradients)).all()
    optimiser.zero_grad()
    with np.errstate(all="raise"):
        optimiser.step()
    assert all(parameter.grad is None for parameter in parameters.values())


def test_clipping_by_value():
    parameters = {"w": Tensor(np.zeros(3), True, dtype="float64")}
    optimiser = SGD(parameters, rate=1.0, clip_value=0.5)
    give(parameters, [np.array([-3.0, 0.25, 3.0])])
    optimiser.step()
    assert parameters["w"].numpy().tolist() == [0.5, -0.25, -0.5]


def test_the_noise_has_the_variance_of_its_equation():
    parameters = {"w": Tensor(np.zeros(200_000), True, dtype="float64")}
    optimiser = SGD(parameters, rate=1.0, noise=0.3, rng=np.random.default_rng(0), clip_norm=1e-9)
    for t in range(4):
        parameters["w"].data[...] = 0.0
        optimiser.step()
        assert parameters["w"].numpy().var() == pytest.approx(0.3 / (1 + t) ** 0.55, rel=0.02)


def test_rmsprop_stays_finite_for_large_steady_gradients():
    parameters = {"w": Tensor(np.zeros(3), True, dtype="float32")}
    optimiser = RMSProp(parameters, rate=1e-4)
    for _ in range(300):
        give(parameters, [np.array([1e3, 1e5, 1.23e7])])
        optimiser.step()
    assert np.isfinite(parameters["w"].numpy()).all()


def test_the_first_steps_of_adam_are_as_long_as_the_rate_in_float32():
    parameters = {"w": Tensor(np.zeros(3), True, dtype="float32")}
    optimiser = Adam(parameters, rate=0.01)
    give(parameters, [np.array([1e-3, 1.0, 1e3])])
    optimiser.step()
    np.testing.assert_allclose(parameters["w"].numpy(), -0.01, rtol=2e-5)


def test_what_cannot_be_optimised_is_refused():
    with pytest.raises(ValueError, match="got parameters of no kind"):
        SGD({}, rate=1.0)
    mixed = {"a": Tensor(np.zeros(1), True, dtype="float32"), "b": Tensor(np.zeros(1), True, dtype="float64")}
    with pytest.raises(ValueError, match="float32 on .* and float64 on .*, expected one dtype"):
        SGD(mixed, rate=1.0)
    with pytest.raises(ValueError, match="noise needs rng"):
        SGD({"a": mixed["a"]}, rate=1.0, noise=0.1)


@pytest.mark.parametrize("rule, rate", [(SGD, 0.1), (Momentum, 0.02), (RMSProp, 0.01), (Adam, 0.1)])
def test_each_rule_finds_the_bottom_of_a_bowl(rule, rate):
    w = Tensor(np.array([3.0, -2.0]), True, dtype="float64")
    target = Tensor(np.array([1.0, 0.5]), dtype="float64")
    optimiser = rule({"w": w}, rate=rate)
    for i in range(2000):
        optimiser.set_rate(rate / (1 + i / 200))
        optimiser.zero_grad()
        ((w - target) * (w - target)).sum().backward()
        optimiser.step()
    np.testing.assert_allclose(w.numpy(), target.numpy(), atol=1e-2)
