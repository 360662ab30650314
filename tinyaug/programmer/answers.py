"""What the programs over a table answer, all at once, and two losses of it: how unlikely the answer is, and the paper's.

Of each program the four choices are those of `tinyaug.programmer.tables`; a program that answers is of one of three kinds.
"""

from typing import NamedTuple

from tinyaug import ops
from tinyaug.autograd import Tensor
from tinyaug.programmer.programmer import NEVER, relative_error
from tinyaug.programmer.tables import OPERATIONS

__all__ = ["Answers", "answer_mean", "every_answer", "log_likelihood", "paper_loss"]

TINY = 1e-7         # inside a log: a cell that is surely wrong costs 16 nats, and is finite in float32


class Answers(NamedTuple):
    """What all programs answer, with the log probability of each. P selections of rows, S scalars."""

    rows: Tensor                      # (B, P, R)
    log_cells: Tensor                 # (B, P, C), that column c of selection p is printed
    scalars: Tensor                   # (B, S)
    log_scalars: Tensor               # (B, S)


def every_answer(scores, table, distinct=False):
    """Run all programs of three kinds.

        one selection:   step 3 selects, step 4 answers
        two selections:  steps 1 and 2 select, step 3 is `and` or `or`, step 4 answers
        a difference:    step 1 is a scalar of all rows, step 2 selects, step 3 is a scalar of it, step 4 `difference`

    What a kind does not name may be anything: it is marginalised.

    distinct: of two selections, leave out those that are one: the same twice, or all rows for one of them; and what
              needs a number or a text that the question does not have
    """
    basic, every = selections(table), ops.ones_like(table.match[:, None, :])
    chosen = [log_selections(step, table if distinct else None) for step in scores[:-1]]    # (B, M) each
    third, last = (dict(zip(OPERATIONS, ops.split(ops.log_softmax(step.operation), len(OPERATIONS), axis=-1)))
                   for step in scores[2:])
    pairs, few = (table.match.shape[0], -1), basic.shape[1] - distinct                       # the last selects all rows
    one, other = ops.expand_dims(basic[:, :few], 2), ops.expand_dims(basic[:, :few], 1)
    both = ops.expand_dims(chosen[0][:, :few], 2) + ops.expand_dims(chosen[1][:, :few], 1)
    if distinct:
        ones = ops.ones_like(both)
        both = ops.where(ops.triu(ones) * ops.tril(ones) > 0, NEVER, both)
    both = ops.reshape(both, pairs)
    rows = ops.concatenate([basic, *(ops.reshape(merge(one, other), (*pairs, basic.shape[-1]))
                                     for merge in (ops.minimum, ops.maximum))], axis=1)      # (B, P, R)
    prior = ops.expand_dims(ops.concatenate([chosen[2], both + third["and"], both + third["or"]], axis=1), -1)

    scalars = scalars_of(rows, table)                                                        # (B, P, C + 1)
    before, after = scalars_of(every, table), scalars[:, :basic.shape[1]]                    # (B, 1, C + 1), (B, M, C + 1)
    differences = ops.expand_dims(ops.swapaxes(before, 1, 2), -1) - ops.expand_dims(after, 1)     # (B, C + 1, M, C + 1)
    chain = (ops.reshape(log_scalars(scores[0]), (pairs[0], -1, 1, 1)) + ops.reshape(chosen[1], (pairs[0], 1, -1, 1))
             + ops.reshape(log_scalars(scores[2]), (pairs[0], 1, 1, -1)) + ops.reshape(last["difference"], (-1, 1, 1, 1)))
    return Answers(rows, prior + ops.expand_dims(last["assign"] + ops.log_softmax(scores[3].column), 1),
                   *(ops.concatenate([ops.reshape(x, pairs) for x in two], axis=1)
                     for two in ((scalars, differences), (prior + log_scalars(scores[3]), chain))))


def log_likelihood(scores, table, scalar, cells, is_scalar, *, tolerance):
    """How likely hard programs are to give the answers, (B,): `every_answer` is compared with the wanted one.

        log sum_s p(s) exp(-e(answer of s, answer) / tolerance)

    e: relative error of a scalar, of cells the share that differs; at most 1.

    scalar: (B,), cells: (B, R, C) 1 for what is to be printed, is_scalar: (B,) 1 where the answer is a number
    """
    every = every_answer(scores, table)
    numbers = ops.logsumexp(every.log_scalars - relative_error(every.scalars, ops.expand_dims(scalar, -1)) / tolerance,
                            axis=-1)
    shown = ops.einsum("bsr,brc->bsc", every.rows, cells)                 # how many of the wanted cells are in each column
    size = ops.sum(every.rows, axis=-1, keepdims=True) + ops.reshape(ops.sum(cells, axis=(-1, -2)), (-1, 1, 1))
    printed = every.log_cells - (size - 2 * shown) / (size + 0.01) / tolerance
    return is_scalar * numbers + (1 - is_scalar) * ops.logsumexp(ops.reshape(printed, (printed.shape[0], -1)), axis=-1)


def answer_mean(scores, table):
    """The mean of what all programs answer, each as likely as the choices that it names.

        p(s) = w(s) / sum w        scalar = sum_s p(s) scalar of s        cell(i, j) = sum_s p(s) [s prints i, j]

    w(s): the product of the named choices. Programs are distinct, see `every_answer`: else what a single selection says
    would be said many times over, and an undecided mean would be full of it.

    Deviation: the paper averages at each step, as `answer_soft` does; what a step makes of averages is no program's answer.

    returns: scalars (B,), cells (B, R, C), the entropy of p (B,), and -log sum w (B,), what choices of no program cost
    """
    every = every_answer(scores, table, distinct=True)
    flat = ops.concatenate([ops.reshape(every.log_cells, (table.match.shape[0], -1)), every.log_scalars], axis=1)
    total = ops.logsumexp(flat, axis=-1, keepdims=True)
    logs = ops.maximum(flat - total, -60.0)                 # p log p is finite, and 0, for what is never chosen
    scalar = ops.sum(ops.exp(every.log_scalars - total) * every.scalars, axis=-1)
    cells = ops.einsum("bpr,bpc->brc", every.rows, ops.exp(every.log_cells - ops.expand_dims(total, -1)))
    return scalar, cells, -ops.sum(ops.exp(logs) * logs, axis=-1), -total[:, 0]


def paper_loss(found, shown, scalar, cells, is_scalar):
    """The loss of the paper: of a soft answer, Huber for a scalar, and lambda times the cross-entropy of cells, (B,).

        a^2 / 2 where a = |scalar - y| <= delta, else delta a - delta^2 / 2              NP, training objective
        - lambda / (R C) sum_ij y(i, j) log cell(i, j) + (1 - y(i, j)) log(1 - cell(i, j))

    delta is 1, and lambda 50, that of the paper's successor (Neelakantan et al. 2016).

    found: (B,), shown: (B, R, C), the soft answer; the others: see `log_likelihood`
    """
    a = abs(found - scalar)
    huber = ops.where(a <= 1, a * a / 2, a - 0.5)
    shown = ops.minimum(shown, 1.0)                         # a sum of probabilities, which rounding may take above 1
    entropies = -(cells * ops.log(shown + TINY) + (1 - cells) * ops.log(1 - shown + TINY))
    return is_scalar * huber + (1 - is_scalar) * 50 * ops.mean(entropies, axis=(-1, -2))


def selections(table):
    """All rows that one step may select without a look at earlier ones, (B, M, R): greater, lesser, match, reset."""
    compared = [ops.reshape(ops.swapaxes(each, 2, 3), (each.shape[0], -1, each.shape[2]))
                for each in (table.above, table.below)]
    match = ops.expand_dims(table.match, 1)
    return ops.concatenate([*compared, match, ops.ones_like(match)], axis=1)


def log_selections(step, table=None):
    """How likely each of `selections` is at a step, (B, M). With a table: none by a number or a text that is not there."""
    operation, column, pivot = (ops.log_softmax(score) for score in step)
    part = dict(zip(OPERATIONS, ops.split(operation, len(OPERATIONS), axis=-1)))
    if table is not None:
        pivot = ops.where(step.pivot < NEVER / 2, NEVER, pivot)
        part["match"] = ops.where(ops.max(table.match, axis=-1, keepdims=True) == 0, NEVER, part["match"])
    picked = ops.reshape(ops.expand_dims(pivot, 2) + ops.expand_dims(column, 1), (column.shape[0], -1))   # (B, N * C)
    return ops.concatenate([part["greater"] + picked, part["lesser"] + picked, part["match"], part["reset"]], axis=1)


def scalars_of(rows, table):
    """The sums of all columns over selections (B, P, R), and their counts: (B, P, C + 1)"""
    return ops.concatenate([ops.einsum("bpr,brc->bpc", rows, table.values), ops.sum(rows, axis=-1, keepdims=True)], axis=-1)


def log_scalars(step):
    """How likely each of `scalars_of` is at a step, (B, 1, C + 1)."""
    operation, column = ops.log_softmax(step.operation), ops.log_softmax(step.column)
    part = dict(zip(OPERATIONS, ops.split(operation, len(OPERATIONS), axis=-1)))
    return ops.expand_dims(ops.concatenate([part["sum"] + column, part["count"]], axis=1), 1)
