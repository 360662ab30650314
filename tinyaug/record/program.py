"""A program: array calls in an order, and the arrays between them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np

from tinyaug.arrays import is_basic

__all__ = ["Call", "Slot", "cast", "fingerprint", "is_view", "is_reduction", "readers_of", "reads", "slot_maker",
           "substitute", "take_index"]


@dataclass(eq=False, slots=True)
class Slot:
    """An array of a program.

    number: unique in a program; the n-th array that a recording met has n, and passes number theirs on from there
    origin: "input" (an argument), "constant", "seed" and "cotangent" (the constant, or the argument, that a backward pass
            starts from),
            "captured" (lives outside; read and written where it lies), "call" (the result of one)
    array:  the array itself for a constant, a seed or a captured one
    """

    number: int
    shape: tuple
    dtype: np.dtype
    origin: str
    array: Any = None

    def __repr__(self):
        return f"%{self.number}" if self.origin not in ("constant", "seed") or self.shape else repr(self.array.item())


@dataclass(eq=False, slots=True)
class Call:
    """out = function(*args, **keywords), where arguments may be Slots, also inside tuples and lists.

    out:   None for a write, copyto(target, value)
    label: (op, module) that it came from
    slots: what `reads` found in the arguments, which never change
    """

    function: Callable
    args: tuple
    keywords: dict = field(default_factory=dict)
    out: Slot | None = None
    label: tuple = ("", "")
    slots: tuple | None = None

    def __repr__(self):
        if self.function is take_index:
            return f"{self.out} = {self.args[0]!r}[{_index(self.args[1])}]"
        told = [f"{k}={v!r}" for k, v in self.keywords.items() if v is not None and v is not False]
        inside = ", ".join([*map(repr, self.args), *told])
        name = getattr(self.function, "__name__", str(self.function))
        owner = getattr(getattr(self.function, "__self__", None), "__name__", None)
        return f"{self.out if self.out else '    '} = {owner + '.' if owner else ''}{name}({inside})"


def _index(x):
    """An index as one writes it."""
    if isinstance(x, tuple):
        return ", ".join(map(_index, x))
    if isinstance(x, slice):
        parts = ["" if part is None else str(part) for part in (x.start, x.stop, x.step)]
        return ":".join(parts if parts[2] else parts[:2])
    return "..." if x is Ellipsis else repr(x)


def fingerprint(x):
    """Something hashable that is equal for two Calls, or parts of them, of two recordings that do the same."""
    kind = type(x)
    if kind is Slot:
        if x.origin in ("constant", "seed"):
            return x.shape, x.dtype, x.array.tobytes()
        return x.number if x.array is None else (x.number, id(x.array))
    if kind is tuple or kind is list:
        return kind, *[fingerprint(part) for part in x]
    if kind is dict:
        return tuple([(name, fingerprint(part)) for name, part in x.items()])
    if kind is Call:
        return x.function, fingerprint(x.args), fingerprint(x.keywords), fingerprint(x.out)
    return kind, repr(x)


def reads(call):
    """The Slots that a call reads (and, for a write, the one that it fills, first)."""
    if call.slots is None:
        if not call.keywords and all(isinstance(x, Slot) for x in call.args):
            call.slots = call.args             # most calls: nothing to keep beside the arguments
        else:
            found: list = []
            _collect((*call.args, *call.keywords.values()), found)
            call.slots = tuple(found)
    return call.slots


def readers_of(calls):
    """{slot: the calls that read it, once for each time}"""
    readers: dict = {}
    for call in calls:
        for slot in reads(call):
            readers.setdefault(slot, []).append(call)
    return readers


def _collect(x, found):
    for part in x:
        if isinstance(part, Slot):
            found.append(part)
        elif isinstance(part, (tuple, list)):
            _collect(part, found)


def substitute(x, table):
    """x with every Slot replaced by what the table holds for it."""
    if isinstance(x, Slot):
        return table.get(x, x)
    if isinstance(x, tuple):
        return tuple([substitute(part, table) for part in x])
    if isinstance(x, list):
        return [substitute(part, table) for part in x]
    return x


def slot_maker(calls, outputs):
    """A function (shape, dtype, origin, array) -> Slot, whose numbers no Slot of the calls and outputs has."""
    found = [max([slot.number for slot in slots], default=0) for slots in (
        outputs, (slot for call in calls for slot in reads(call)), (call.out for call in calls if call.out is not None))]
    numbers = count(1 + max(found))
    return lambda shape, dtype, origin="call", array=None: Slot(next(numbers), shape, dtype, origin, array)


def cast(x, dtype):
    """x as another dtype."""
    return x.astype(dtype)


def take_index(x, index):
    """x[index], an array also where that is a single number."""
    index = index if isinstance(index, tuple) else (index,)
    return x[index if any(part is Ellipsis for part in index) else (*index, ...)]


VIEWS = {np.reshape, np.transpose, np.swapaxes, np.moveaxis, np.squeeze, np.expand_dims, np.broadcast_to, np.flip}


def is_view(call):
    """True for a call that gives another view of its first argument: it costs nothing when the program runs."""
    if call.function in VIEWS:
        return True
    return call.function is take_index and is_basic(call.args[1])


def is_reduction(call):
    """True for add.reduce, maximum.reduce and the like, of all numbers along an axis."""
    return getattr(call.function, "__name__", "") == "reduce" and "where" not in call.keywords
