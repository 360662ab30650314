"""The Transformer's parts against loops, and its complexity measured."""

from math import cos, sin

import numpy as np
import pytest

from tests.attention import loops
from tests.attention.models import SHIFTED, SOURCE, transformer
from tests.nn.models import check_module, randomised
from tinyaug import Tensor, ops, using_dtype
from tinyaug.attention import EncoderLayer, MultiHead, Positions, PositionWise, sinusoids
from tinyaug.attention.complexity import longest_path, path, slope, work
from tinyaug.nn import LSTM

B, N, D = 2, 5, 4


def x(seed=0, length=N):
    return np.random.default_rng(seed).normal(size=(B, length, D))


def test_multi_head_attention_against_loops():
    with using_dtype("float64"):
        rng = np.random.default_rng(1)
        heads = randomised(MultiHead(D, 2, rng=rng), rng)
        query, keys, values = x(1, 3), x(2), x(3)
        seen, weights = heads(Tensor(query), Tensor(keys), Tensor(values))
        assert weights.shape == (B, 2, 3, N)
        p = {name: (getattr(heads, name).weight.numpy().tolist(),
                    None if name == "key" else getattr(heads, name).bias.numpy().tolist())
             for name in ("query", "key", "value", "out")}
        for b in range(B):
            for i in range(3):
                expected = loops.multi_head(query[b, i].tolist(), keys[b].tolist(), values[b].tolist(), p, 2)
                np.testing.assert_allclose(seen.numpy()[b, i], expected, rtol=1e-10)


def test_the_position_wise_network_against_loops():
    """Vaswani 2017 eq. (2)"""
    with using_dtype("float64"):
        rng = np.random.default_rng(2)
        network = randomised(PositionWise(D, 3, rng=rng), rng)
        W1, b1, W2, b2 = (p.numpy().tolist() for p in network.parameters())
        y = network(Tensor(x()))
        for b in range(B):
            for t in range(N):
                hidden = [max(0.0, a + c) for a, c in zip(loops.product(x()[b, t].tolist(), W1), b1)]
                np.testing.assert_allclose(y.numpy()[b, t], [a + c for a, c in zip(loops.product(hidden, W2), b2)])


def test_sinusoids():
    """Section 3.5: each pair of columns is a point that goes round a circle."""
    table = np.array(sinusoids(6, 4))
    for pos in range(6):
        for i in range(2):
            angle = pos / 10000 ** (2 * i / 4)
            assert table[pos, 2 * i] == pytest.approx(sin(angle)) and table[pos, 2 * i + 1] == pytest.approx(cos(angle))


def test_learned_positions_are_parameters_and_waves_are_not():
    rng = np.random.default_rng(0)
    assert not Positions(5, D, rng=rng).parameters()
    assert [p.shape for p in Positions(5, D, "learned", rng=rng).parameters()] == [(5, D)]
    with pytest.raises(ValueError, match="Positions: kind 'waves', expected sinusoidal or learned"):
        Positions(5, D, "waves", rng=rng)
    with pytest.raises(ValueError, match="Positions: 6 places, expected at most 5; build it with longest=6"):
        Positions(5, D, rng=rng)(Tensor(x(length=6)))


def test_heads_that_do_not_share_the_width_are_refused():
    with pytest.raises(ValueError, match="MultiHead: width 4 over 3 heads; expected a multiple of the heads"):
        MultiHead(4, 3, rng=np.random.default_rng(0))


@pytest.mark.parametrize("build", [lambda rng: MultiHead(D, 2, rng=rng), lambda rng: EncoderLayer(D, 2, 5, rng=rng)])
def test_gradients_of_the_parts(build):
    rng = np.random.default_rng(3)
    with using_dtype("float64"):
        module = randomised(build(rng), rng)
        mask = Tensor(np.tril(np.ones((N, N), bool)))
        take = (lambda a: module(a, a, a, mask)) if isinstance(module, MultiHead) else (lambda a: module(a, mask))
        check_module(module, take, x())


def test_nobody_sees_what_is_still_to_come():
    """A symbol changes the logits at its place and behind it, and not before; its gradient goes nowhere else."""
    rng = np.random.default_rng(4)
    model = randomised(transformer(rng), rng)
    logits = model(Tensor(SOURCE), Tensor(SHIFTED))[0].numpy()
    changed = SHIFTED.copy()
    changed[:, 1] = 6
    other = model(Tensor(SOURCE), Tensor(changed))[0].numpy()
    np.testing.assert_array_equal(logits[:, 0], other[:, 0])
    assert (np.abs(logits[:, 1:] - other[:, 1:]).max(axis=(0, 2)) > 1e-3).all()


def test_without_positions_the_order_would_be_lost():
    """Attention sees a set: with its rows in another order the encoder gives the same rows in that order."""
    rng = np.random.default_rng(5)
    layer = randomised(EncoderLayer(D, 2, 5, rng=rng), rng)
    order = [3, 0, 4, 1, 2]
    y, _ = layer(Tensor(x()))
    moved, _ = layer(Tensor(x()[:, order]))
    np.testing.assert_allclose(moved.numpy(), y.numpy()[:, order], rtol=1e-5, atol=1e-6)


def outcome(kind, n, width=4):
    """x and y of a layer over n places, one sequence."""
    rng = np.random.default_rng(0)
    inputs = [Tensor(rng.normal(size=(1, width)), requires_grad=True) for _ in range(n)]
    if kind == "attention":
        y, _ = EncoderLayer(width, 1, 2 * width, rng=rng)(ops.stack(inputs, axis=1))
        return inputs, y[:, -1]
    core = LSTM(width, width, rng=rng)
    state = core.initial_state(1)
    for x in inputs:
        y, state = core(x, state)
    return inputs, y


def test_complexity_is_that_of_table_1():
    """Work grows as n^2 for attention, where n is much larger than d, and as n for recurrence; the longest chain of ops, and
    the shortest way from the first place to the last, stay for attention and grow with n for recurrence."""
    ns = [64, 128, 256, 512]
    costs = {kind: [work(outcome(kind, n)[1]) for n in ns] for kind in ("attention", "recurrence")}
    assert slope(ns[-2:], costs["attention"][-2:]) == pytest.approx(2, abs=0.2)
    assert slope(ns, costs["recurrence"]) == pytest.approx(1, abs=0.01)
    ns = [32, 64, 128]
    ends = {kind: [outcome(kind, n) for n in ns] for kind in costs}
    assert len({longest_path(y) for _, y in ends["attention"]}) == 1
    assert len({path(xs[0], y) for xs, y in ends["attention"]}) == 1
    assert slope(ns, [longest_path(y) for _, y in ends["recurrence"]]) == pytest.approx(1, abs=0.1)
    assert slope(ns, [path(xs[0], y) for xs, y in ends["recurrence"]]) == pytest.approx(1, abs=0.1)


def test_work_and_paths_of_a_known_graph():
    a, b, c = (Tensor(np.ones(shape), requires_grad=True) for shape in ((2, 3), (3, 4), (5, 2, 4)))
    y = ops.tanh(a @ b) + c
    assert work(y) == 2 * 3 * 4 and longest_path(y) == 3 and path(a, y) == 3 and path(c, y) == 1
    assert path(Tensor(1.0), y) is None and work(ops.swapaxes(c, 1, 2) @ (a @ b)) == 24 + 5 * 4 * 2 * 4
    assert slope([1, 2, 4], [3, 12, 48]) == pytest.approx(2)
