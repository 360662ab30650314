"""The controller and its objective: against loops, and the gradient of the whole."""

from math import copysign, exp, log

import numpy as np
import pytest

from tests.nn.models import check_module, randomised
from tests.programmer.loops import lstm, soft
from tinyaug import Tensor, ops, using_dtype
from tinyaug.programmer import OPERATIONS, Averaged, AveragedSteps, Controller, Programmer, Scores, run_soft
from tinyaug.programmer.programmer import entropy, every_program, relative_error

TOKENS = np.array([[0, 4, 7, 5, 8, 6], [4, 9, 5, 8, 6, 0]])         # x1 + x2 * x3 and the like
PLACES = (TOKENS[:, None, :] == np.array([4, 5, 6])[:, None]).astype(float)


def small(rng):
    return Controller(words=10, width=3, hidden=2, operations=len(OPERATIONS), rng=rng)


def random_scores(rng, batch, count):
    return [Scores(*[rng.normal(size=(batch, size)) for size in (6, count + t, count + t)]) for t in range(count - 1)]


def test_the_controller_against_loops():
    """Every equation of its docstring, a token and a step at a time."""
    with using_dtype("float64"):
        net = randomised(small(np.random.default_rng(0)), np.random.default_rng(1))
        steps = net(Tensor(TOKENS), Tensor(PLACES))
    w = {name: x.numpy() for name, x in net.named_parameters()}

    for row in range(2):
        embedded = [w["embedding.weight"][token] for token in TOKENS[row]]
        states = {}
        for name, order in (("forwards", embedded), ("backwards", embedded[::-1])):
            hidden, cell = w[f"{name}.start_hidden"], w[f"{name}.start_cell"]
            states[name] = []
            for x in order:
                hidden, cell = lstm(w, name, x, hidden, cell)
                states[name].append((hidden, cell))
        keys = [np.concatenate([f[0], b[0]]) for f, b in zip(states["forwards"], states["backwards"][::-1])]
        hidden, cell = (np.concatenate([states["forwards"][-1][i], states["backwards"][-1][i]]) for i in (0, 1))
        known = [keys[list(PLACES[row, j]).index(1)] for j in range(3)]
        context = hidden
        for said in steps:
            hidden, cell = lstm(w, "decoder", context, hidden, cell)
            match = [key @ (hidden @ w["look.weight"]) if token else -np.inf for key, token in zip(keys, TOKENS[row])]
            alpha = soft(np.array(match))
            context = sum(a * key for a, key in zip(alpha, keys))
            seen = np.concatenate([hidden, context])
            looked = sum(a * e for a, e in zip(alpha, embedded))
            wanted = [looked @ w["operation.weight"] + w["operation.bias"],
                      *[[key @ (seen @ w[f"{side}.weight"]) for key in known] for side in ("left", "right")]]
            for found, want in zip(said, wanted):
                np.testing.assert_allclose(found.numpy()[row], want, rtol=1e-9, atol=1e-12)
            known.append(seen @ w["result.weight"])


def numeric():
    """The operations on plain numbers."""
    return {name: (lambda a, b, f=f: f(Tensor(a, dtype="float64"), Tensor(b, dtype="float64")).item())
            for name, f in OPERATIONS.items()}


def by_hand(steps, rows, free, first):
    """Every program over the free values, by recursion: [(answer a row, probability)]. rows: lists of all values so far"""
    if not steps:
        return [([row[-1] for row in rows], 1.0)]
    (operation, left, right), found = steps[0], []
    for i in free:
        for j in free:
            for p, function in zip(operation, numeric().values()) if i != j else ():
                longer = [[*row, function(row[i], row[j])] for row in rows]
                others = [k for k in free if k not in (i, j)] + [first]
                found += [(answer, p * left[i] * right[j] * q)
                          for answer, q in by_hand(steps[1:], longer, others, first + 1)]
    return found


@pytest.mark.parametrize("count, programs", [(2, 12), (3, 432)])
def test_the_likelihood_against_loops(count, programs):
    """log sum of p exp(-error / tolerance), over all programs that use each number and each result once."""
    rng = np.random.default_rng(4)
    batch, draws, temperature, tolerance = 2, 2, 0.5, 0.3
    scores, numbers = random_scores(rng, batch, count), rng.uniform(1, 3, (batch, draws, count))
    answers = rng.uniform(1, 9, (batch, draws))
    with using_dtype("float64"):
        found = Programmer(None, OPERATIONS).log_likelihood(
            [Scores(*map(Tensor, step)) for step in scores], Tensor(numbers), Tensor(answers),
            temperature=temperature, tolerance=tolerance).numpy()
    for b in range(batch):
        steps = [tuple(soft(x[b] / temperature) for x in step) for step in scores]
        every = by_hand(steps, [list(row) for row in numbers[b]], list(range(count)), count)
        total = sum(p * exp(-np.mean([abs(o - y) / (abs(o) + abs(y) + 0.01) for o, y in zip(out, answers[b])]) / tolerance)
                    for out, p in every)
        assert len(every) == programs and found[b] == pytest.approx(log(total), rel=1e-9)


def test_four_numbers_have_31104_programs():
    scores = [Scores(*[Tensor(np.zeros((1, size))) for size in (6, 4 + t, 4 + t)]) for t in range(3)]
    found, prior = every_program(scores, Tensor(np.ones((1, 1, 4))), OPERATIONS)
    assert found.shape == (1, 31104, 1) and prior.shape == (1, 31104)
    np.testing.assert_allclose(prior.numpy(), -3 * log(6) - 2 * log(4 * 5 * 6), rtol=1e-5)


def test_the_averaged_misfit_is_the_error_of_the_mean_over_programs():
    """(g(y) - sum p g(answer))^2 - 0.3 log sum w, with answers of both signs."""
    rng = np.random.default_rng(7)
    scores, numbers, answers = random_scores(rng, 2, 3), rng.uniform(1, 3, (2, 4, 3)), rng.uniform(-3, 3, (2, 4))
    with using_dtype("float64"):
        found = Averaged(None, OPERATIONS).misfit([Scores(*map(Tensor, step)) for step in scores], Tensor(numbers),
                                                  Tensor(answers), temperature=0.5, tolerance=1.0).item()
    wanted = 0.0
    for b in range(2):
        every = by_hand([tuple(soft(x[b] / 0.5) for x in step) for step in scores], [list(row) for row in numbers[b]],
                        list(range(3)), 3)
        total = sum(p for _, p in every)
        for k, y in enumerate(answers[b]):
            mean = sum(p / total * copysign(log(1 + abs(out[k])), out[k]) for out, p in every)
            wanted += (mean - copysign(log(1 + abs(y)), y)) ** 2 / 8
        wanted -= 0.3 * log(total) / 2
    assert found == pytest.approx(wanted, rel=1e-9)


def test_the_misfit_of_averaged_steps_is_the_error_of_the_average():
    rng = np.random.default_rng(7)
    scores = [Scores(*map(Tensor, step)) for step in random_scores(rng, 2, 3)]
    numbers, answers = Tensor(rng.uniform(1, 3, (2, 4, 3))), Tensor(rng.uniform(1, 9, (2, 4)))
    model = AveragedSteps(None, OPERATIONS)
    wanted = np.mean(relative_error(run_soft(model.choose(scores), numbers, OPERATIONS)[0][-1], answers).numpy()) / 0.5
    assert model.misfit(scores, numbers, answers, temperature=1.0, tolerance=0.5).item() == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("kind", [Programmer, Averaged])
def test_the_gradient_of_a_whole_step(kind):
    """From tokens and numbers to the objective, all parameters, float64."""
    rng = np.random.default_rng(5)
    numbers, answers = rng.uniform(1, 3, (2, 2, 3)), rng.uniform(1, 9, (2, 2))
    with using_dtype("float64"):
        net = randomised(small(rng), rng, scale=0.4)
        model = kind(net, OPERATIONS)

        def function(numbers):
            scores = model.controller(Tensor(TOKENS), Tensor(PLACES))
            return model.misfit(scores, numbers, Tensor(answers), temperature=0.7, tolerance=0.5) + entropy(scores)
        check_module(model, function, numbers)


def test_entropy_is_that_of_all_choices():
    scores = [Scores(*[Tensor(np.zeros((2, size)), dtype="float64") for size in (6, 3, 3)])]
    assert entropy(scores).item() == pytest.approx(log(6) + 2 * log(3))


def test_the_relative_error_does_not_care_for_the_scale():
    found, wanted = Tensor([1.0, 100.0, 5.0, -2.0]), Tensor([3.0, 300.0, 5.0, 2.0])
    np.testing.assert_allclose(relative_error(found, wanted).numpy(), [0.5, 0.5, 0.0, 1.0], atol=0.005)


def test_forward_is_the_average_of_values():
    rng = np.random.default_rng(6)
    model = Programmer(small(rng), OPERATIONS)
    numbers = Tensor(rng.uniform(1, 3, (2, 4, 3)))
    answers = model(Tensor(TOKENS), Tensor(PLACES), numbers)
    assert answers.shape == (2, 4) and bool(ops.min(ops.isfinite(answers)).item())
