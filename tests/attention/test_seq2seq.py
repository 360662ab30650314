"""Sequence to sequence as a whole: equations, gradients, padding, recording, and what decoding makes of it."""

import numpy as np
import pytest

from tests.attention import loops
from tests.attention.models import MODELS, SHIFTED, SOURCE, STOP, TARGET, rnn
from tests.nn.models import check_module, randomised
from tinyaug import Tensor, no_grad, ops, using_dtype
from tinyaug.attention import Decoder, beam_search, greedy, length_penalty, sequence_loss
from tinyaug.nn import LSTM
from tinyaug.record import record
from tinyaug.train.optimise import Adam

EVERY = pytest.mark.parametrize("name", MODELS)


def model_of(name, seed=1, scale=0.6):
    rng = np.random.default_rng(seed)
    return randomised(MODELS[name](rng), rng, scale)


def given():
    return Tensor(SOURCE), Tensor(SHIFTED), Tensor(TARGET)


def step_loss(model, source, shifted, targets):
    return sequence_loss(model(source, shifted)[0], targets)


@EVERY
def test_gradients_of_a_whole_step(name):
    with using_dtype("float64"):
        model = model_of(name)
        check_module(model, lambda: step_loss(model, *given()))


@EVERY
def test_padding_changes_nothing_and_its_gradient_is_exactly_zero(name):
    with using_dtype("float64"):
        model = model_of(name)
        loss = step_loss(model, *given())
        loss.backward()
        gradients = [x.grad.numpy() for x in model.parameters()]
        model.zero_grad()
        wider = [Tensor(np.pad(x, ((0, 0), (0, n)))) for x, n in ((SOURCE, 4), (SHIFTED, 2), (TARGET, 2))]
        again = step_loss(model, *wider)
        again.backward()
        assert again.item() == pytest.approx(loss.item(), rel=1e-12)
        for a, x in zip(gradients, model.parameters()):
            np.testing.assert_allclose(x.grad.numpy(), a, rtol=1e-9, atol=1e-14)
        assert not model.embed.weight.grad.numpy()[0].any()                 # of the symbol that is padding


@EVERY
def test_a_batch_is_its_sequences(name):
    with using_dtype("float64"):
        model = model_of(name)
        logits, weights = model(Tensor(SOURCE), Tensor(SHIFTED))
        for b, length in enumerate((4, 2)):
            alone = SOURCE[b:b + 1, :length]
            y, looked = model(Tensor(alone), Tensor(SHIFTED[b:b + 1]))
            np.testing.assert_allclose(logits.numpy()[b], y.numpy()[0], rtol=1e-10)
            if weights is not None and name != "pyramid":
                np.testing.assert_allclose(weights.numpy()[b, :, :length], looked.numpy()[0], rtol=1e-10)
                assert not weights.numpy()[b, :, length:].any()


@pytest.mark.host
@EVERY
def test_recorded_is_eager_over_training_steps(name):
    results = []
    for kind in (lambda f: f, record):
        model = model_of(name)
        optimiser = Adam(model, 1e-2)

        def update(source, shifted, targets, model=model, optimiser=optimiser):
            optimiser.zero_grad()
            loss = step_loss(model, source, shifted, targets)
            loss.backward()
            optimiser.step()
            return loss

        run = kind(update)
        results.append([run(*given()).item() for _ in range(4)])
    np.testing.assert_allclose(results[1], results[0], rtol=1e-4)
    assert results[0][-1] < results[0][0]


@EVERY
def test_steps_of_decoding_are_those_of_training(name):
    """What `step` gives after the given symbols is what `forward` gives at their places."""
    with using_dtype("float64"), no_grad():
        model = model_of(name)
        logits, weights = model(Tensor(SOURCE), Tensor(SHIFTED))
        state = model.begin(Tensor(SOURCE))
        for t in range(SHIFTED.shape[1]):
            y, looked, state = model.step(Tensor(SHIFTED[:, t]), state)
            np.testing.assert_allclose(y.numpy(), logits.numpy()[:, t], rtol=1e-10)
            if weights is not None:
                np.testing.assert_allclose(looked.numpy(), weights.numpy()[:, t], rtol=1e-10, atol=1e-15)


def test_a_step_of_the_decoder_against_loops():
    """Luong 2015 eqs. (5) and (6) with input feeding: two steps, hand-fed."""
    with using_dtype("float64"):
        rng = np.random.default_rng(8)
        model = randomised(rnn(rng), rng)
        decoder, source = model.decoder, model.read(Tensor(SOURCE[:1]))
        values, summary = source.values.numpy()[0].tolist(), source.summary.numpy()[0].tolist()
        W = {name: x.numpy().tolist() for name, x in decoder.named_parameters()}

        def tanh(x, name):
            return [np.tanh(a + b) for a, b in zip(loops.product(x, W[name + ".weight"]), W[name + ".bias"])]

        feed, h, c = tanh(summary, "start"), W["core.start_hidden"], W["core.start_cell"]
        logits, weights = model(Tensor(SOURCE[:1]), Tensor(SHIFTED[:1]))
        for t, symbol in enumerate(SHIFTED[0]):
            h, c = loops.lstm([*W["embedding.weight"][symbol], *feed], h, c, W["core.weight"], W["core.bias"])
            scores = [loops.additive(h, k, W["score.query.weight"], W["score.key.weight"],
                                     [row[0] for row in W["score.weight"]]) for k in values]
            context, looked = loops.attend(scores, values)
            feed = tanh([*context, *h], "combine")
            expected = [a + b for a, b in zip(loops.product(feed, W["output.weight"]), W["output.bias"])]
            np.testing.assert_allclose(weights.numpy()[0, t], looked, rtol=1e-10)
            np.testing.assert_allclose(logits.numpy()[0, t], expected, rtol=1e-10)


def test_scheduled_sampling_puts_the_likeliest_symbol_in_the_place_of_the_given_one():
    """Where all are the model's own, it is greedy decoding; where none is, teacher forcing."""
    model = model_of("additive")
    plain, _ = model(Tensor(SOURCE), Tensor(SHIFTED))
    none, _ = model(Tensor(SOURCE), Tensor(SHIFTED), own=Tensor(np.zeros(SHIFTED.shape, bool)))
    np.testing.assert_array_equal(plain.numpy(), none.numpy())
    own, _ = model(Tensor(SOURCE), Tensor(SHIFTED * 0 + 1), own=Tensor(np.ones(SHIFTED.shape, bool)))
    sequences, _ = greedy(model, model.begin(Tensor(SOURCE)), Tensor(np.array([1, 1])), -1, 3)
    assert own.numpy().argmax(-1).tolist() == sequences
    mixed, _ = model(Tensor(SOURCE), Tensor(SHIFTED), own=Tensor(np.array([[0, 0, 1], [0, 0, 0]], bool)))
    np.testing.assert_array_equal(mixed.numpy()[1], plain.numpy()[1])
    np.testing.assert_array_equal(mixed.numpy()[0, :2], plain.numpy()[0, :2])
    assert not np.array_equal(mixed.numpy()[0, 2], plain.numpy()[0, 2])


@pytest.mark.host
def test_scheduled_sampling_is_recorded_too():
    model = model_of("additive")
    own = np.array([[0, 1, 1], [0, 1, 0]], bool)

    def run(source, shifted, own):
        return model(source, shifted, own=own)[0]

    recorded = record(run)
    for coins in (own, own, ~own):
        arguments = Tensor(SOURCE), Tensor(SHIFTED), Tensor(coins)
        np.testing.assert_allclose(recorded(*arguments).numpy(), run(*arguments).numpy(), rtol=1e-5, atol=1e-6)


def test_a_decoder_says_what_does_not_fit():
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"core has input_size 5, expected 7 \(embedding 3 \+ feed 4\)"):
        Decoder(5, LSTM(5, 4, rng=rng), embedding=3, source_size=4, size=4, score=None, rng=rng)


class Table:
    """A model with a table of log-probabilities: what comes after what."""

    def __init__(self, rows):
        self.rows = Tensor(np.log(np.array(rows)))

    def step(self, symbols, state):
        return ops.take(self.rows, symbols, axis=0), None, (state[0] + 1,)


# symbols: 0 start, 1 stop, 2, 3. Greedy begins with 2 (0.6), whose best end is 0.6 * 0.4; the best whole is 3, stop:
# 0.4 * 0.9
TABLE = [[1e-9, 1e-9, 0.6, 0.4], [0.25] * 4, [1e-9, 0.4, 0.3, 0.3], [1e-9, 0.9, 0.05, 0.05]]


def begin(batch=1):
    return (Tensor(np.zeros(batch)),)


def start():
    return Tensor(np.array([0]))


def every_sequence(longest, alpha):
    """All sequences that end within so many steps, with their scores, by brute force."""
    logs, found = np.log(np.array(TABLE)), []

    def grow(total, before, sequence):
        for symbol in range(4):
            if symbol == 1:
                found.append(((total + logs[before, 1]) / length_penalty(len(sequence) + 1, alpha), sequence))
            elif len(sequence) + 1 < longest:
                grow(total + logs[before, symbol], symbol, [*sequence, symbol])

    grow(0.0, 0, [])
    return sorted(found, key=lambda f: -f[0])


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_beam_search_finds_the_best_sequence_that_greedy_misses(alpha):
    sequences, _ = greedy(Table(TABLE), begin(), start(), 1, 4)
    assert sequences == [[2]]
    best = every_sequence(5, alpha)[0]
    score, sequence = beam_search(Table(TABLE), begin(), start(), 1, 5, beams=4, alpha=alpha)[0]
    assert sequence == best[1] and score == pytest.approx(best[0], rel=1e-5)
    assert alpha > 0.5 or sequence == [3]


def test_one_beam_is_greedy():
    assert beam_search(Table(TABLE), begin(), start(), 1, 4, beams=1)[0][1] == [2]


def test_length_penalty():
    """Wu 2016 eq. (14)"""
    assert length_penalty(7, 0.6) == pytest.approx((5 + 7) ** 0.6 / (5 + 1) ** 0.6) and length_penalty(3, 0) == 1


@pytest.mark.parametrize("name", ["additive", "transformer", "no attention"])
def test_beam_search_moves_every_piece_of_state(name):
    """The likelihood that a beam reports is that of its sequence, computed anew from the start."""
    model = model_of(name, seed=3)
    state = model.begin(Tensor(SOURCE[:1]))
    found = beam_search(model, state, Tensor(np.array([STOP])), STOP, 5, beams=4, alpha=0.0)
    assert len(found) > 1
    for score, sequence in found:
        if len(sequence) == 5:
            continue
        logits, _ = model(Tensor(SOURCE[:1]), Tensor(np.array([[STOP, *sequence]])))
        logs = ops.log_softmax(logits).numpy()[0]
        assert score == pytest.approx(sum(logs[t, s] for t, s in enumerate([*sequence, STOP])), rel=1e-4)


def test_nothing_that_ends_is_told_by_what_is_open():
    never = Table([[0.4, 1e-12, 0.3, 0.3]] * 4)
    found = beam_search(never, begin(), start(), 1, 3, beams=2)
    assert found[0][1] == [0, 0, 0]
    assert greedy(never, begin(), start(), 1, 3)[0] == [[0, 0, 0]]


def test_beam_search_says_what_it_cannot():
    with pytest.raises(ValueError, match="beam_search: 0 beams, a batch of 1; expected at least 1, and 1"):
        beam_search(Table(TABLE), begin(), start(), 1, 3, beams=0)
