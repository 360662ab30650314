"""Questions about tables: the Neural Programmer (Neelakantan, Le, Sutskever 2015), soft and hard.

At each of T steps the network chooses an operation, a column, and a number of the question to compare with. There are three
types of result, and only results of one type are averaged: a selection of rows, a scalar, and cells to print.
"""

from typing import NamedTuple

from tinyaug import ops
from tinyaug.autograd import Tensor
from tinyaug.nn.cells import LSTM, LSTMState, unroll
from tinyaug.nn.layers import Embedding, Linear
from tinyaug.nn.module import Module
from tinyaug.programmer.programmer import NEVER

__all__ = ["OPERATIONS", "Instruction", "Selection", "Table", "TableProgrammer", "answer_soft", "execute", "harden", "live",
           "quoted", "run_soft", "to_sql", "to_words"]

OPERATIONS = ("sum", "count", "difference", "greater", "lesser", "and", "or", "assign", "reset", "match")
STEPS = 4


class Selection(NamedTuple):
    """What is chosen at a step: scores, or distributions."""

    operation: Tensor                 # (..., O)
    column: Tensor                    # (..., C)
    pivot: Tensor                     # (..., N), over the numbers of the question


class Table(NamedTuple):
    """A table with all that a question can compare it with."""

    values: Tensor                    # (B, R, C)
    above: Tensor                     # (B, N, R, C), 1 where a value is greater than the n-th number of the question
    below: Tensor                     # (B, N, R, C), 1 where it is less
    match: Tensor                     # (B, R), 1 where the row has the text that the question has


class Instruction(NamedTuple):
    """One step of a hard program."""

    operation: str
    column: int
    pivot: int


def run_soft(selections, table, samples=1):
    """The steps before the last. selections: distributions (B, S, ...), one for each of these steps

        sum_t = sum_ij rows_{t-1}(i) col_t(j) x(i, j)        count_t = sum_i rows_{t-1}(i)
        difference_t = scalar_{t-3} - scalar_{t-1}
        greater_t(i) = sum_jn col_t(j) pivot_t(n) [x(i, j) > q(n)]        lesser alike
        and_t = min(rows_{t-1}, rows_{t-2})                  or_t = max(rows_{t-1}, rows_{t-2})
        reset = 1                                            match(i) = [row i has the text of the question]
        scalar_t, rows_t: the mean of the scalars, of the selections, by the distribution over operations

    returns: rows (B, S, R) after each step, the start first; scalars (B, S), likewise
    """
    batch, count, _ = table.values.shape
    everything = ops.broadcast_to(ops.ones_like(table.match[:, None, :]), (batch, samples, count))
    rows, scalars = [everything], [ops.sum(everything, axis=-1) * 0]
    for step in selections:
        weight = dict(zip(OPERATIONS, ops.split(step.operation, len(OPERATIONS), axis=-1)))          # of (B, S, 1)
        before = rows[-2] if len(rows) > 1 else rows[-1]
        picked = ops.einsum("bsn,bsc->bsnc", step.pivot, step.column)
        greater, lesser = (ops.einsum("bsnc,bnrc->bsr", picked, compared) for compared in (table.above, table.below))
        total = ops.einsum("bsr,bsc,brc->bs", rows[-1], step.column, table.values)
        earlier = scalars[-3] if len(scalars) > 2 else scalars[0]
        scalars.append(weight["sum"][..., 0] * total + weight["count"][..., 0] * ops.sum(rows[-1], axis=-1)
                       + weight["difference"][..., 0] * (earlier - scalars[-1]))
        rows.append(weight["greater"] * greater + weight["lesser"] * lesser + weight["and"] * ops.minimum(rows[-1], before)
                    + weight["or"] * ops.maximum(rows[-1], before) + weight["reset"]
                    + weight["match"] * ops.expand_dims(table.match, 1))
    return rows, scalars


class TableProgrammer(Module):
    """Reads a question, then chooses at each step, with a history of what it chose.

        k_j = [forwards_j, backwards_j]                             a key for each word
        h_t = lstm([o_{t-1}, c_{t-1}], h_{t-1})                      o, c: the words that it looked at
        operation = U tanh([h_t, o_t] W_op)                         o_t: the word that says what to do
        column(j) = embedding(c_j) . c_t W_col                      c_t: the name of a column
        pivot(n) = key(n) . h_t W_pivot                             the numbers of the question

    tokens: (B, L) indices, places: (B, N, L) where the numbers stand, names: (C,) the indices of c1, c2, ...
    returns: STEPS Selections of scores

    Deviation: the paper's history is a simple RNN over what was chosen, and its question is one vector; here each step
    looks back at two words of the question, one for the operation and one for the column.
    """

    def __init__(self, *, words, width, hidden, rng):
        self.embedding = Embedding(words, width, rng=rng, deviation=1.0)
        self.forwards = LSTM(width, hidden, rng=rng)
        self.backwards = LSTM(width, hidden, rng=rng)
        self.history = LSTM(2 * width, 2 * hidden, rng=rng)
        self.look = Linear(2 * hidden, 4 * hidden, rng=rng, bias=False)
        self.mix = Linear(2 * hidden + width, hidden, rng=rng)
        self.operation = Linear(hidden, len(OPERATIONS), rng=rng)
        self.column = Linear(width, width, rng=rng)
        self.pivot = Linear(2 * hidden, 2 * hidden, rng=rng)

    def forward(self, tokens, places, names):
        embedded = self.embedding(tokens)
        forth = ops.swapaxes(embedded, 0, 1)
        one, last = unroll(self.forwards, forth)
        two, first = unroll(self.backwards, ops.flip(forth, axis=0))
        keys = ops.swapaxes(ops.concatenate([one, ops.flip(two, axis=0)], axis=-1), 0, 1)            # (B, L, 2H)
        state = LSTMState(*[ops.concatenate(both, axis=-1) for both in zip(last, first)])
        seen = ops.concatenate([ops.mean(embedded, axis=1)] * 2, axis=-1)
        numbers, absent = places @ keys, (1 - ops.sum(places, axis=-1)) * NEVER
        titles = ops.take(self.embedding.weight, names, axis=0)                                      # (C, E)
        padding, steps = ops.expand_dims(tokens == 0, 1), []
        for _ in range(STEPS):
            hidden, state = self.history(seen, state)
            queries = ops.reshape(self.look(hidden), (tokens.shape[0], 2, -1))
            weights = ops.softmax(ops.where(padding, NEVER, queries @ ops.swapaxes(keys, 1, 2)))     # (B, 2, L)
            looked = weights @ embedded                                                              # (B, 2, E)
            word, title = ops.unstack(looked, axis=1)
            operation = self.operation(ops.tanh(self.mix(ops.concatenate([hidden, word], axis=-1))))
            pivot = ops.squeeze(numbers @ ops.expand_dims(self.pivot(hidden), -1), axis=-1) + absent
            steps.append(Selection(operation, self.column(title) @ ops.swapaxes(titles, 0, 1), pivot))
            seen = ops.concatenate([word, title], axis=-1)
        return steps


def answer_soft(scores, table):
    """The answer of the soft program: scalars (B,), and how surely each cell is printed (B, R, C).

        scalar = operation(sum) sum_T + operation(count) count_T + operation(difference) difference_T
        cell(i, j) = operation(assign) col_T(j) rows_{T-1}(i)                                   NP, outputs
    """
    choices = [Selection(*[ops.softmax(ops.expand_dims(score, 1)) for score in step]) for step in scores]
    rows, scalars = run_soft(choices, table)
    assign = choices[-1].operation[..., OPERATIONS.index("assign"), None]
    cells = ops.expand_dims(rows[-2][:, 0], -1) * (assign * choices[-1].column)
    return scalars[-1][:, 0], cells


def harden(scores):
    """The likeliest program of each row: B lists of Instructions."""
    best = [[ops.argmax(score, axis=-1).numpy().tolist() for score in step] for step in scores]
    return [[Instruction(OPERATIONS[o], c, p) for o, c, p in steps] for steps in zip(*[zip(*step) for step in best])]


def execute(program, values, numbers, match):
    """Run a hard program. values: rows of numbers, numbers: of the question, match: truth values, all plain lists

    returns: a float, or a list of (row, column) to print, or None where the last operation only selects rows
    """
    rows, scalars = [[True] * len(values)], [0.0]
    for operation, column, pivot in program:
        last, before = rows[-1], rows[-2] if len(rows) > 1 else rows[-1]
        kept = [row for row, chosen in zip(values, last) if chosen]
        scalar = {"sum": sum(row[column] for row in kept), "count": float(len(kept)),
                  "difference": (scalars[-3] if len(scalars) > 2 else scalars[0]) - scalars[-1]}.get(operation, 0.0)
        rows.append({"greater": [row[column] > numbers[pivot] for row in values],
                     "lesser": [row[column] < numbers[pivot] for row in values],
                     "and": [a and b for a, b in zip(last, before)], "or": [a or b for a, b in zip(last, before)],
                     "reset": [True] * len(values), "match": list(match)}.get(operation, [False] * len(values)))
        scalars.append(scalar)
    operation, column, _ = program[-1]
    if operation == "assign":
        return [(i, column) for i, chosen in enumerate(rows[-2]) if chosen]
    return scalars[-1] if operation in ("sum", "count", "difference") else None


def to_sql(program, names, numbers, text=None):
    """A hard program as SQL. names: of the columns; text: a condition in SQL that holds for the matching rows

    returns: a query of one table, `data`; or None where the program gives nothing
    """
    rows, scalars = ["1"], ["0.0"]
    for operation, column, pivot in program:
        name, last, before = quoted(names[column]), rows[-1], rows[-2] if len(rows) > 1 else rows[-1]
        scalars.append({"sum": f"(SELECT COALESCE(SUM({name}), 0.0) FROM data WHERE {last})",
                        "count": f"(SELECT COUNT(*) FROM data WHERE {last})",
                        "difference": f"({scalars[-3] if len(scalars) > 2 else scalars[0]} - {scalars[-1]})"
                        }.get(operation, "0.0"))
        rows.append({"greater": f"{name} > {numbers[pivot]!r}", "lesser": f"{name} < {numbers[pivot]!r}",
                     "and": f"({last}) AND ({before})", "or": f"({last}) OR ({before})", "reset": "1",
                     "match": text or "0"}.get(operation, "0"))
    operation, column, _ = program[-1]
    if operation == "assign":
        return f'SELECT {quoted(names[column])} FROM data WHERE {rows[-2]} ORDER BY rowid'
    return f"SELECT {scalars[-1]}" if operation in ("sum", "count", "difference") else None


def quoted(name):
    """The name of a column in SQL."""
    return '"' + name.replace('"', '""') + '"'


def live(program):
    """The numbers of the steps that the answer depends on, in order."""
    needed, open_ = set(), [len(program) - 1]
    while open_:
        step = open_.pop()
        if step >= 0:
            needed.add(step)
            back = {"and": (1, 2), "or": (1, 2), "difference": (1, 3), "sum": (1,), "count": (1,), "assign": (1,)}
            open_ += [step - k for k in back.get(program[step].operation, ())]
    return sorted(needed)


def to_words(program, names, numbers, text=None):
    """A hard program in words, a line for each step that the answer depends on."""
    said = {"sum": "sum {c}", "count": "count the selected rows",
            "difference": "subtract the last scalar from that of three steps ago",
            "greater": "select rows with {c} > {n:g}", "lesser": "select rows with {c} < {n:g}",
            "and": "keep rows that were selected at both of the last two steps", "or": "take rows of either of the last two",
            "assign": "print {c} of the selected rows", "reset": "select all rows", "match": "select rows with {t}"}
    steps = [program[step] for step in live(program)]
    return [said[operation].format(c=names[column], n=numbers[pivot], t=text) for operation, column, pivot in steps]
