"""Expressions over numbers: all trees of a size, how they are written, and what they come to.

A tree is an int, the number it refers to (0 is x1), or a tuple (operation, left tree, right tree). The operations are
handed in, {name: function of two arrays}, so that whoever adds one has it in the expressions as well.
"""

from functools import cache

import numpy as np

SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/"}       # the rest is written as name ( a , b )
RANK = {"+": 1, "-": 1, "*": 2, "/": 2}                                     # what binds tighter
PAD = "_"


def trees(count, operations):
    """All trees over x1 .. x_count, in which each number stands once and in this order."""
    return list(_trees(count, tuple(operations), 0))


@cache
def _trees(count, names, first):
    if count == 1:
        return (first,)
    return tuple((name, left, right) for size in range(1, count) for left in _trees(size, names, first)
                 for right in _trees(count - size, names, first + size) for name in names)


def write(tree):
    """A tree as a list of tokens, with the parentheses that it needs: x1 - ( x2 + x3 ) * x4.

    A right operand of the same rank keeps its parentheses even where they change nothing, x1 + ( x2 + x3 ), so that no
    two trees are written alike.
    """
    if not isinstance(tree, tuple):
        return [f"x{tree + 1}"]
    name, left, right = tree
    sign = SIGNS.get(name)
    if sign is None:
        return [name, "(", *write(left), ",", *write(right), ")"]
    sides = []
    for side, needed in ((left, RANK[sign]), (right, RANK[sign] + 1)):
        inner = RANK.get(SIGNS.get(side[0])) if isinstance(side, tuple) else None
        sides.append(["(", *write(side), ")"] if inner is not None and inner < needed else write(side))
    return [*sides[0], sign, *sides[1]]


def vocabulary(operations, numbers):
    """{token: index}; padding is 0."""
    names = [SIGNS.get(name, name) for name in operations]
    return {token: i for i, token in enumerate([PAD, "(", ")", ",", *(f"x{i + 1}" for i in range(numbers)), *names])}


def encode(expressions, words, length):
    """Lists of tokens as (B, length) indices, filled up on the left, so that all end at the same place.

    raises: ValueError for a token that is not in `words`, or a list longer than `length`
    """
    result = np.zeros((len(expressions), length), dtype=np.int64)
    for row, tokens in zip(result, expressions):
        for token in tokens:
            if token not in words:
                raise ValueError(f"expression: got {token!r} in {' '.join(tokens)!r}, expected one of "
                                 f"{' '.join(list(words)[1:])}, with blanks between")
        if len(tokens) > length:
            raise ValueError(f"expression: got {len(tokens)} tokens in {' '.join(tokens)!r}, expected at most {length}")
        row[length - len(tokens):] = [words[token] for token in tokens]
    return result


def evaluate(tree, numbers, operations, divisors=None):
    """What a tree comes to. numbers: (..., N) -> (...). divisors: a list that gets everything that was divided by."""
    if not isinstance(tree, tuple):
        return numbers[..., tree]
    name, left, right = tree
    a, b = (evaluate(side, numbers, operations, divisors) for side in (left, right))
    if name == "divide" and divisors is not None:
        divisors.append(b)
    return operations[name](a, b)


def draw(rng, chosen, operations, *, numbers, draws, low, high):
    """Numbers for trees, and their answers.

    A number has a magnitude from low to high, evenly in its logarithm, and either sign. So each part of an expression
    decides the answer in some draws: where x1 is always small beside x2 * x3, maximum(x1, x2 * x3) looks like x2 * x3.

    returns: numbers (B, draws, N), answers (B, draws), both float64. Of four times as many rows those are taken in which
             nothing is divided by less than a tenth of what is usual for that divisor: near a pole, the answer is the
             pole and little else
    """
    shape = (len(chosen), 4 * draws, numbers)
    candidates = np.exp(rng.uniform(np.log(low), np.log(high), shape)) * rng.choice([-1.0, 1.0], shape)
    x, y = np.empty((len(chosen), draws, numbers)), np.empty((len(chosen), draws))
    for i, tree in enumerate(chosen):
        divisors = []
        answers = evaluate(tree, candidates[i], operations, divisors)
        near = np.zeros(4 * draws, dtype=bool)
        for size in map(np.abs, divisors):
            near |= size < np.median(size) / 10
        kept = np.argsort(near, kind="stable")[:draws]
        x[i], y[i] = candidates[i, kept], answers[kept]
    return x, y
