"""Hard attention: what is drawn, and REINFORCE checked by enumerating every draw."""

import itertools

import numpy as np
import pytest

from tinyaug import Tensor, ops, using_dtype
from tinyaug.attention import attend, attend_hard, dot, others_mean, reinforce

N, D, V = 4, 3, 2


def data(batch=1, queries=1):
    rng = np.random.default_rng(0)
    return rng.normal(size=(batch, queries, D)), rng.normal(size=(batch, N, D)), rng.normal(size=(batch, N, V))


def forced(*places):
    """Noise that makes the draw fall on these places, whatever the scores."""
    return Tensor(1e6 * np.eye(N)[list(places)][None])


def test_a_draw_reads_its_row_and_nothing_else():
    query, keys, values = map(Tensor, data(queries=2))
    context, glance = attend_hard(query, keys, values, dot, noise=forced(2, 0))
    np.testing.assert_array_equal(glance.choice.numpy(), [[2, 0]])
    np.testing.assert_array_equal(context.numpy()[0], values.numpy()[0, [2, 0]])
    weights = attend(query, keys, values, dot)[1].numpy()
    np.testing.assert_allclose(glance.weights.numpy(), weights, rtol=1e-6)
    np.testing.assert_allclose(glance.log_likelihood.numpy()[0], np.log([weights[0, 0, 2], weights[0, 1, 0]]), rtol=1e-5)
    np.testing.assert_allclose(glance.entropy.numpy(), -(weights * np.log(weights)).sum(-1), rtol=1e-5)


def test_without_noise_it_is_the_likeliest_place():
    query, keys, values = map(Tensor, data(queries=2))
    _, glance = attend_hard(query, keys, values, dot)
    np.testing.assert_array_equal(glance.choice.numpy(), glance.weights.numpy().argmax(-1))


def test_draws_have_the_probabilities_of_the_weights():
    """20,000 draws with Gumbel noise: each share within five of its standard deviations."""
    rng = np.random.default_rng(1)
    query, keys, values = data()
    draws = 20_000
    many = [Tensor(np.repeat(x, draws, axis=0)) for x in (query, keys, values)]
    noise = Tensor(-np.log(-np.log(rng.random((draws, 1, N)))))
    _, glance = attend_hard(*many, dot, noise=noise)
    p = glance.weights.numpy()[0, 0]
    share = np.bincount(glance.choice.numpy()[:, 0], minlength=N) / draws
    assert (np.abs(share - p) < 5 * np.sqrt(p * (1 - p) / draws)).all()


def test_a_masked_place_is_never_drawn_and_has_no_gradient():
    query, keys, values = (Tensor(x, requires_grad=True) for x in data(batch=300))
    noise = Tensor(np.random.default_rng(2).gumbel(size=(300, 1, N)))
    context, glance = attend_hard(query, keys, values, dot, Tensor(np.arange(N) < 2), noise)
    assert set(glance.choice.numpy().ravel()) == {0, 1}
    (reinforce(glance.log_likelihood, Tensor(np.ones((300, 1))), 0.3) - ops.sum(glance.entropy)).backward()
    assert np.isfinite(query.grad.numpy()).all() and query.grad.numpy().any()
    assert not keys.grad.numpy()[:, 2:].any() and keys.grad.numpy()[:, :2].any()


@pytest.mark.parametrize("baseline", [0.0, -1.7])
def test_reinforce_over_all_draws_is_the_gradient_of_the_expected_reward(baseline):
    """Two draws, the second after the first was seen. Sum over all 16 pairs of p(pair) times the gradient that REINFORCE
    gives for it; beside it the gradient of the expectation, written out and differentiated. Any baseline: the same."""
    query, keys, values = data()
    aim = np.array([0.3, -0.4])

    def roll(query, keys, values, pair):
        """Likelihood of a pair of draws, its log as REINFORCE has it, and the reward."""
        log_likelihood, seen = 0.0, 0.0
        for place in pair:
            context, glance = attend_hard(query, keys, values, dot, noise=forced(place))
            seen = seen + context
            log_likelihood = log_likelihood + glance.log_likelihood
            query = query + ops.sum(context)                    # what was seen decides where to look next
        left = ops.reshape(seen, (V,)) - aim
        return log_likelihood, -ops.reshape(ops.sum(left * left), (1, 1))

    with using_dtype("float64"):
        pairs = list(itertools.product(range(N), repeat=2))
        leaves = [Tensor(x, requires_grad=True) for x in (query, keys)]
        for pair in pairs:
            logs, reward = roll(*leaves, Tensor(values), pair)
            p = float(np.exp(logs.numpy()).item())
            (p * reinforce(logs, reward, baseline)).backward()
        estimated = [x.grad.numpy() for x in leaves]
        exact = [Tensor(x, requires_grad=True) for x in (query, keys)]
        expected = 0.0
        for pair in pairs:
            logs, reward = roll(*exact, Tensor(values), pair)
            expected = expected - ops.sum(ops.exp(logs) * reward.detach())
        expected.backward()
        for a, b in zip(estimated, exact):
            assert np.abs(b.grad.numpy()).max() > 1e-3
            np.testing.assert_allclose(a, b.grad.numpy(), rtol=1e-10, atol=1e-12)


def test_the_baseline_of_a_row_is_the_mean_of_the_others():
    rewards = Tensor(np.array([[1.0], [2.0], [6.0]]))
    np.testing.assert_allclose(others_mean(rewards).numpy(), [[4.0], [3.5], [1.5]])
