"""What all programs over a table answer, and the losses of it, against programs that are executed one by one."""

from math import exp, log

import numpy as np
import pytest

from tests.nn.models import check_module, randomised
from tests.programmer.loops import random_scores, small_world, soft
from tinyaug import Tensor, using_dtype
from tinyaug.programmer.answers import answer_mean, log_likelihood, paper_loss
from tinyaug.programmer.programmer import NEVER
from tinyaug.programmer.tables import OPERATIONS, Instruction, Selection, Table, TableProgrammer, execute

LIMITS = (0.5, -1.5)


def world_of_limits(rng):
    """A small world whose comparisons are those with LIMITS."""
    world = small_world(rng)
    for part, compared in ((world.above, np.greater), (world.below, np.less)):
        part[:] = compared(world.values[:, None], np.array(LIMITS)[:, None, None])
    return world


def tensors(scores, world):
    return [Selection(*map(Tensor, step)) for step in scores], Table(*map(Tensor, world))


def programs_of_three_kinds(columns, numbers):
    """All hard programs that the likelihood counts, with the choices that are named; None may be anything."""
    selections = [(name, c, n) for name in ("greater", "lesser") for n in range(numbers) for c in range(columns)]
    selections += [("match", None, None), ("reset", None, None)]
    scalars = [("sum", c, None) for c in range(columns)] + [("count", None, None)]
    ends = scalars + [("assign", c, None) for c in range(columns)]
    for end in ends:
        yield from ([None, None, rows, end] for rows in selections)
        yield from ([one, two, (merge, None, None), end]
                    for one in selections for two in selections for merge in ("and", "or"))
    yield from ([one, rows, two, ("difference", None, None)] for one in scalars for rows in selections for two in scalars)


def answered(scores, world, b):
    """[(program, its probability by what it names, its answer)]"""
    found = []
    for program in programs_of_three_kinds(2, 2):
        p = 1.0
        for step, named in zip(scores, program):
            for x, name in zip(step, named or ()):
                if name is not None:
                    p *= soft(x[b])[OPERATIONS.index(name) if isinstance(name, str) else name]
        steps = [Instruction(name, c or 0, n or 0) for name, c, n in [named or ("reset", 0, 0) for named in program]]
        found.append((program, p, execute(steps, world.values[b].tolist(), LIMITS, (world.match[b] > 0).tolist())))
    return found


@pytest.mark.parametrize("scalar", [True, False])
def test_the_likelihood_against_loops(scalar):
    """Each program is executed, and weighed by the probabilities of what it names."""
    rng = np.random.default_rng(2)
    world, scores, tolerance = world_of_limits(rng), random_scores(rng), 0.4
    answers, cells = rng.uniform(-9, 9, 2), rng.integers(0, 2, (2, 4, 2)).astype(float)
    with using_dtype("float64"):
        found = log_likelihood(*tensors(scores, world), Tensor(answers), Tensor(cells), Tensor([float(scalar)] * 2),
                               tolerance=tolerance).numpy()
    for b in range(2):
        total = 0.0
        for _, p, said in answered(scores, world, b):
            if isinstance(said, list) != (not scalar):
                continue
            if scalar:
                error = abs(said - answers[b]) / (abs(said) + abs(answers[b]) + 0.01)
            else:
                hit, size = sum(cells[b][cell] for cell in said), len(said) + cells[b].sum()
                error = (size - 2 * hit) / (size + 0.01)
            total += p * exp(-error / tolerance)
        assert found[b] == pytest.approx(log(total), rel=1e-8)


def test_the_mean_answer_against_loops():
    """Of two selections, both different and neither of all rows; nothing by a number or a text that is not there."""
    rng = np.random.default_rng(8)
    world, scores = world_of_limits(rng), random_scores(rng)
    world.match[0], world.match[1] = 0, [1, 0, 0, 1]
    for step in scores:
        step.pivot[0, 1] += NEVER                           # the first question has one number and no text
    with using_dtype("float64"):
        scalar, cells, entropy, outside = (x.numpy() for x in answer_mean(*tensors(scores, world)))
    for b in range(2):
        kept = []
        for program, p, said in answered(scores, world, b):
            one, two, three, _ = program
            twice = three is not None and three[0] in ("and", "or") and (one == two or "reset" in (one[0], two[0]))
            absent = b == 0 and any(named and (named[0] == "match" or named[2] == 1) for named in program)
            kept += [(p, said)] * (not twice and not absent)
        total = sum(p for p, _ in kept)
        mean, shown = 0.0, np.zeros((4, 2))
        for p, said in kept:
            if isinstance(said, list):
                for cell in said:
                    shown[cell] += p / total
            else:
                mean += p / total * said
        assert scalar[b] == pytest.approx(mean, rel=1e-8) and outside[b] == pytest.approx(-log(total), rel=1e-8)
        np.testing.assert_allclose(cells[b], shown, rtol=1e-8, atol=1e-12)
        assert entropy[b] == pytest.approx(-sum(p / total * log(p / total) for p, _ in kept), rel=1e-8)


def test_the_papers_loss_by_hand():
    """Huber, on both sides of its bend, and the cross-entropy of cells, of which a sure one costs nothing."""
    cells, shown = np.array([[[1.0, 0.0], [0.0, 1.0]]] * 2), np.array([[[0.5, 0.0], [0.2, 1.0]]] * 2)
    said = Tensor([1.0, 4.0]), Tensor(shown), Tensor([1.5, 1.0]), Tensor(cells)
    np.testing.assert_allclose(paper_loss(*said, Tensor([1.0, 1.0])).numpy(), [0.125, 2.5], rtol=1e-5)
    wanted = 50 * (log(2) - log(0.8)) / 4
    np.testing.assert_allclose(paper_loss(*said, Tensor([0.0, 0.0])).numpy(), [wanted] * 2, rtol=1e-4)


@pytest.mark.parametrize("of", ["likelihood", "mean"])
def test_the_gradient_of_a_whole_step(of):
    rng = np.random.default_rng(3)
    world, answers = small_world(rng), rng.uniform(-9, 9, 2)
    tokens = np.array([[0, 5, 1, 4, 6], [3, 4, 1, 5, 2]])
    places = (tokens[:, None, :] == np.array([1, 2])[:, None]).astype(float)
    with using_dtype("float64"):
        net = randomised(TableProgrammer(words=7, width=3, hidden=2, rng=rng), rng, scale=0.5)
        del net.history.start_hidden, net.history.start_cell            # its first state is what the readers end in

        def function(values):
            table = Table(values, *map(Tensor, world[1:]))
            scores = net(Tensor(tokens), Tensor(places), Tensor([3, 4]))
            wanted = Tensor(answers), Tensor(np.ones((2, 4, 2))), Tensor([1.0, 0.0])
            if of == "likelihood":
                return log_likelihood(scores, table, *wanted, tolerance=0.5)
            *said, entropy, outside = answer_mean(scores, table)
            return paper_loss(*said, *wanted) + entropy + outside
        check_module(net, function, world.values)
