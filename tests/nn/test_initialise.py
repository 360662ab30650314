"""Initial values: ranges, spreads, and one seed for one model."""

import numpy as np
import pytest

from tinyaug.nn import initialise


def rng():
    return np.random.default_rng(0)


def test_uniform_and_normal_have_their_spread():
    x = initialise.uniform(rng(), (200, 100), 0.3)
    assert np.abs(x).max() <= 0.3 and x.std() == pytest.approx(0.3 / np.sqrt(3), rel=0.02)
    assert initialise.normal(rng(), (200, 100), 0.3).std() == pytest.approx(0.3, rel=0.02)


def test_glorot_keeps_the_variance_level():
    """Glorot and Bengio 2010, eq. (12): Var[W] = 2 / (inputs + outputs); a gain multiplies W."""
    w = initialise.glorot(rng(), (300, 100), gain=2.0)
    assert w.var() == pytest.approx(4 * 2 / 400, rel=0.03)
    assert np.abs(w).max() <= 2 * np.sqrt(6 / 400)


@pytest.mark.parametrize("shape", [(4, 4), (3, 7), (7, 3)])
def test_orthogonal(shape):
    q = initialise.orthogonal(rng(), shape, gain=3.0) / 3
    small = q @ q.T if shape[0] < shape[1] else q.T @ q
    np.testing.assert_allclose(small, np.eye(min(shape)), atol=1e-12)


def test_orthogonal_is_uniform_over_rotations():
    """The first entry of a random rotation of the plane is a cosine of a uniform angle: mean 0, not always negative."""
    draws = np.random.default_rng(1)
    entries = np.array([initialise.orthogonal(draws, (2, 2))[0, 0] for _ in range(2000)])
    assert abs(entries.mean()) < 0.07 and entries.var() == pytest.approx(0.5, rel=0.1)


def test_zeros_and_constant():
    assert initialise.zeros((2, 2)).tolist() == [[0, 0], [0, 0]]
    assert initialise.constant(3, 1).tolist() == [1.0, 1.0, 1.0] and initialise.constant(3, 1).dtype == float


@pytest.mark.parametrize("draw", [lambda r: initialise.glorot(r, (3, 4)), lambda r: initialise.orthogonal(r, (3, 4)),
                                  lambda r: initialise.normal(r, (3, 4), 1), lambda r: initialise.uniform(r, (3, 4), 1)])
def test_one_seed_one_draw(draw):
    assert draw(rng()).tobytes() == draw(rng()).tobytes()
