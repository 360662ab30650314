"""Every score and the function that uses it, against loops over plain numbers; masks."""

import numpy as np
import pytest

from tests.attention import loops
from tests.nn.models import check_module, randomised
from tinyaug import Tensor, no_grad, ops, using_dtype
from tinyaug.attention import (
    Additive,
    Concat,
    General,
    Location,
    attend,
    attention_weights,
    causal_mask,
    cosine,
    dot,
    padding_mask,
    positions,
    scaled_dot,
)
from tinyaug.check import check

B, Q, N, D, K, V = 2, 3, 5, 4, 4, 2


def lists(x):
    return x.numpy().tolist()


SCORES = {
    "dot": (lambda rng: dot, lambda s, q, keys: [loops.dot(q, k) for k in keys]),
    "scaled dot": (lambda rng: scaled_dot, lambda s, q, keys: [loops.scaled_dot(q, k) for k in keys]),
    "cosine": (lambda rng: cosine, lambda s, q, keys: [loops.cosine(q, k) for k in keys]),
    "general": (lambda rng: General(D, K, rng=rng), lambda s, q, keys: [loops.general(q, k, lists(s.weight)) for k in keys]),
    "additive": (lambda rng: Additive(D, K, 6, rng=rng), lambda s, q, keys: [
        loops.additive(q, k, lists(s.query.weight), lists(s.key.weight), lists(s.weight[:, 0])) for k in keys]),
    "concat": (lambda rng: Concat(D, K, 6, rng=rng), lambda s, q, keys: [
        loops.concat(q, k, lists(s.joint), lists(s.weight[:, 0])) for k in keys]),
    "location": (lambda rng: Location(D, 7, rng=rng), lambda s, q, keys: loops.location(q, len(keys), lists(s.weight))),
}


def data(seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(B, Q, D)), rng.normal(size=(B, N, K)), rng.normal(size=(B, N, V))


def scorer(name):
    """(function of query and keys, the Module or None)"""
    score = SCORES[name][0](np.random.default_rng(3))
    if not hasattr(score, "project"):
        return score, None
    randomised(score, np.random.default_rng(4))
    return lambda query, keys: score(query, score.project(keys)), score


@pytest.mark.parametrize("name", SCORES)
def test_a_score_and_what_is_read_against_loops(name):
    """Bahdanau eqs. (5) and (6), A.1.2; Luong section 3.1, eq. (8); Vaswani eq. (1); NTM eq. (6)."""
    with using_dtype("float64"):
        score, module = scorer(name)
        query, keys, values = data()
        context, weights = attend(Tensor(query), Tensor(keys), Tensor(values), score)
        assert context.shape == (B, Q, V) and weights.shape == (B, Q, N)
        for b in range(B):
            for i in range(Q):
                scores = SCORES[name][1](module, query[b, i].tolist(), keys[b].tolist())
                seen, looked = loops.attend(scores, values[b].tolist())
                np.testing.assert_allclose(weights.numpy()[b, i], looked, rtol=1e-12)
                np.testing.assert_allclose(context.numpy()[b, i], seen, rtol=1e-12)


@pytest.mark.parametrize("name", SCORES)
def test_gradients_with_a_mask(name, put):
    query, keys, values = data()
    mask = put(np.arange(N) < np.array([N, 3])[:, None])[:, None]
    with using_dtype("float64"):
        score, module = scorer(name)

        def run(query, keys, values):
            return attend(query, keys, values, score, Tensor(mask))

        if module is None:
            check(run, query, keys, values)
        else:
            check_module(module, run, query, keys, values)


@pytest.mark.parametrize("name", SCORES)
def test_padding_changes_nothing_and_its_gradient_is_exactly_zero(name):
    """Whatever stands behind the end: the numbers before it are the same up to rounding, and it gets no gradient."""
    score, _ = scorer(name)
    query, keys, values = data()
    short = attend(Tensor(query), Tensor(keys[:, :3]), Tensor(values[:, :3]), score)
    leaves = [Tensor(np.asarray(x, np.float32), requires_grad=True) for x in (query, keys * 50, values * 1e6)]
    keys32, values32 = np.array(leaves[1].numpy()), np.array(leaves[2].numpy())
    keys32[:, :3], values32[:, :3] = keys[:, :3], values[:, :3]
    leaves[1:] = [Tensor(x, requires_grad=True) for x in (keys32, values32)]
    mask = Tensor(np.arange(N) < 3)
    context, weights = attend(*leaves, score, mask)
    np.testing.assert_allclose(context.numpy(), short[0].numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(weights.numpy()[..., :3], short[1].numpy(), rtol=1e-5, atol=1e-6)
    assert not weights.numpy()[..., 3:].any()
    ops.sum(context * context).backward()
    for leaf in leaves[1:]:
        assert leaf.grad is None or not leaf.grad.numpy()[:, 3:].any()
    assert leaves[2].grad.numpy()[:, :3].any()


def test_where_nothing_may_be_looked_at_there_is_nothing_and_no_gradient():
    query, keys, values = (Tensor(x, requires_grad=True) for x in data())
    mask = Tensor(np.array([[[True] * N], [[False] * N]]))
    context, weights = attend(query, keys, values, dot, mask)
    assert not context.numpy()[1].any() and not weights.numpy()[1].any()
    np.testing.assert_allclose(weights.numpy()[0].sum(-1), 1, rtol=1e-6)
    ops.sum(context).backward()
    for leaf in (query, keys, values):
        assert np.isfinite(leaf.grad.numpy()).all() and not leaf.grad.numpy()[1].any()
    assert values.grad.numpy()[0].any()


def test_masks():
    tokens = Tensor(np.array([[4, 2, 0], [3, 0, 0]]))
    np.testing.assert_array_equal(padding_mask(tokens).numpy(), [[[True, True, False]], [[True, False, False]]])
    np.testing.assert_array_equal(causal_mask(Tensor(np.zeros((2, 3, 4)))).numpy(), np.tril(np.ones((3, 3), bool)))
    np.testing.assert_array_equal(positions(Tensor(np.full((2, 3), 7.0))).numpy(), [[0, 1, 2]] * 2)


def test_weights_alone_are_those_of_attend():
    query, keys, values = map(Tensor, data())
    np.testing.assert_array_equal(attention_weights(query, keys, dot).numpy(), attend(query, keys, values, dot)[1].numpy())


def test_a_location_score_knows_no_place_beyond_its_longest():
    score = Location(D, 4, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"Location: 5 keys, expected at most 4; build it with longest=5"), no_grad():
        score(Tensor(np.zeros((1, 1, D))), Tensor(np.zeros((1, 5, K))))


def test_emphasis_multiplies_the_weights_after_the_softmax():
    query, keys, values = map(Tensor, data())
    half = Tensor(np.full((B, Q, N), 0.5))
    context, weights = attend(query, keys, values, dot, emphasis=half)
    plain = attend(query, keys, values, dot)
    np.testing.assert_allclose(weights.numpy(), plain[1].numpy() / 2, rtol=1e-6)
    np.testing.assert_allclose(context.numpy(), plain[0].numpy() / 2, rtol=1e-5, atol=1e-7)
