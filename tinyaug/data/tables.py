"""Tables, questions about them, and answers, all drawn (Neelakantan, Le, Sutskever 2015, section 4); and CSV files.

A question is words. Column names stand in it as c1, c2, ..., numbers as n1 and n2, a text that some row has as w: so what
is learned holds for any names, numbers and texts.
"""

import csv
import re
from typing import NamedTuple

import numpy as np

NUMBERS = 2                     # a question has at most two
SUMS = ("what is the sum of", "add up", "what is the total of")
COUNTS = ("how many rows are there", "count the rows", "what is the number of rows")
LISTS = ("print", "list", "show me")
WHERE = ("where", "with", "in all rows where")
GREATER = ("is greater than", "is more than", "exceeds")
LESSER = ("is less than", "is below", "is under")
MATCHES = ("the name is", "there is the name", "it says")
DIFFERENCES = ("by how much does the sum of {} exceed its sum", "what is the sum of {} minus its sum")
CONDITIONS = ("none", "greater", "lesser", "and", "or", "match")
ANSWERS = ("sum", "count", "assign")
TEMPLATES = [(condition, answer) for condition in CONDITIONS for answer in ANSWERS] + [
    ("greater", "difference"), ("lesser", "difference")]


class Question(NamedTuple):
    """Words, the numbers n1 and n2 (0 where there is none), the text w, and the template that it was made from."""

    words: list
    numbers: tuple
    text: str
    template: tuple


def vocabulary(columns):
    """{word: index}; 0 is padding."""
    phrases = [*SUMS, *COUNTS, *LISTS, *WHERE, *GREATER, *LESSER, *MATCHES, "and or",
               *(text.format("") for text in DIFFERENCES)]
    words = ["_", "n1", "n2", "w", *(f"c{i + 1}" for i in range(columns))]
    return {word: i for i, word in enumerate(dict.fromkeys([*words, *" ".join(phrases).split()]))}


def ask(rng, numbers, texts, template, variants=True):
    """A question by a template about a table: numbers (R, C), texts (R,). Which columns, numbers and words is drawn."""
    condition, answer = template
    columns = numbers.shape[1]

    def one_of(phrases):
        return str(phrases[rng.integers(len(phrases)) if variants else 0])

    def column():
        return f"c{rng.integers(columns) + 1}"

    def compare(sign, name):
        return f"{column()} {one_of(GREATER if sign == 'greater' else LESSER)} {name}"

    # whole, as the numbers of the table are: often some row has that very number, and "not greater" is not "less"
    limits = sorted(float(round(x)) for x in rng.uniform(numbers.min(), numbers.max(), NUMBERS))
    text = str(texts[rng.integers(len(texts))])
    target = column()
    if answer == "difference":
        words = one_of(DIFFERENCES).format(target)
    else:
        words = {"sum": f"{one_of(SUMS)} {target}", "count": one_of(COUNTS), "assign": f"{one_of(LISTS)} {target}"}[answer]
    if condition in ("and", "or"):
        signs = [("greater", "lesser")[k] for k in rng.integers(2, size=2)]
        if signs[0] != signs[1] and (signs[0] == "greater") != (condition == "and"):
            limits.reverse()            # between two limits, or outside of them: some rows are left, and some are not
        words += f" {one_of(WHERE)} {compare(signs[0], 'n1')} {condition} {compare(signs[1], 'n2')}"
    elif condition != "none":
        words += f" {one_of(WHERE)} {one_of(MATCHES) + ' w' if condition == 'match' else compare(condition, 'n1')}"
        limits[1] = 0.0
    if condition in ("none", "match"):
        limits = [0.0, 0.0]
    return Question(words.split(), tuple(limits), text if condition == "match" else "", template)


def answer(question, numbers, texts):
    """What the question comes to, from its words alone. returns: a float, or a list of (row, column) to print

    Written apart from the programs that the network may write, so that neither can hide a mistake of the other.
    """
    words = question.words
    limits = dict(zip(("n1", "n2"), question.numbers))
    rows = np.ones(len(numbers), dtype=bool)
    if "w" in words:
        rows = np.array([text == question.text for text in texts])
    tests = []
    for name, limit in limits.items():
        if name in words:
            at = words.index(name)
            column = [int(word[1:]) - 1 for word in words[:at] if re.fullmatch(r"c\d", word)][-1]
            greater = any(words[at - len(p.split()):at] == p.split() for p in GREATER)
            tests.append(numbers[:, column] > limit if greater else numbers[:, column] < limit)
    if tests:
        rows = tests[0] if len(tests) == 1 else (tests[0] | tests[1] if "or" in words else tests[0] & tests[1])
    names = [int(word[1:]) - 1 for word in words if re.fullmatch(r"c\d", word)]
    kind = question.template[1]
    if kind == "count":
        return float(rows.sum())
    if kind == "assign":
        return [(int(row), names[0]) for row in np.flatnonzero(rows)]
    total = numbers[:, names[0]]
    return float(total.sum() - total[rows].sum() if kind == "difference" else total[rows].sum())


def draw_table(rng, rows, columns, limit, texts):
    """A table: numbers (R, C), whole and uniform in -limit .. limit, and texts (R,), few enough to come more than once."""
    numbers = rng.integers(-limit, limit + 1, (rows, columns)).astype(float)
    return numbers, np.array([f"name{i}" for i in rng.integers(0, texts, rows)])


class CSVError(ValueError):
    """A table that cannot be read: file, line and column, what was expected and what stands there."""


def read_csv(path):
    """A table of a file whose first line names its columns. Columns of numbers are numbers, the others text.

    returns: names of the number columns, numbers (R, C), names of the text columns, texts (R, K) as lists
    raises:  CSVError for ragged rows, text in a number column, names that are not there or not unique, or nothing to read
    """
    try:
        with open(path, encoding="utf-8", newline="") as file:
            lines = [(reader.line_num, row) for reader in [csv.reader(file)] for row in reader if row]
    except UnicodeDecodeError as error:
        raise CSVError(f"{path}: expected UTF-8, got byte {error.object[error.start]:#04x} at {error.start}") from None
    if len(lines) < 2:
        raise CSVError(f"{path}:1: expected a line of column names and at least one row, got {len(lines)} lines")
    names = [name.strip() for name in lines[0][1]]
    for line, row in lines[1:]:
        if len(row) != len(names):
            raise CSVError(f"{path}:{line}: expected {len(names)} columns ({', '.join(names)}), got {len(row)}")
    small = [name.lower() for name in names]
    for j, name in enumerate(names):
        if not name or small.index(name.lower()) < j:
            raise CSVError(f"{path}:{lines[0][0]}: column {j + 1}: expected a name of its own, got {name!r}")
    number, text = [], []
    for j in range(len(names)):
        good = [_number(row[j]) is not None for _, row in lines[1:]]
        (number if sum(good) > len(good) / 2 else text).append(j)
        if sum(good) > len(good) / 2 and not all(good):
            line, row = lines[1 + good.index(False)]
            raise CSVError(f"{path}:{line}: column {names[j]}: expected a number, got {row[j]!r}")
    values = np.array([[_number(row[j]) for j in number] for _, row in lines[1:]], dtype=float)
    texts = [[row[j].strip() for j in text] for _, row in lines[1:]]
    return [names[j] for j in number], values.reshape(len(lines) - 1, len(number)), [names[j] for j in text], texts


def _number(text):
    try:
        value = float(text.replace(",", "").strip())
    except ValueError:
        return None
    return value if np.isfinite(value) else None
