"""Recorded = eager for everything that is a Core, and for whole steps of training."""

import numpy as np
import pytest

from tests.nn.models import CORES, INPUTS, OUTPUTS, PONDERING, ntm, randomised
from tinyaug import Tensor, ops, using_dtype
from tinyaug.nn import GRU, LSTM, flatten_state, unroll
from tinyaug.record import record
from tinyaug.train.optimise import SGD, Adam, Momentum, RMSProp

pytestmark = pytest.mark.host            # programs are of arrays on the host
exact_or_not = pytest.mark.parametrize("exact", [True, False], ids=["exact", "with passes"])

# slots and widths at which every pass finds something: dot products, the long axis last, steps enough for `bulk`
WIDE = {
    "NTM(LSTM), wide": ntm(LSTM, slots=40, width=8),
    "NTM(LSTM), 2 read and 2 write heads, wide": ntm(LSTM, read_heads=2, write_heads=2, slots=40, width=8),
    "NTM(GRU), 2 read heads, width 70": ntm(GRU, read_heads=2, slots=3, width=70),
}


def same(got, expected, exact):
    """To the last bit, or within rounding of the largest number."""
    assert len(got) == len(expected)
    for a, b in zip(got, expected):
        a, b = (x.numpy() if isinstance(x, Tensor) else x for x in (a, b))
        assert a.shape == b.shape and a.dtype == b.dtype
        if exact:
            assert a.tobytes() == b.tobytes()
        else:
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12 * max(1, np.abs(b).max(initial=0)))


@pytest.mark.parametrize("name", ["ACT(GRU)", "ACT(NTM(LSTM))", "Fixed(LSTM)", "PonderNet(LSTM)"])
def test_a_pondering_core_over_several_steps(name):
    """Not to the bit: eagerly, the loop ends when all have halted, and the sums of gradients are shorter by zeros."""
    test_a_core_over_several_steps(name, False)


@exact_or_not
@pytest.mark.parametrize("name", [*CORES, *WIDE])
def test_a_core_over_several_steps(name, exact):
    """Outputs, last state and the gradient of every parameter; inputs change, and so do lengths and batches."""
    with using_dtype("float64"):
        rng = np.random.default_rng(4)
        core = randomised((CORES | WIDE | PONDERING)[name](rng), rng)

        def run(inputs, cotangent):
            core.zero_grad()
            outputs, state = unroll(core, inputs)
            ops.sum(outputs * cotangent).backward()
            return [outputs, *[x for _, x in flatten_state(state)], *[x.grad for x in core.parameters()]]

        recorded = record(run, passes=[] if exact else None)
        for steps, batch in ((10, 2), (3, 1), (10, 2), (3, 1), (10, 2)):
            given = [Tensor(rng.normal(size=(steps, batch, width))) for width in (INPUTS, OUTPUTS)]
            same(recorded(*given), run(*given), exact)
        assert len(recorded.programs) == 2


OPTIMISERS = {
    "SGD": lambda model: SGD(model, rate=0.05, clip_norm=0.5),
    "Momentum": lambda model: Momentum(model, rate=0.02, clip_value=0.1),
    "RMSProp": lambda model: RMSProp(model, rate=1e-3, clip_value=0.05),
    "RMSProp, not centred": lambda model: RMSProp(model, rate=1e-3, centred=False, clip_norm=0.5, clip_value=0.3),
    "Adam": lambda model: Adam(model, rate=1e-2, clip_norm=1.0),
}
SHAPES = (4, 2), (7, 1), (4, 2), (2, 3)


def training(optimiser, passes=None, eager=False, whole=True, steps=20):
    """Train a small NTM on targets that no model learns. returns: losses, parameters and the optimiser's state

    whole: forward, backward and update in one function; otherwise the update in one of its own
    """
    with using_dtype("float64"):
        model = ntm(LSTM, slots=6, width=4)(np.random.default_rng(2))
        rule = OPTIMISERS[optimiser](model)

        def differentiate(inputs, targets):
            rule.zero_grad()
            loss = ops.mean_squared_error(unroll(model, inputs)[0], targets)
            loss.backward()
            norm = rule.measure()
            if whole:
                rule.advance()
            return loss, norm

        update = rule.advance
        if not eager:
            differentiate, update = (record(f, passes=passes) for f in (differentiate, rule.advance))
        rng, seen = np.random.default_rng(3), []
        for i in range(steps):
            length, batch = SHAPES[i % len(SHAPES)]
            loss, norm = differentiate(*[Tensor(rng.normal(size=(length, batch, w))) for w in (INPUTS, OUTPUTS)])
            seen += [loss.numpy(), np.array(norm)]
            if not whole:
                update()
            rule.set_rate(float(rule.rate) * 0.98)
        return [*seen, *model.state().values(), *rule.state().values()]


@exact_or_not
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_training_steps_with_the_update_inside(optimiser, exact):
    got = training(optimiser, passes=[] if exact else None)
    same(got, training(optimiser, eager=True), exact)


@exact_or_not
def test_training_steps_with_the_update_apart(exact):
    same(training("RMSProp", [] if exact else None, whole=False), training("RMSProp", eager=True, whole=False), exact)


def test_memory_of_its_own_for_every_array_changes_nothing():
    with using_dtype("float64"):
        core = CORES["NTM(LSTM)"](np.random.default_rng(1))
        inputs = [Tensor(np.random.default_rng(draw).normal(size=(6, 2, INPUTS))) for draw in range(3)]
        one, other = (record(lambda x: unroll(core, x)[0], reuse=reuse) for reuse in (True, False))
        for x in inputs:
            assert one(x).numpy().tobytes() == other(x).numpy().tobytes()
        sizes = [next(iter(f.programs.values()))[0].bytes for f in (one, other)]
        assert 2 * sizes[0] < sizes[1]


def test_the_numbers_of_a_vector_one_by_one():
    def function(x):
        a, b = ops.unstack(ops.sum(x, axis=0))
        return ops.stack([a * b, b, x[0, 1]])
    x = Tensor(np.arange(6.0).reshape(3, 2))
    recorded = record(function)
    for _ in range(3):
        assert recorded(x).numpy().tolist() == function(x).numpy().tolist() == [54.0, 9.0, 1.0]


def test_two_numbers_chosen_by_a_mask():
    recorded = record(lambda x: ops.where(x > 0, 1.0, -2.0))
    for value in (3.0, -3.0):
        y = recorded(Tensor([value, -value]))
        assert y.dtype == np.float32 and y.numpy().tolist() == [1.0, -2.0][::int(np.sign(value))]
