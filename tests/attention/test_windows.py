"""Local attention, Luong 2015, section 3.2."""

import numpy as np
import pytest

from tests.attention import loops
from tests.nn.models import check_module, randomised
from tinyaug import Tensor, using_dtype
from tinyaug.attention import LocalMonotonic, LocalPredictive, attend, dot

B, N, D = 2, 9, 4


def data():
    rng = np.random.default_rng(0)
    return rng.normal(size=(B, 1, D)), rng.normal(size=(B, N, D)), rng.normal(size=(B, N, 3))


def step(t):
    return Tensor(np.full((B, 1, 1), float(t)))


@pytest.mark.parametrize("t", [0, 4, 8, 20])
def test_local_m(t):
    with using_dtype("float64"):
        query, keys, values = data()
        mask, emphasis = LocalMonotonic(2)(Tensor(query), step(t), None, N)
        assert emphasis is None
        _, weights = attend(Tensor(query), Tensor(keys), Tensor(values), dot, mask)
        for b in range(B):
            scores = [loops.dot(query[b, 0], k) for k in keys[b]]
            np.testing.assert_allclose(weights.numpy()[b, 0], loops.local_m(scores, t, 2), rtol=1e-12)


def test_local_p_equations_9_and_10():
    """The centre is a share of each sequence's own length; the bell has half the reach as its deviation."""
    with using_dtype("float64"):
        rng = np.random.default_rng(1)
        window = randomised(LocalPredictive(D, 5, 3, rng=rng), rng)
        query, keys, values = data()
        lengths = [9.0, 6.0]
        mask, emphasis = window(Tensor(query), step(0), Tensor(np.array(lengths)), N)
        _, weights = attend(Tensor(query), Tensor(keys), Tensor(values), dot, mask, emphasis)
        W, v = window.hidden.weight.numpy().tolist(), window.weight.numpy()[:, 0].tolist()
        for b in range(B):
            scores = [loops.dot(query[b, 0], k) for k in keys[b]]
            expected = loops.local_p(scores, query[b, 0].tolist(), W, v, lengths[b], 3)
            np.testing.assert_allclose(weights.numpy()[b, 0], expected, rtol=1e-12, atol=1e-15)
            assert 0 < sum(w > 0 for w in expected) < N


def test_local_p_gradient_moves_the_centre():
    rng = np.random.default_rng(2)
    with using_dtype("float64"):
        window = randomised(LocalPredictive(D, 5, 3, rng=rng), rng)
        lengths = Tensor(np.array([9.0, 7.0]))

        def run(query, keys, values):
            mask, emphasis = window(query, step(0), lengths, N)
            return attend(query, keys, values, dot, mask, emphasis)

        check_module(window, run, *data())
