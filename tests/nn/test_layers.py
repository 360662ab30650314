"""Layers without state: what they compute, and the statistics of what they draw."""

from math import sqrt

import numpy as np
import pytest

from tinyaug import Tensor, ops, using_dtype
from tinyaug.check import check
from tinyaug.nn import Dropout, Embedding, LayerNorm, Linear


def test_linear():
    with using_dtype("float64"):
        layer = Linear(2, 3, rng=np.random.default_rng(0))
        layer.load({"weight": np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]), "bias": np.array([0.1, 0.2, 0.3])})
        assert layer(Tensor([10.0, 1.0])).numpy().tolist() == [14.1, 25.2, 36.3]


def test_linear_starts_in_glorots_range():
    weight = Linear(300, 100, rng=np.random.default_rng(0)).weight.numpy()
    limit = sqrt(6 / 400)
    assert np.abs(weight).max() <= limit
    assert weight.std() == pytest.approx(limit / sqrt(3), rel=0.02)         # of a uniform distribution


def test_linear_without_bias_has_none():
    assert [name for name, _ in Linear(2, 3, rng=np.random.default_rng(0), bias=False).named_parameters()] == ["weight"]


def test_embedding_takes_rows_and_adds_their_gradients_up(put):
    table = Embedding(4, 2, rng=np.random.default_rng(0))
    rows = table.weight.numpy()
    out = table(put([[3, 0], [3, 3]]))
    np.testing.assert_array_equal(out.numpy(), rows[[[3, 0], [3, 3]]])
    ops.sum(out).backward()
    assert table.weight.grad.numpy().tolist() == [[1, 1], [0, 0], [0, 0], [3, 3]]


@pytest.mark.parametrize("index", [4, -5])
def test_embedding_refuses_an_index_outside_its_table(index, put):
    with pytest.raises(IndexError):
        Embedding(4, 2, rng=np.random.default_rng(0))(put([index]))


def test_layer_norm():
    """Ba, Kiros, Hinton 2016, eq. (4), in loops."""
    x, gain, bias = [[1.0, 2.0, 4.0, 9.0], [-1.0, 0.5, 0.5, 3.0]], [1.0, 2.0, -1.0, 0.5], [0.0, 0.1, 0.2, 0.3]
    with using_dtype("float64"):
        layer = LayerNorm(4, epsilon=1e-5)
        layer.load({"gain": np.array(gain), "bias": np.array(bias)})
        y = layer(Tensor(x)).numpy()
    for b in range(2):
        mean = sum(x[b]) / 4
        deviation = sqrt(sum((v - mean) ** 2 for v in x[b]) / 4 + 1e-5)
        for k in range(4):
            assert y[b, k] == pytest.approx((x[b][k] - mean) / deviation * gain[k] + bias[k], abs=1e-14)


def test_layer_norm_of_equal_elements_is_the_bias_with_a_finite_gradient():
    x = Tensor(np.full((1, 4), 7.0), requires_grad=True)
    y = LayerNorm(4)(x)
    y.backward(np.array([[1.0, 2.0, 3.0, 4.0]]))
    assert y.numpy().tolist() == [[0, 0, 0, 0]]
    assert np.isfinite(x.grad.numpy()).all()


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropout_zeroes_a_share_of_the_elements_and_keeps_the_mean(rate):
    y = Dropout(rate, rng=np.random.default_rng(0))(Tensor(np.ones(40_000)), training=True).numpy()
    spread = 4 * sqrt(rate * (1 - rate) / y.size)                           # four standard deviations of a share
    assert abs((y == 0).mean() - rate) < spread
    assert abs(y.mean() - 1) < spread / (1 - rate)
    np.testing.assert_allclose(y[y != 0], 1 / (1 - rate), rtol=1e-6)


def test_dropout_draws_a_new_mask_for_each_call_and_element():
    layer = Dropout(0.5, rng=np.random.default_rng(0))
    masks = [layer(Tensor(np.ones((50, 40))), training=True).numpy() > 0 for _ in range(2)]
    assert 0.4 < (masks[0] == masks[1]).mean() < 0.6
    assert 0.4 < (masks[0][:25] == masks[0][25:]).mean() < 0.6


def test_the_gradient_of_dropout_passes_the_same_mask():
    x = Tensor(np.arange(1.0, 101.0), requires_grad=True)
    y = Dropout(0.25, rng=np.random.default_rng(1))(x, training=True)
    y.backward(np.ones(100))
    np.testing.assert_allclose(x.grad.numpy(), y.numpy() / np.arange(1, 101), rtol=1e-6)
    check(lambda x: Dropout(0.25, rng=np.random.default_rng(1))(x, training=True), np.linspace(-1, 1, 12))


def test_dropout_does_nothing_outside_of_training_and_draws_nothing():
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    x = Tensor([1.0, 2.0])
    assert Dropout(0.5, rng=rng)(x, training=False) is x
    assert Dropout(0.0, rng=rng)(x, training=True) is x
    assert rng.bit_generator.state == before


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_dropout_refuses_a_rate_that_cannot_be(rate):
    with pytest.raises(ValueError, match=f"Dropout: rate {rate}, expected 0 <= rate < 1"):
        Dropout(rate, rng=np.random.default_rng(0))
