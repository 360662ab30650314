"""Programs written by hand, and the traces of them that an interpreter learns from (Reed and de Freitas 2015, table 2).

A program is a generator: it looks at the pad and yields its calls, (program, arguments), one after the other. ACT is the
only one that changes the pad. A frame is what one program did in one call of it: what it saw before each of its own
calls, and what it called; in the end it saw that it was done.

Deviation: the paper's addition and sort both have an LSHIFT; here addition's is SHIFT. BUBBLE's loop is a program of its
own, SWEEP in the place of BSTEP, and RJMP's is WALK, so that in the recursive form (Cai, Shin, Song 2017) no program has
more than four calls.
"""

from itertools import product
from typing import NamedTuple

import numpy as np

from tinyaug.data.scratch_pads import BLANK, CARRY, COUNTER, FIRST, KINDS, LEFT, OUT, POINT, RIGHT, SECOND, SWAP, WRITE

NONE = (BLANK, BLANK, BLANK)            # no arguments


class Frame(NamedTuple):
    """One call of a program: seen[t] is what the pad showed before calls[t]; the last call is None, the end."""

    program: str
    seen: tuple
    calls: tuple


def _act(kind, row, value=BLANK):
    return "ACT", (kind, row, value)


def _add1(pad):
    first, second, carry, _ = pad.observe()
    total = sum(digit for digit in (first, second, carry) if digit != BLANK)
    yield _act(WRITE, OUT, total % 10)
    if total > 9:
        yield "CARRY", NONE


def _carry(pad):
    yield _act(POINT, CARRY, LEFT)
    yield _act(WRITE, CARRY, 1)
    yield _act(POINT, CARRY, RIGHT)


def _shift(pad):
    for row in (FIRST, SECOND, CARRY, OUT):
        yield _act(POINT, row, LEFT)


def _compswap(pad):
    if pad.observe()[0] > pad.observe()[1]:
        yield _act(SWAP, FIRST, SECOND)


def _both(direction):
    def program(pad):
        yield _act(POINT, FIRST, direction)
        yield _act(POINT, SECOND, direction)
    return program


def _summed(pad):
    return pad.observe()[:3] == (BLANK, BLANK, BLANK)


def _at_the_end(pad):
    return pad.observe()[1] == BLANK


def _at_the_start(pad):
    return pad.observe()[2] == 1


def _passed(pad):
    return pad.observe()[3] == 1


def _until(done, name, *calls, before=(), after=()):
    """The two forms of a loop: one program that goes on until it is done, and one that calls itself for the rest.

    before and after: orders at the start, and when the loop is done
    """
    def loop(pad):
        yield from before
        while not done(pad):
            yield from ((call, NONE) for call in calls)
        yield from after

    def recursive(pad):
        yield from before
        if done(pad):
            yield from after
        else:
            yield from ((call, NONE) for call in (*calls, name))
    return loop, recursive


def _sweep_pass(pad):
    yield _act(POINT, SECOND, RIGHT)
    yield "SWEEP", NONE


def _to_the_right(pad):
    yield _act(POINT, SECOND, RIGHT)
    yield "WALK", NONE


def _max(pad):
    yield "BUBBLESORT", NONE
    yield "RJMP", NONE


SHARED = {"ADD1": _add1, "CARRY": _carry, "SHIFT": _shift, "BUBBLE": _sweep_pass, "COMPSWAP": _compswap,
          "RSHIFT": _both(RIGHT), "LSHIFT": _both(LEFT), "MAX": _max, "RJMP": _to_the_right}
_LOOPS = {
    "ADD": _until(_summed, "ADD", "ADD1", "SHIFT"),
    "BUBBLESORT": _until(_passed, "BUBBLESORT", "BUBBLE", "RESET"),
    "SWEEP": _until(_at_the_end, "SWEEP", "COMPSWAP", "RSHIFT"),
    "RESET": _until(_at_the_start, "RESET", "LSHIFT", after=(_act(POINT, SECOND, LEFT), _act(POINT, COUNTER, RIGHT))),
    "WALK": _until(_at_the_end, "WALK", "RSHIFT"),
}
FORMS = {form: SHARED | {name: pair[i] for name, pair in _LOOPS.items()} for i, form in enumerate(("loop", "recursive"))}
LEARNED_LATER = ("MAX", "RJMP", "WALK")
NAMES = ("ACT", "ADD", "ADD1", "CARRY", "SHIFT", "BUBBLESORT", "BUBBLE", "SWEEP", "COMPSWAP", "RSHIFT", "RESET", "LSHIFT",
         *LEARNED_LATER)


def trace(name, pad, programs):
    """Run a program on a pad. returns: the frame of every call that was made, ACT's apart, in the order in which they ended

    The stack is a list: a recursive program over a thousand digits is a thousand calls deep.
    """
    frames, stack = [], [(name, programs[name](pad), [], [])]
    while stack:
        current, running, seen, calls = stack[-1]
        seen.append(pad.observe())
        call = next(running, None)
        calls.append(call)
        if call is None:
            frames.append(Frame(current, tuple(seen), tuple(calls)))
            stack.pop()
        elif call[0] == "ACT":
            pad.act(call[1])
        else:
            stack.append((call[0], programs[call[0]](pad), [], []))
    return frames


def encode(frames, length=None):
    """Frames as arrays, padded to one length T: the longest, unless it is given.

    returns: program (B,), seen (B, T, 4), called (B, T) with len(NAMES) for the end, arguments (B, T, 3), and which
             steps are none of these but padding: real (B, T), 1.0 or 0.0
    """
    length = length or max(len(frame.calls) for frame in frames)
    size = len(frames)
    program = np.array([NAMES.index(frame.program) for frame in frames])
    seen, arguments = np.full((size, length, 4), BLANK), np.full((size, length, 3), BLANK)
    called, real = np.full((size, length), len(NAMES)), np.zeros((size, length))
    for i, frame in enumerate(frames):
        steps = len(frame.calls)
        seen[i, :steps], real[i, :steps] = frame.seen, 1
        for t, call in enumerate(frame.calls[:-1]):
            called[i, t], arguments[i, t] = NAMES.index(call[0]), call[1]
    return program, seen, called, arguments, real


class _Script:
    """A pad that shows what it was told to, one look a step; orders do nothing."""

    def __init__(self, seen):
        self.seen, self.at = seen, 0

    def observe(self):
        return self.seen[min(self.at, len(self.seen) - 1)]


def frame_of(name, seen, programs):
    """What a program calls where the pad shows `seen`, one after the other, whatever the programs that it calls do."""
    pad, calls = _Script(seen), []
    running = programs[name](pad)
    while not calls or calls[-1] is not None:
        calls.append(next(running, None))
        pad.at += 1
    if len(calls) != len(seen):
        raise ValueError(f"frame_of: {name} looks {len(calls)} times, got {len(seen)} looks {seen}")
    return Frame(name, tuple(seen), tuple(calls))


DIGITS = range(10)
OR_BLANK = (*DIGITS, BLANK)


def every_case():
    """All that a program of the recursive form can ever see in one call of it, whatever the numbers and however long.

    Each yielded (program, looks) is one sequence of observations; there are finitely many, since no call sees more than the
    symbols under the pointers and makes more than four calls. Some of them no input leads to; none that one does is missing.
    """
    yield "ADD", [(BLANK,) * 4]
    columns = [(x, y) for x in DIGITS for y in OR_BLANK] + [(BLANK, BLANK)]     # of one number: this digit, the next one
    for (a, a_next), (b, b_next), c in product(columns, columns, (BLANK, 1)):
        if a == b == c == BLANK:
            continue
        total = sum(digit for digit in (a, b, c) if digit != BLANK)
        out, carry = total % 10, 1 if total > 9 else BLANK
        before, after = (a, b, c, BLANK), (a, b, c, out)
        yield "ADD", [before, after, (a_next, b_next, carry, BLANK), (BLANK,) * 4]
        yield "SHIFT", [after, (a_next, b, c, out), (a_next, b_next, c, out), (a_next, b_next, carry, out),
                        (a_next, b_next, carry, BLANK)]
        if (a_next, b_next) in ((0, 0), (BLANK, 0), (0, BLANK), (BLANK, BLANK)):        # once for each a, b, c is enough
            yield "ADD1", [before, after, after] if total > 9 else [before, after]
            if total > 9:
                yield "CARRY", [after, (a, b, BLANK, out), (a, b, 1, out), after]
    for a, last, first, least in product(DIGITS, DIGITS, DIGITS, DIGITS):
        if least <= first <= a <= last:         # a pass takes the largest to the end, and nothing larger to the front
            for alone, done in product((0, 1), (0, 1)):
                yield "BUBBLESORT", [(a, a, 1, 0), (last, BLANK, alone, 0), (first, first, 1, done), (least, least, 1, 1)]
    for a in DIGITS:
        yield "BUBBLESORT", [(a, a, 1, 1)]
        for b, last, left in product(OR_BLANK, DIGITS, (0, 1)):
            yield "BUBBLE", [(a, a, 1, 0), (a, b, 1, 0), (last, BLANK, left, 0)]
    for a, b, left in product(DIGITS, DIGITS, (0, 1)):
        low, high = min(a, b), max(a, b)
        yield "COMPSWAP", [(a, b, left, 0), (b, a, left, 0)] if a > b else [(a, b, left, 0)]
        yield "SWEEP", [(a, BLANK, left, 0)]
        for after in OR_BLANK:
            yield "RSHIFT", [(a, b, left, 0), (b, b, 0, 0), (b, after, 0, 0)]
            for last in DIGITS:
                yield "SWEEP", [(a, b, left, 0), (low, high, left, 0), (high, after, 0, 0), (last, BLANK, 0, 0)]
    for a, b in product(DIGITS, OR_BLANK):
        for done in (0, 1):
            yield "RESET", [(a, b, 1, 0), (a, a, 1, 0), (a, a, 1, done)]
        for before, left in product(DIGITS, (0, 1)):
            yield "LSHIFT", [(a, b, 0, 0), (before, b, left, 0), (before, a, left, 0)]
            for first, done in product(DIGITS, (0, 1)):
                yield "RESET", [(a, b, 0, 0), (before, a, left, 0), (first, first, 1, done)]


def spoken(order):
    """An order in words: (0, 3, 1) is ("write", 3, 1)."""
    kind, row, value = order
    words = KINDS.get(kind, kind), row, ("left", "right")[value] if kind == POINT and value < 2 else value
    return words[:2] if value == BLANK else words
