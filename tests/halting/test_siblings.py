"""The same number of steps always, and PonderNet: both under the protocol of ACT."""

from math import log

import numpy as np
import pytest

from tests.halting import loops
from tests.nn.models import check_module, randomised
from tinyaug import Tensor, ops, using_dtype
from tinyaug.halting import ACT, Fixed, PonderNet, PonderState, divergence, halting_log_probabilities
from tinyaug.nn import LSTM, RNN, unroll

D, H = 2, 3


def rnn(seed=0):
    rng = np.random.default_rng(seed)
    return randomised(RNN(D + 1, H, rng=rng), rng)


def marked(inputs, mark):
    return ops.concatenate([inputs, Tensor(np.full((*inputs.shape[:-1], 1), mark))], axis=-1)


def test_one_fixed_step_is_the_core_itself():
    core, inputs = rnn(), Tensor(np.random.default_rng(1).normal(size=(4, 2, D)))
    outputs, state = unroll(Fixed(core, 1), inputs)
    np.testing.assert_array_equal(outputs.numpy(), unroll(core, marked(inputs, 1.0))[0].numpy())
    assert isinstance(state, PonderState) and state.ponder_cost.numpy().tolist() == [4.0, 4.0]


def test_three_fixed_steps_are_three_steps_of_the_core():
    core, x = rnn(), Tensor(np.random.default_rng(1).normal(size=(2, D)))
    fixed = Fixed(core, 3)
    thought, after = fixed.ponder(x, fixed.initial_state(2))
    y, state = core(marked(x, 1.0), core.initial_state(2))
    for _ in range(2):
        y, state = core(marked(x, 0.0), state)
    np.testing.assert_array_equal(thought.output.numpy(), y.numpy())
    np.testing.assert_array_equal(after.core.hidden.numpy(), state.hidden.numpy())
    assert thought.weights.numpy().tolist() == [[0, 0], [0, 0], [1, 1]] and thought.steps.numpy().tolist() == [3, 3]


@pytest.mark.parametrize("form", [
    Fixed, lambda core, limit: ACT(core, limit=limit, halting_bias=-9.0, rng=np.random.default_rng(2)),
    lambda core, limit: PonderNet(core, limit=limit, rng=np.random.default_rng(2))])
def test_a_lower_limit_for_once_is_a_form_with_that_limit(form):
    core, x = rnn(), Tensor(np.random.default_rng(1).normal(size=(2, D)))
    eight, three = form(core, 8), form(core, 3)
    found, _ = eight.ponder(x, eight.initial_state(2), limit=3)
    expected, _ = three.ponder(x, three.initial_state(2))
    for each, same in zip(found, expected):
        np.testing.assert_array_equal(each.numpy(), same.numpy())
    assert len(found.outputs.numpy()) == 3 and len(eight.ponder(x, eight.initial_state(2))[0].outputs.numpy()) == 8


@pytest.mark.parametrize("n", [1, 2, 6])
def test_ponder_nets_probabilities_against_loops(n):
    logits = np.random.default_rng(n).normal(size=(n, 5))
    with using_dtype("float64"):
        p = np.exp(halting_log_probabilities(Tensor(logits)).numpy())
    np.testing.assert_allclose(p.sum(axis=0), 1, atol=1e-12)
    for b in range(5):
        np.testing.assert_allclose(p[:, b], loops.ponder_net((1 / (1 + np.exp(-logits[:, b]))).tolist()), rtol=1e-9)


def test_a_certain_halt_stays_finite():
    """Logits of +-1000: all the mass on one step, and a gradient."""
    logits = Tensor([[-1000.0, 1000.0], [1000.0, 0.0], [0.0, 0.0]], requires_grad=True)
    chances = halting_log_probabilities(logits)
    np.testing.assert_array_equal(np.exp(chances.numpy()), [[0, 1], [1, 0], [0, 0]])
    ops.sum(divergence(chances, 0.2)).backward()
    assert np.isfinite(logits.grad.numpy()).all()


def test_divergence_by_hand_and_its_least():
    """Against loops; 0 for the prior itself, which the limit cuts off."""
    prior = 0.3
    geometric = loops.ponder_net([prior] * 4)
    p = np.random.default_rng(0).dirichlet(np.ones(4))
    expected = sum(p[n] * (log(p[n]) - log(geometric[n])) for n in range(4))
    with using_dtype("float64"):
        assert divergence(Tensor(np.log(p)[:, None]), prior).item() == pytest.approx(expected, rel=1e-9)
        assert divergence(Tensor(np.log(geometric)[:, None]), prior).item() == pytest.approx(0, abs=1e-12)


def test_ponder_net_goes_on_from_the_mean_and_counts_what_it_expects():
    with using_dtype("float64"):
        rng = np.random.default_rng(2)
        net = randomised(PonderNet(LSTM(D + 1, H, rng=rng), limit=4, prior=0.4, rng=rng), rng)
        thought, state = net.ponder(Tensor(rng.normal(size=(2, D))), net.initial_state(2))
    p = thought.weights.numpy()
    for b in range(2):
        np.testing.assert_allclose(p[:, b], loops.ponder_net(thought.halting.numpy()[:, b].tolist()), rtol=1e-9)
    np.testing.assert_allclose(thought.output.numpy(), (p[..., None] * thought.outputs.numpy()).sum(axis=0), rtol=1e-9)
    np.testing.assert_allclose(state.core.hidden.numpy(), thought.output.numpy(), rtol=1e-9)
    np.testing.assert_allclose(state.steps.numpy(), (p * np.arange(1, 5)[:, None]).sum(axis=0), rtol=1e-9)
    np.testing.assert_array_equal(thought.remainder.numpy(), p[-1])


def test_a_whole_step_of_ponder_net():
    """Its loss: the mean over the steps' errors, plus beta times the divergence; by inputs and all parameters."""
    with using_dtype("float64"):
        rng = np.random.default_rng(3)
        net = randomised(PonderNet(RNN(D + 1, H, rng=rng), limit=3, rng=rng), rng)

        def step(x, target):
            thought, state = net.ponder(x, net.initial_state(2))
            errors = ops.sum(ops.square(thought.outputs - target), axis=-1)
            return ops.mean(ops.sum(thought.weights * errors, axis=0) + 0.1 * state.ponder_cost)

        check_module(net, step, rng.normal(size=(2, D)), rng.normal(size=(2, H)))


@pytest.mark.parametrize("build, says", [
    (lambda rng: Fixed(rnn(), 0), "Fixed: a limit of 0 steps, expected at least 1"),
    (lambda rng: PonderNet(rnn(), limit=0, rng=rng), "PonderNet: a limit of 0 steps, expected at least 1"),
    (lambda rng: PonderNet(rnn(), prior=1.0, rng=rng), "PonderNet: prior 1.0, expected more than 0 and less than 1"),
])
def test_a_setting_that_cannot_be(build, says):
    with pytest.raises(ValueError, match=says):
        build(np.random.default_rng(0))
