"""Programs over tables of the world: each is run by hand, and the search finds those that are right and no other."""

import numpy as np
import pytest

from tinyaug.data import wiki_programs as programs
from tinyaug.data.wikitables import Asked, Wiki, matches

TABLE = Wiki(["Year", "City", "Points"],
             [["2001", "Rome", "1,200"], ["2002", "Oslo", "7"], ["2003", "Rome", "30"], ["2004", "Bonn", "7"]])
GRID = programs.Grid(TABLE)
ALL = np.ones(4, dtype=bool)


def asked(text, *answer):
    return Asked("", text, "", list(answer))


@pytest.mark.parametrize("text, found", [
    ("1,200", 1200.0), ("4th, Western", 4.0), ("-3.5 m", -3.5), ("none", None),
    ("21 December 1790", 372 * 1790 + 31 * 12 + 21), ("March 2001", 372 * 2001 + 31 * 3),
])
def test_amounts(text, found):
    assert programs.amount(text) == found


def test_selections():
    question = programs.words_of("how many points after 2002 did Rome get?")
    found = programs.select(GRID, [programs.stem(word) for word in question], [2002.0])
    columns = programs.COLUMNS
    assert found[0].all() and found[1 + 1].tolist() == [True, False, True, False]          # City, whole
    assert found[1].tolist() == [False, True, False, False]                                # Year, whole
    assert found[1 + 2 * columns].tolist() == [False, False, True, True]                   # Year > 2002
    assert found[1 + 2 * columns + 1 * 2 * columns].tolist() == [True, False, False, False]        # Year < 2002
    assert found[1 + 2 * columns + 2 * 2 * columns].tolist() == [False, True, True, True]          # Year >= 2002
    assert not found[1 + 2 * columns + 1].any()                                            # City is no number


def test_orders():
    found = programs.order(GRID, np.array([False, True, True, False]))
    at = [np.flatnonzero(rows).tolist() for rows in found[:5]]
    assert at == [[1, 2], [1], [2], [0], [3]]
    points = len(programs.PLACES) + 2
    assert np.flatnonzero(found[points]).tolist() == [2]                                   # the most points: 30
    assert np.flatnonzero(found[points + programs.COLUMNS]).tolist() == [1]                # the least: 7
    assert not found[len(programs.PLACES) + 1].any()


@pytest.mark.parametrize("answer, said", [
    (0, ["4"]), (1 + 1, ["Rome", "Oslo", "Rome", "Bonn"]), (1 + programs.COLUMNS + 1, ["Rome"]),
    (1 + 2 * programs.COLUMNS + 2, ["1244"]), (1 + 3 * programs.COLUMNS + 2, ["1193"]),
    (1 + 4 * programs.COLUMNS + 1, ["3"]), (1 + 7, []),
])
def test_answers(answer, said):
    assert programs.say(GRID, ALL, answer) == said


@pytest.mark.parametrize("question", [
    asked("how many points did oslo get", "7"), asked("which city had the most points", "Rome"),
    asked("how many different cities are there", "3"), asked("list the cities after 2002", "Rome", "Bonn"),
    asked("which city is last", "Bonn"), asked("how many times is rome listed", "2"),
])
def test_the_search_finds_right_programs_and_no_other(question):
    """Every triple that it gives says the answer; every other that says something else is not among them."""
    example = programs.prepare(GRID, question)
    selected, right = programs.selections(GRID, example), {tuple(row) for row in example.right.tolist()}
    assert right
    for s in np.flatnonzero(example.selections):
        for o, rows in enumerate(programs.order(GRID, selected[s])):
            for a in np.flatnonzero(example.answers):
                says = matches(question.answer, programs.say(GRID, rows, a)) if rows.any() else False
                if (s, o, a) in right:
                    assert says, (s, o, a)
                elif says:      # not searched: a mode of two rows, a sum or a spread of one
                    assert rows.sum() <= 2 and a > programs.COLUMNS


def test_what_is_read():
    example = programs.prepare(GRID, asked("how many points did Oslo get in 2002", "7"))
    assert example.words == "how many points did oslo get in 2002".split() and example.numbers == [7]
    assert np.argwhere(example.overlap).tolist() == [[2, 2]]                               # points, and Points
    assert np.flatnonzero(example.flags[:, 0]).tolist() == [4, 7]                          # oslo and 2002 stand in cells
    assert example.answers[:1 + 8].tolist() == [True, True, True, True] + [False] * 5
