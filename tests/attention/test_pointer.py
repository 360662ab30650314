"""Pointer networks: equations, masks, gradients, recording."""

import numpy as np
import pytest

from tests.attention import loops
from tests.nn.models import check_module, randomised
from tinyaug import Tensor, no_grad, ops, using_dtype
from tinyaug.attention import Additive, Bidirectional, Pointer, SetEncoder
from tinyaug.nn import LSTM
from tinyaug.record import record

B, N = 2, 5
POINTS = np.random.default_rng(0).normal(size=(B, N, 2))
TARGETS = np.array([[3, 0, 4], [1, 2, 0]])


def pointer(seed=1, glimpse=False, once=False, ordered=True):
    rng = np.random.default_rng(seed)
    encoder = Bidirectional(LSTM(3, 2, rng=rng), LSTM(3, 2, rng=rng)) if ordered else SetEncoder(4, 2, 2, rng=rng)
    look, width = Additive(4, 4, 3, rng=rng) if glimpse else None, encoder.input_size
    score = Additive(4, 4, 3, rng=rng)
    model = Pointer(2, width, encoder, LSTM(width + 4, 4, rng=rng), score, glimpse=look, once=once, rng=rng)
    return randomised(model, rng)


def test_the_pointer_against_loops():
    """Vinyals 2015, section 2.3: attention's weights are the answer."""
    with using_dtype("float64"), no_grad():
        model = pointer()
        logits = model(Tensor(POINTS), Tensor(TARGETS))
        embedded = model.embed(Tensor(POINTS))
        values, summary = model.encoder(embedded)
        W = {name: x.numpy().tolist() for name, x in model.named_parameters()}
        for b in range(B):
            h, c, seen = W["core.start_hidden"], W["core.start_cell"], W["start"]
            for t, target in enumerate(TARGETS[b]):
                h, c = loops.lstm([*seen, *summary.numpy()[b]], h, c, W["core.weight"], W["core.bias"])
                expected = [loops.additive(h, k, W["score.query.weight"], W["score.key.weight"],
                                           [row[0] for row in W["score.weight"]]) for k in values.numpy()[b].tolist()]
                np.testing.assert_allclose(logits.numpy()[b, t], expected, rtol=1e-10)
                seen = embedded.numpy()[b, target].tolist()


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("glimpse", [False, True])
@pytest.mark.parametrize("once", [False, True])
def test_gradients(glimpse, once, ordered):
    with using_dtype("float64"):
        model = pointer(glimpse=glimpse, once=once, ordered=ordered)

        def run(points):
            return ops.cross_entropy(model(points, Tensor(TARGETS)), Tensor(TARGETS))

        check_module(model, run, POINTS)


def test_nothing_is_pointed_at_twice():
    for seed in range(5):
        places, weights = pointer(seed, once=True).point(Tensor(POINTS), N)
        assert (np.sort(places.numpy(), axis=1) == np.arange(N)).all()
        np.testing.assert_allclose(weights.numpy().sum(-1), 1, rtol=1e-5)


def test_what_is_not_free_is_never_pointed_at():
    free = Tensor(np.array([[True, True, False, True, False]] * B))
    places, weights = pointer().point(Tensor(POINTS), 4, free)
    assert not weights.numpy()[..., [2, 4]].any() and not {2, 4} & set(places.numpy().ravel())


def test_a_set_has_no_order_and_padding_is_no_part_of_it():
    with using_dtype("float64"), no_grad():
        rng = np.random.default_rng(2)
        encoder = randomised(SetEncoder(4, 2, 2, rng=rng), rng)
        x, order = rng.normal(size=(2, 5, 4)), [3, 0, 4, 1, 2]
        values, summary = encoder(Tensor(x))
        moved, same = encoder(Tensor(x[:, order]))
        np.testing.assert_allclose(moved.numpy(), values.numpy()[:, order], rtol=1e-10)
        np.testing.assert_allclose(same.numpy(), summary.numpy(), rtol=1e-10)
        np.testing.assert_allclose(summary.numpy(), values.numpy().mean(axis=1))
        longer = np.concatenate([x, 9 * np.ones((2, 3, 4))], axis=1)
        padded, again = encoder(Tensor(longer), Tensor(np.arange(8) < np.full((2, 1), 5)))
        np.testing.assert_allclose(padded.numpy()[:, :5], values.numpy(), rtol=1e-10)
        np.testing.assert_allclose(again.numpy(), summary.numpy(), rtol=1e-10)


@pytest.mark.host
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("glimpse", [False, True])
def test_recorded_is_eager(glimpse, ordered):
    model = pointer(glimpse=glimpse, once=True, ordered=ordered)

    def run(points, targets):
        model.zero_grad()
        loss = ops.cross_entropy(model(points, targets), targets)
        loss.backward()
        return loss, [x.grad for x in model.parameters()]

    recorded, points = record(run), Tensor(POINTS)
    for targets in (TARGETS, TARGETS[:, ::-1].copy()):
        loss, gradients = recorded(points, Tensor(targets))
        expected, others = run(points, Tensor(targets))
        assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
        for a, b in zip(gradients, others):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-3, atol=1e-6)
