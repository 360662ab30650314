"""A decoder with attention as a Core: its equations, its source, and what it refuses."""

from math import exp, sqrt, tanh

import numpy as np
import pytest

from tests.halting.loops import affine
from tests.nn.models import check_core, randomised
from tinyaug import Tensor, using_dtype
from tinyaug.halting import ACT, Looking
from tinyaug.nn import LSTM, RNN

D, H, W, N = 2, 3, 4, 5


def looking(seed=0):
    rng = np.random.default_rng(seed)
    return randomised(Looking(RNN(D + W, H, rng=rng), slots=N, width=W, rng=rng), rng)


def by_loops(v, x, hidden, context, source):
    """One step for one sequence, with parameters v by their dotted names. returns: y, c'"""
    y = [tanh(z) for z in affine(x + context + hidden, v["core.linear.weight"], v["core.linear.bias"])]
    query = affine(y, v["query.weight"], v["query.bias"])
    scores = [exp(sum(q * k for q, k in zip(query, row)) / sqrt(W)) for row in source]
    return y, [sum(e * row[j] for e, row in zip(scores, source)) / sum(scores) for j in range(W)]


def test_two_steps_against_loops():
    """With three things at the first of five places, each added to its place's own vector."""
    rng = np.random.default_rng(1)
    with using_dtype("float64"):
        core = looking()
        given, inputs = rng.normal(size=(2, 3, W)), rng.normal(size=(2, 2, D))
        state = core.initial_state(2, Tensor(given))
        v = {name: x.numpy().tolist() for name, x in core.named_parameters()}
        outputs = []
        for x in inputs:
            y, state = core(Tensor(x), state)
            outputs.append(y.numpy())
    for b in range(2):
        source = np.array(v["places"]) + np.concatenate([given[b], np.zeros((2, W))])
        np.testing.assert_array_equal(state.source.numpy()[b], source)
        y, context = v["core.start_hidden"], v["start_context"]
        for x, output in zip(inputs[:, b].tolist(), outputs):
            y, context = by_loops(v, x, y, context, source.tolist())
            np.testing.assert_allclose(output[b], y + context, rtol=1e-12)


def test_gradients():
    check_core(lambda rng: Looking(LSTM(3 + 2, 2, rng=rng), slots=3, width=2, rng=rng), steps=2)


def test_the_mean_of_states_has_the_same_source():
    rng = np.random.default_rng(2)
    model = ACT(Looking(LSTM(D + 1 + W, H, rng=rng), slots=N, width=W, rng=rng), limit=6, halting_bias=-2.0, rng=rng)
    state = model.initial_state(2)
    before = state.core.source.numpy()
    for x in rng.normal(size=(4, 2, D)):
        _, state = model(Tensor(x), state)
    np.testing.assert_allclose(state.core.source.numpy(), before, rtol=1e-5)


def test_a_core_or_a_source_that_cannot_be():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="input_size 4, expected more than the width 4"):
        Looking(RNN(4, H, rng=rng), slots=N, width=4, rng=rng)
    with pytest.raises(ValueError, match="a source with 6 places, expected at most 5"):
        looking().initial_state(1, Tensor(rng.normal(size=(1, 6, W))))
