"""Encoders that read sequences of several lengths."""

import numpy as np
import pytest

from tests.nn.models import CORES, check_module, ntm, randomised
from tinyaug import Tensor, ops, using_dtype
from tinyaug.attention import Bidirectional, Pyramid, unroll_masked
from tinyaug.nn import GRU, LSTM, unroll

B, T, D, H = 3, 4, 3, 4
LENGTHS = [4, 1, 3]
MASK = np.arange(T) < np.array(LENGTHS)[:, None]


def inputs(batch=B, length=T):
    return np.random.default_rng(0).normal(size=(batch, length, D))


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("name", CORES)
def test_every_core_reads_a_padded_batch_as_it_reads_each_sequence_alone(name, backwards):
    with using_dtype("float64"):
        rng = np.random.default_rng(1)
        core = randomised(CORES[name](rng), rng)
        x = inputs()
        outputs, state = unroll_masked(core, Tensor(x), Tensor(MASK), backwards)
        for b, length in enumerate(LENGTHS):
            alone = x[b, :length][::-1 if backwards else 1]
            y, last = unroll(core, Tensor(alone[:, None]))
            y = y.numpy()[:, 0][::-1 if backwards else 1]
            np.testing.assert_allclose(outputs.numpy()[b, :length], y, rtol=1e-12)
            assert not outputs.numpy()[b, length:].any()
            for a, c in zip(leaves(state), leaves(last)):
                np.testing.assert_allclose(a.numpy()[b], c.numpy()[0], rtol=1e-12)


def leaves(state):
    return [state] if isinstance(state, Tensor) else [x for part in state for x in leaves(part)]


def both(rng, inputs=D, kind=LSTM):
    return Bidirectional(kind(inputs, 2, rng=rng), kind(inputs, 3, rng=rng))


def pyramid(rng):
    return Pyramid([both(rng), both(rng, inputs=10)])


def test_a_bidirectional_encoder_joins_two_runs():
    """Bahdanau 2015, section 3.2: each place has what the one core made of all before it, and the other of all behind."""
    rng = np.random.default_rng(2)
    encoder = randomised(both(rng), rng)
    x = inputs()
    joined, summary = encoder(Tensor(x))
    there, _ = unroll(encoder.forwards, Tensor(x.swapaxes(0, 1)))
    back, _ = unroll(encoder.backwards, Tensor(x.swapaxes(0, 1)[::-1].copy()))
    expected = np.concatenate([there.numpy(), back.numpy()[::-1]], -1).swapaxes(0, 1)
    np.testing.assert_array_equal(joined.numpy(), expected)
    np.testing.assert_array_equal(summary.numpy(), np.concatenate([expected[:, -1, :2], expected[:, 0, 2:]], -1))


@pytest.mark.parametrize("build", [both, pyramid], ids=["bidirectional", "pyramid"])
def test_padding_changes_nothing_and_its_gradient_is_exactly_zero(build):
    with using_dtype("float64"):
        rng = np.random.default_rng(3)
        encoder = randomised(build(rng), rng)
        x = inputs()
        other = np.where(MASK[..., None], x, 1e3 * np.random.default_rng(4).normal(size=x.shape))
        wider = np.concatenate([other, np.full((B, 4, D), 77.0)], axis=1)
        results = []
        for array, mask in ((x, MASK), (other, MASK), (wider, np.pad(MASK, ((0, 0), (0, 4))))):
            leaf = Tensor(array, requires_grad=True)
            values, *_, summary = encoder(leaf, Tensor(mask))
            ops.sum(ops.sin(values)).backward(retain_graph=True)
            ops.sum(summary * summary).backward()
            results.append((values.numpy(), summary.numpy(), leaf.grad.numpy()))
            assert not leaf.grad.numpy()[~mask].any() and leaf.grad.numpy()[mask].all()
        for values, summary, gradient in results[1:]:
            np.testing.assert_allclose(values[:, :results[0][0].shape[1]], results[0][0], rtol=1e-12, atol=1e-14)
            np.testing.assert_allclose(summary, results[0][1], rtol=1e-12)
            np.testing.assert_allclose(gradient[:, :T], results[0][2], rtol=1e-10, atol=1e-14)


def test_the_pyramid_joins_neighbours():
    """Chan 2015 eq. (5): step i of layer j sees steps 2 i and 2 i + 1 of the layer below."""
    rng = np.random.default_rng(5)
    encoder = randomised(pyramid(rng), rng)
    x = Tensor(inputs())
    values, mask, summary = encoder(x, Tensor(MASK))
    assert values.shape == (B, 2, 5) and encoder.factor == 2
    np.testing.assert_array_equal(mask.numpy(), [[True, True], [True, False], [True, True]])
    below = encoder.layers[0](x, Tensor(MASK))[0].numpy()
    joined = np.stack([np.concatenate([below[:, 0], below[:, 1]], -1), np.concatenate([below[:, 2], below[:, 3]], -1)], 1)
    np.testing.assert_array_equal(values.numpy(), encoder.layers[1](Tensor(joined), mask)[0].numpy())


def test_a_pyramid_says_what_does_not_fit():
    rng = np.random.default_rng(6)
    with pytest.raises(ValueError, match="Pyramid: 3 steps, expected a multiple of 2; pad the sequences"):
        pyramid(rng)(Tensor(inputs(length=3)))
    with pytest.raises(ValueError, match="input_size 5 on one of output_size 5; expected 10, two neighbours"):
        Pyramid([both(rng), both(rng, inputs=5)])


@pytest.mark.parametrize("build", [both, pyramid, lambda rng: both(rng, kind=GRU),
                                   lambda rng: Bidirectional(ntm(LSTM)(rng), LSTM(D, 2, rng=rng))],
                         ids=["bidirectional", "pyramid", "of GRUs", "of a Turing machine"])
def test_gradients(build):
    rng = np.random.default_rng(7)
    with using_dtype("float64"):
        encoder = randomised(build(rng), rng)

        def run(x):
            values, *_, summary = encoder(x, Tensor(MASK))
            return values, summary

        check_module(encoder, run, inputs())
