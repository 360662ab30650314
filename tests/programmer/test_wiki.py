"""Choices for questions about tables of the world: against loops, and the gradient of the whole."""

from math import log

import numpy as np

from tests.nn.models import check_module, randomised
from tests.programmer.loops import lstm, soft
from tinyaug import Tensor, using_dtype
from tinyaug.programmer.wiki import Read, WikiProgrammer, log_right

PLAIN, COLUMNWISE, COMPARED, FEATURES = (1, 2, 1), (3, 1, 2), 2, 2
COLUMNS, NUMBERS = 2, 2
SIZES = (1 + COLUMNS * (1 + COMPARED * NUMBERS), 2 + COLUMNS, 1 + 2 * COLUMNS)


def small(rng):
    net = randomised(WikiProgrammer(words=9, width=3, hidden=2, plain=PLAIN, columnwise=COLUMNWISE, compared=COMPARED,
                                    features=FEATURES, rng=rng), rng, scale=0.5)
    del net.history.start_hidden, net.history.start_cell            # its first state is what the readers end in
    return net


def drawn(rng):
    """Two questions, the second with padding and one number; some choices may not be made."""
    tokens = np.array([[3, 4, 5, 2, 2], [6, 2, 7, 0, 0]])
    numbers = np.zeros((2, NUMBERS, 5))
    numbers[0, 0, 3] = numbers[0, 1, 4] = numbers[1, 0, 1] = 1
    allowed = [np.ones((2, size)) for size in SIZES]
    allowed[0][1, 2] = allowed[1][0, 3] = 0
    titles = np.array([[[3, 0], [4, 8]], [[8, 5], [0, 0]]])
    flags, overlap = (rng.integers(0, 2, (2, 5, count)).astype(float) for count in (2, COLUMNS))
    return Read(tokens, flags, overlap, titles, rng.normal(size=(2, COLUMNS, FEATURES)), numbers, *allowed)


def by_hand(w, read, b):
    """The three distributions of one question, a word, a step and a choice at a time."""
    embedded = w["embedding.weight"][read.tokens[b]]
    states = {}
    for name, order in (("forwards", range(5)), ("backwards", range(4, -1, -1))):
        hidden, cell = w[f"{name}.start_hidden"], w[f"{name}.start_cell"]
        states[name] = {}
        for j in order:
            hidden, cell = lstm(w, name, np.concatenate([embedded[j], read.flags[b, j]]), hidden, cell)
            states[name][j] = hidden
        states[name]["last"] = hidden, cell
    keys = np.array([np.concatenate([states["forwards"][j], states["backwards"][j]]) for j in range(5)])
    hidden, cell = (np.concatenate([states[name]["last"][i] for name in ("forwards", "backwards")]) for i in (0, 1))
    seen, found = np.concatenate([embedded.mean(axis=0)] * 2), []
    for t, allowed in enumerate((read.selections[b], read.orders[b], read.answers[b])):
        hidden, cell = lstm(w, "history", seen, hidden, cell)
        attended = []
        for query in np.split(hidden @ w["look.weight"], 2):
            attended.append(soft(np.where(read.tokens[b] == 0, -np.inf, keys @ query)))
        word, title = (weights @ embedded for weights in attended)
        mixed = np.tanh(np.concatenate([hidden, word]) @ w[f"mix.{t}.weight"] + w[f"mix.{t}.bias"])
        operation = mixed @ w[f"operation.{t}.weight"] + w[f"operation.{t}.bias"]
        scores = list(operation[:PLAIN[t]])
        for k in range(COLUMNWISE[t]):
            for n in range(NUMBERS) if t == 0 and k >= COLUMNWISE[0] - COMPARED else [None]:
                for c in range(COLUMNS):
                    words = [w["embedding.weight"][i] for i in read.titles[b, c] if i]
                    named = sum(words) / (len(words) + 1e-6) if words else np.zeros(3)
                    traits = np.append(read.features[b, c], attended[1] @ read.overlap[b, :, c])
                    score = operation[PLAIN[t] + k] + named @ (title @ w[f"title.{t}.weight"]) + \
                        traits @ w[f"traits.{t}.weight"][:, k]
                    if n is not None:
                        score += (read.numbers[b, n] @ keys) @ (hidden @ w["number.weight"])
                    scores.append(score)
        found.append(np.log(soft(np.where(allowed, scores, -np.inf)) + 1e-300))
        seen = np.concatenate([word, title])
    return found


def test_the_choices_against_loops():
    rng = np.random.default_rng(0)
    with using_dtype("float64"):
        net, read = small(rng), drawn(rng)
        w = {name: x.numpy() for name, x in net.named_parameters()}
        w |= {f"{name}.start_{part}": getattr(getattr(net, name), f"start_{part}").numpy()
              for name in ("forwards", "backwards") for part in ("hidden", "cell")}
        found = net(Read(*map(Tensor, read)), 1.0)
    for b in range(2):
        for said, wanted, size in zip(found, by_hand(w, read, b), SIZES):
            may = wanted > -600
            assert said.shape == (2, size)
            np.testing.assert_allclose(said.numpy()[b][may], wanted[may], rtol=1e-8)
            assert (said.numpy()[b][~may] < -1e8).all()


def test_the_likelihood_of_right_programs_against_loops():
    rng = np.random.default_rng(1)
    found = [np.stack([np.log(soft(row)) for row in rng.normal(size=(2, size))]) for size in (3, 2, 4)]
    right = rng.integers(0, 2, (2, 3, 2, 4)).astype(float)
    said = log_right([Tensor(x, dtype="float64") for x in found], Tensor(right, dtype="float64")).numpy()
    for b in range(2):
        total = sum(np.exp(found[0][b, s] + found[1][b, o] + found[2][b, a]) * right[b, s, o, a]
                    for s in range(3) for o in range(2) for a in range(4))
        assert abs(said[b] - log(total)) < 1e-9


def test_a_hopeless_question_is_finite():
    said = log_right([Tensor(np.full((1, 2), -1e9))] * 3, Tensor(np.zeros((1, 2, 2, 2))))
    assert np.isfinite(said.numpy()).all()


def test_the_gradient_of_a_whole_step():
    rng = np.random.default_rng(2)
    with using_dtype("float64"):
        net, read = small(rng), drawn(rng)
        right = Tensor(rng.integers(0, 2, (2, *SIZES)).astype(float))
        kept = Tensor(np.array([1.25, 0.0, 1.25])[None, None])

        def function(features):
            return log_right(net(Read(*map(Tensor, read))._replace(features=features), kept), right)
        check_module(net, function, read.features)
