"""Generators of synthetic sequences: what every draw keeps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyaug.data.algorithmic import copy


@given(st.integers(0, 2 ** 32), st.integers(1, 5), st.integers(1, 25), st.integers(1, 10))
def test_copy(seed, batch, length, bits):
    """The vectors, the delimiter on a channel of its own, then silence for as long as the answer takes."""
    inputs, targets = copy(np.random.default_rng(seed), batch, length, bits)
    assert inputs.shape == (2 * length + 1, batch, bits + 1) and targets.shape == (length, batch, bits)
    assert inputs.dtype == targets.dtype == np.float32
    assert set(np.unique(targets)) <= {0.0, 1.0}
    np.testing.assert_array_equal(inputs[:length, :, :bits], targets)
    assert not inputs[:length, :, bits].any() and (inputs[length, :, bits] == 1).all()
    assert not inputs[length, :, :bits].any() and not inputs[length + 1:].any()


def test_copy_has_8_bits_unless_asked_otherwise():
    assert copy(np.random.default_rng(0), 1, 3)[1].shape == (3, 1, 8)


def test_bits_are_fair_and_independent():
    _, targets = copy(np.random.default_rng(0), 50, 50, 8)
    share = 4 * 0.5 / np.sqrt(targets.size)                                 # four standard deviations
    assert abs(targets.mean() - 0.5) < share
    for other in (np.roll(targets, 1, 0), np.roll(targets, 1, 1), np.roll(targets, 1, 2)):
        assert abs((targets == other).mean() - 0.5) < 2 * share


@pytest.mark.parametrize("again", [True, False])
def test_the_generator_is_the_only_source_of_chance(again):
    rng = np.random.default_rng(5)
    first = copy(rng, 2, 6)[1]
    second = copy(np.random.default_rng(5) if again else rng, 2, 6)[1]
    assert np.array_equal(first, second) is again
