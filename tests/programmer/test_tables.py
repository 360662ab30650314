"""Programs over tables: soft against loops, hard against answers that were computed apart, and both against SQL."""

import numpy as np
import pytest

from tasks.tables import condition, query, right
from tests.programmer.loops import random_scores, small_world, soft
from tinyaug import Tensor, using_dtype
from tinyaug.data import tables as data
from tinyaug.programmer.tables import (
    OPERATIONS,
    STEPS,
    Instruction,
    Selection,
    Table,
    answer_soft,
    execute,
    run_soft,
    to_sql,
    to_words,
)


def program_of(question):
    """The program that a person would write for a templated question."""
    kind, result = question.template
    columns = [int(word[1:]) - 1 for word in question.words if word[0] == "c" and word[1:].isdigit()]
    target, compared = (None, columns) if result == "count" else (columns[0], columns[1:])
    compared = [*compared, 0, 0]
    signs = ["greater" if {"greater", "more", "exceeds"} & set(question.words[:question.words.index(n)][-3:]) else "lesser"
             for n in ("n1", "n2") if n in question.words]
    rows = {"none": [("reset", 0, 0)], "match": [("match", 0, 0)], "greater": [("greater", compared[0], 0)],
            "lesser": [("lesser", compared[0], 0)],
            "and": [*zip(signs, compared, (0, 1)), ("and", 0, 0)], "or": [*zip(signs, compared, (0, 1)), ("or", 0, 0)]}[kind]
    if result == "difference":
        steps = [("sum", target, 0), *rows, ("sum", target, 0), ("difference", 0, 0)]
    else:
        steps = [*rows, (result, target or 0, 0)]
    return [Instruction(*step) for step in [("reset", 0, 0)] * (STEPS - len(steps)) + steps]


@pytest.mark.parametrize("template", data.TEMPLATES, ids="-".join)
def test_a_program_of_four_steps_answers_every_template_and_sql_agrees(template):
    """The hard program, the answer computed from the words, and sqlite3: three ways to one result."""
    rng, names = np.random.default_rng(0), ["c1", "c2", "c3"]
    for _ in range(20):
        numbers, texts = data.draw_table(rng, 15, 3, 10, 4)
        question = data.ask(rng, numbers, texts, template)
        wanted, program = data.answer(question, numbers, texts), program_of(question)
        found = execute(program, numbers.tolist(), question.numbers, [text == question.text for text in texts])
        assert right(found, wanted)
        said = query(to_sql(program, names, question.numbers, condition(question.text)), names, numbers, texts)
        assert said == [numbers[i, j] for i, j in wanted] if isinstance(wanted, list) else said[0] == pytest.approx(wanted)
        assert to_words(program, names, question.numbers, question.text)


def test_words_leave_out_what_the_answer_does_not_depend_on():
    def said(*operations):
        program = [Instruction(name, 0, 0) for name in operations]
        return [line.split()[0] for line in to_words(program, ["c"], (1.0, 2.0), "t")]

    assert said("lesser", "match", "reset", "sum") == ["select", "sum"]
    assert said("greater", "lesser", "or", "count") == ["select", "select", "take", "count"]
    assert said("sum", "greater", "count", "difference") == ["sum", "select", "count", "subtract"]


def test_a_program_that_only_selects_rows_has_no_answer():
    program = [Instruction("reset", 0, 0)] * STEPS
    assert execute(program, [[1.0]], (0.0, 0.0), [False]) is None and to_sql(program, ["c1"], (0.0, 0.0)) is None


def soft_run(steps, world, b):
    """One soft program by loops: rows and scalars after each step. steps: [(operation, column, pivot)] distributions"""
    values, (count, columns) = world.values[b], world.values[b].shape
    rows, scalars = [np.ones(count)], [0.0]
    for operation, column, pivot in steps:
        w = dict(zip(OPERATIONS, operation))
        before = rows[-2] if len(rows) > 1 else rows[-1]
        total = sum(rows[-1][i] * column[j] * values[i, j] for i in range(count) for j in range(columns))
        earlier = scalars[-3] if len(scalars) > 2 else scalars[0]
        scalar = w["sum"] * total + w["count"] * sum(rows[-1]) + w["difference"] * (earlier - scalars[-1])
        selected = []
        for i in range(count):
            greater, lesser = (sum(column[j] * pivot[n] * compared[b, n, i, j] for j in range(columns) for n in range(2))
                               for compared in (world.above, world.below))
            selected.append(w["greater"] * greater + w["lesser"] * lesser + w["and"] * min(rows[-1][i], before[i])
                            + w["or"] * max(rows[-1][i], before[i]) + w["reset"] + w["match"] * world.match[b, i])
        rows.append(np.array(selected))
        scalars.append(scalar)
    return rows, scalars


def test_a_soft_run_against_loops():
    rng = np.random.default_rng(1)
    world, scores = small_world(rng), random_scores(rng)
    with using_dtype("float64"):
        drawn = [Selection(*[Tensor(np.apply_along_axis(soft, 1, x))[:, None] for x in step]) for step in scores]
        rows, scalars = run_soft(drawn, Table(*map(Tensor, world)))
    for b in range(2):
        want_rows, want_scalars = soft_run([[soft(x[b]) for x in step] for step in scores], world, b)
        for t in range(STEPS + 1):
            np.testing.assert_allclose(rows[t].numpy()[b, 0], want_rows[t], rtol=1e-10)
            np.testing.assert_allclose(scalars[t].numpy()[b, 0], want_scalars[t], rtol=1e-10, atol=1e-12)


def test_the_soft_answer_against_loops():
    rng = np.random.default_rng(5)
    world, scores = small_world(rng), random_scores(rng)
    with using_dtype("float64"):
        scalar, cells = answer_soft([Selection(*map(Tensor, step)) for step in scores], Table(*map(Tensor, world)))
    for b in range(2):
        steps = [[soft(x[b]) for x in step] for step in scores]
        rows, scalars = soft_run(steps, world, b)
        operation, column, _ = steps[-1]
        assert scalar.numpy()[b] == pytest.approx(scalars[-1], rel=1e-9)
        wanted = operation[OPERATIONS.index("assign")] * np.outer(rows[-2], column)
        np.testing.assert_allclose(cells.numpy()[b], wanted, rtol=1e-9)
