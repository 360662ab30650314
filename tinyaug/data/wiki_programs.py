"""Questions of WikiTableQuestions as arrays: what a network reads, and which programs give the right answer.

A program has three steps: it selects rows, takes some of them by their order, and says something of those. All programs are
run on every question once, before training; what a network learns is which to choose (after Neelakantan et al. 2016,
"Learning a Natural Language Interface with Neural Programmer", whose operations these are, a few added).
"""

import re
from typing import NamedTuple

import numpy as np

from tinyaug.data.wikitables import matches, normalise, number, value

LENGTH, COLUMNS, NUMBERS, FEATURES = 24, 8, 2, 6        # longer questions, and columns beyond, are cut off
SELECT = ("whole", "similar", "greater", "lesser", "at least", "at most")        # each of a column; and all rows
ORDER = ("argmax", "argmin")                                                      # of a column; and those of PLACES
PLACES = ("keep", "first", "last", "previous", "next")
ANSWER = ("print", "mode", "sum", "spread", "distinct")                           # of a column; and a count
MONTHS = {month: i + 1 for i, month in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split())}
SPELLED = {word: i + 1 for i, word in enumerate("one two three four five six seven eight nine ten".split())}
COMMON = frozenset("the a an of in at on to and or is was were are did do does how many what which who when where that this "
                   "by for with from as it than more most least last first after before not has have had be there number "
                   "total name list only no any all".split())


class Example(NamedTuple):
    """A question as arrays, and its answer."""

    words: list                       # of the question
    titles: list                      # words of each column name
    numbers: list                     # where the numbers of the question stand in it, at most NUMBERS
    overlap: np.ndarray               # (LENGTH, COLUMNS), 1 where a word of the question stands in the column's name
    features: np.ndarray              # (COLUMNS, FEATURES)
    flags: np.ndarray                 # (LENGTH, 2): the word stands in some cell, in some name
    selections: np.ndarray            # (S,), may a selection be chosen
    orders: np.ndarray                # (O,)
    answers: np.ndarray               # (A,)
    right: np.ndarray                 # (K, 3), the right programs as indices of the three


def words_of(text):
    """The words of a text in small letters; numbers keep their point, and lose their commas."""
    text = re.sub(r"(?<=\d),(?=\d{3})", "", normalise(text))
    return re.findall(r"[a-z]+|\d+(?:\.\d+)?", text)


def stem(word):
    """A word without the s of its plural."""
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def amount(text):
    """What a cell amounts to: a date in days, or its first number; None where it has neither."""
    words = words_of(text)
    month = next((MONTHS[word[:3]] for word in words if word[:3] in MONTHS and len(word) > 2), None)
    found = [float(word) for word in words if word[0].isdigit()]
    if month is not None and found:
        year, day = next((x for x in found if x > 31), 0), next((x for x in found if x <= 31), 0)
        return 372 * year + 31 * month + day
    sign = -1 if found and re.match(r"\s*[-\u2212]\s*\d", text) else 1
    return sign * found[0] if found else None


def runs(cell, question):
    """How many words in a row a cell has in common with the question; a run of common words alone counts as none."""
    best = 0
    for i in range(len(cell)):
        for j in range(len(question)):
            k = 0
            while i + k < len(cell) and j + k < len(question) and cell[i + k] == question[j + k]:
                k += 1
            if k > best and not COMMON.issuperset(cell[i:i + k]):
                best = k
    return best


class Grid:
    """A table as a question sees it: words, amounts and keys of its cells."""

    def __init__(self, table):
        self.rows = [row[:COLUMNS] for row in table.rows]
        self.titles = [words_of(name) for name in table.names[:COLUMNS]]
        self.words = [[[stem(word) for word in words_of(cell)] for cell in row] for row in self.rows]
        amounts = [[amount(cell) for cell in row] for row in self.rows]
        self.amounts = np.array([[np.nan if x is None else x for x in row] for row in amounts], dtype=float)
        self.numeric = np.mean(~np.isnan(self.amounts), axis=0) > 0.6
        keys, self.cells = {}, [[value(cell) for cell in row] for row in self.rows]
        self.keys = np.array([[keys.setdefault(cell, len(keys)) for cell in row] for row in self.cells])


def select(grid, question, numbers):
    """The selections of rows: (S, R), all rows first. Where a selection makes no sense it is empty."""
    size, width = grid.keys.shape
    found = np.zeros((1 + COLUMNS * (2 + 4 * NUMBERS), size), dtype=bool)
    found[0] = True
    asked = f" {' '.join(question)} "
    for c in range(width):
        whole = np.array([bool(row[c]) and f" {' '.join(row[c])} " in asked and not COMMON.issuperset(row[c])
                          for row in grid.words])
        common = np.array([runs(row[c], question) for row in grid.words])
        found[1 + c], found[1 + COLUMNS + c] = whole, (common == common.max()) & (common > 0)
        if grid.numeric[c]:
            for n, limit in enumerate(numbers):
                with np.errstate(invalid="ignore"):
                    values = grid.amounts[:, c]
                    compared = (values > limit, values < limit, values >= limit, values <= limit)
                for k, rows in enumerate(compared):
                    found[1 + COLUMNS * (2 + k * NUMBERS + n) + c] = rows
    return found


def selections(grid, example):
    """`select` for an Example."""
    words = example.words
    return select(grid, [stem(word) for word in words], [float(SPELLED.get(words[j], words[j])) for j in example.numbers])


def order(grid, rows):
    """Rows of a selection by their order: (O, R). PLACES first, then the greatest and the least of each column."""
    size, width = grid.keys.shape
    found = np.zeros((len(PLACES) + len(ORDER) * COLUMNS, size), dtype=bool)
    at = np.flatnonzero(rows)
    if not len(at):
        return found
    found[0] = rows
    found[1, at[0]] = found[2, at[-1]] = True
    if at[0] > 0:
        found[3, at[0] - 1] = True
    if at[-1] + 1 < size:
        found[4, at[-1] + 1] = True
    for c in np.flatnonzero(grid.numeric):
        values = grid.amounts[at, c]
        if not np.isnan(values).all():
            found[len(PLACES) + c, at[values == np.nanmax(values)]] = True
            found[len(PLACES) + COLUMNS + c, at[values == np.nanmin(values)]] = True
    return found


def say(grid, rows, answer):
    """What an answer, by its number, says of rows: a list of texts."""
    at = np.flatnonzero(rows)
    if answer == 0:
        return [str(len(at))]
    kind, c = divmod(answer - 1, COLUMNS)
    if c >= grid.keys.shape[1] or not len(at):
        return []
    if kind == 0:
        return [grid.rows[i][c] for i in at]
    if kind == 1:
        keys, first, counts = np.unique(grid.keys[at, c], return_index=True, return_counts=True)
        return [grid.rows[at[first[k]]][c] for k in np.flatnonzero(counts == counts.max())]
    if kind == 4:
        return [str(len(np.unique(grid.keys[at, c])))]
    values = grid.amounts[at, c][~np.isnan(grid.amounts[at, c])]
    if not len(values):
        return []
    return [f"{values.sum() if kind == 2 else values.max() - values.min():.10g}"]


def right_answers(grid, rows, target, wanted):
    """Which answers are right for rows: (A,). wanted: (R, C), the cells that match the target, where it is one value."""
    found = np.zeros(1 + len(ANSWER) * COLUMNS, dtype=bool)
    at = np.flatnonzero(rows)
    width = grid.keys.shape[1]
    if not len(at):
        return found
    if wanted is None:
        for c in range(width):
            texts = say(grid, rows, 1 + c)
            found[1 + c] = len(texts) <= 4 * len(target) and matches(target, texts)
        return found
    found[1:1 + width] = wanted[at].all(axis=0)
    goal = number(re.sub(r"(?<=\d),(?=\d{3})", "", target[0]))
    if len(at) > 2 and wanted[at].any():
        for c in np.flatnonzero(wanted[at].any(axis=0)):
            found[1 + COLUMNS + c] = matches(target, say(grid, rows, 1 + COLUMNS + c))
    if goal is not None:
        found[0] = len(at) == goal
        values = grid.amounts[at]
        known = grid.numeric[:width] & ~np.isnan(values).all(axis=0)
        for c in np.flatnonzero(known):
            column = values[:, c][~np.isnan(values[:, c])]
            if len(column) > 1:
                found[1 + 2 * COLUMNS + c] = abs(column.sum() - goal) < 1e-6
                found[1 + 3 * COLUMNS + c] = abs(column.max() - column.min() - goal) < 1e-6
        if len(at) > 1:
            for c in range(width):
                found[1 + 4 * COLUMNS + c] = len(np.unique(grid.keys[at, c])) == goal
    return found


def prepare(grid, asked, search=True):
    """A question as an Example. search: look for the right programs; else there are none"""
    words = words_of(asked.text)[:LENGTH]
    stems = [stem(word) for word in words]
    numbers = [j for j, word in enumerate(words) if word[0].isdigit() or word in SPELLED][:NUMBERS]
    width = grid.keys.shape[1]
    selected = select(grid, stems, [float(SPELLED.get(words[j], words[j])) for j in numbers])
    inside = {word for row in grid.words for cell in row for word in cell}
    named = [{stem(word) for word in title} - COMMON for title in grid.titles]
    overlap, flags = np.zeros((LENGTH, COLUMNS), dtype=np.float32), np.zeros((LENGTH, 2), dtype=np.float32)
    for j, word in enumerate(stems):
        overlap[j, :width] = [word in title for title in named]
        flags[j] = word in inside and word not in COMMON, overlap[j].any()
    features = np.zeros((COLUMNS, FEATURES), dtype=np.float32)
    features[:width] = np.stack([np.ones(width), selected[1:1 + width].any(axis=1),
                                 selected[1 + COLUMNS:1 + COLUMNS + width].any(axis=1), grid.numeric,
                                 np.arange(width) == 0, overlap[:, :width].any(axis=0)], axis=1)
    real = np.arange(COLUMNS) < width
    numeric = np.concatenate([grid.numeric, np.zeros(COLUMNS - width, dtype=bool)])
    orders = np.concatenate([np.ones(len(PLACES), dtype=bool), numeric, numeric])
    answers = np.concatenate([[True], real, real, numeric, numeric, real])
    right = search_programs(grid, selected, asked.answer) if search else np.zeros((0, 3), dtype=int)
    return Example(words, grid.titles, numbers, overlap, features, flags, selected.any(axis=1), orders, answers, right)


def search_programs(grid, selected, target):
    """All right programs, (K, 3). Each set of rows is looked at once, however many selections lead to it."""
    wanted = None
    if len({value(text) for text in target}) == 1:
        good = {cell: matches(target, [text]) for row, texts in zip(grid.cells, grid.rows) for cell, text in zip(row, texts)}
        wanted = np.array([[good[cell] for cell in row] for row in grid.cells])
    known, found = {}, []
    for s in np.flatnonzero(selected.any(axis=1)):
        for o, rows in enumerate(order(grid, selected[s])):
            key = rows.tobytes()
            if key not in known:
                known[key] = np.flatnonzero(right_answers(grid, rows, target, wanted))
            found += [(s, o, a) for a in known[key]]
    return np.array(found, dtype=int).reshape(-1, 3)
