"""Between which numbers the results of calls lie, whatever the arrays hold: what a pass may multiply without overflow."""

from __future__ import annotations

import operator
from math import exp, inf

import numpy as np

from tinyaug.record.program import Slot, cast, is_reduction, is_view

__all__ = ["overflows", "range_of", "ranges"]

ANY = -inf, inf
# in each of their arguments they only rise, or only fall: their least and largest values are at the ends of the ranges
MONOTONE = {np.add: operator.add, np.subtract: operator.sub, np.multiply: operator.mul, np.divide: operator.truediv,
            np.maximum: max, np.minimum: min}
SAME = {np.positive, cast}


def ranges(calls):
    """{slot: (least, largest)} of the results of which something is known: tanh is between -1 and 1, softmax 0 and 1."""
    known, sums = {}, {}                   # sums: {slot: what it is the sum of, and no part is negative}
    for call in calls:
        found = range_of(call, known)
        if is_reduction(call) and call.function == np.add.reduce and call.keywords.get("initial", 0) >= 0 and (
                known.get(call.args[0], ANY)[0] >= 0):
            sums[call.out] = call.args[0]
        if call.function is np.divide and call.args[0] is sums.get(call.args[1]):
            found = 0, 1                   # a share of a sum
        if found != ANY:
            known[call.out] = found
    return known


def overflows(function, x, y, known):
    """True where function(x, y), a product or quotient of finite numbers, may be infinite. known: see `ranges`"""
    one, other = (_of(slot, known) for slot in (x, y))
    least, largest = _corners(function, one, other)
    if max(-least, largest) <= np.finfo(x.dtype).max:
        return False
    if function is np.divide:
        return other[0] < 1 and other[1] > -1
    return not any(-1 <= least and largest <= 1 for least, largest in (one, other))      # it makes nothing larger


def range_of(call, known):
    """(least, largest) of what a call gives. known: see `ranges`"""
    function, args = call.function, call.args
    if call.out is None:
        return ANY
    if function is np.equal:
        one, other = [_of(x, known) for x in args]
        return 0, int(one[0] <= other[1] and other[0] <= one[1])
    if function is np.where and _of(args[0], known) == (0, 0):       # where(y == 0, tiny, y) of a y that never is 0
        return _of(args[2], known)
    if function in (np.tanh, np.sin, np.cos):
        return -1, 1
    if function is np.exp:
        least, largest = [exp(end) if end < 700 else inf for end in _of(args[0], known)]
        return least, largest
    if function in MONOTONE and not call.keywords:
        least, largest = _corners(function, *[_of(x, known) for x in args])
        return (max(least, 0), largest) if function is np.multiply and args[0] is args[1] else (least, largest)
    if function is np.negative:
        least, largest = _of(args[0], known)
        return -largest, -least
    if is_view(call) or function in SAME:
        return _of(args[0], known)
    if function in (np.concatenate, np.stack, np.where):
        parts = [_of(x, known) for x in (args[1:] if function is np.where else args[0])]
        return min(part[0] for part in parts), max(part[1] for part in parts)
    return ANY


def _of(x, known):
    """The range of an argument: of a constant, that of its numbers."""
    if not isinstance(x, Slot):
        return (x, x) if isinstance(x, (int, float)) else ANY
    if x.origin == "constant" and x.array.size and x not in known:
        known[x] = float(x.array.min()), float(x.array.max())
    return known.get(x, ANY)


def _corners(function, one, other):
    """The range of a function of two arguments that lie in these ranges."""
    if function is np.divide and other[0] <= 0 <= other[1]:
        return ANY
    ends = [MONOTONE[function](a, b) for a in one for b in other]
    return ANY if any(end != end for end in ends) else (min(ends), max(ends))
