"""What a recorded function became, as text: its programs, what each pass left of them, their memory, and their time."""

from __future__ import annotations

from collections import Counter
from time import perf_counter

import numpy as np

from tinyaug.record.compile import LISTED
from tinyaug.record.program import reads

__all__ = ["explain", "listing", "timed"]

ROWS = 12                                  # of a table of shares; what is less is summed up


class Text(str):
    """A string that a prompt shows as it reads."""

    __slots__ = ()
    __repr__ = str.__str__


def explain(recorded, listed=False, runs=10):
    """Everything about all programs. See `Recorded.explain`."""
    name = getattr(recorded.function, "__qualname__", type(recorded.function).__name__)
    count = len(recorded.programs)
    lines = [f"{name}: {count} program{'s' * (count != 1)}" + f", {recorded.dropped} dropped" * (recorded.dropped > 0)]
    for key, (program, _) in recorded.programs.items():
        lines += ["", "arguments  " + (", ".join(f"{shape} {dtype}" for shape, dtype, *_ in key) or "none")]
        lines += _size(program)
        if runs:
            lines += _times(program, runs)
        if listed and program.calls:
            lines += ["", *listing(program)]
        elif listed:
            lines += ["", f"the calls of a program of more than {LISTED:,} are not kept"]
    return Text("\n".join(lines))


def _size(program):
    (_, before), *_ = counts = list(program.counts.items())
    after = [(name, n) for (_, last), (name, n) in zip(counts, counts[1:]) if n != last]
    results, places, alone = program.sizes
    lines = [f"calls      {before:,} recorded" + "".join([f", {n:,} after {name}" for name, n in after])]
    lines.append(f"steps      {len(program.steps):,} run; the other calls are views, or lie where they are wanted")
    lines.append(f"memory     {program.bytes:,} bytes: {results:,} results in {places:,} places "
                 f"({alone:,} bytes if each had its own)")
    return lines


def timed(program, runs=10):
    """Seconds of each step, the mean of some runs. Arrays outside that the program writes are put back."""
    kept = [(target, target.copy()) for target in program.targets]
    totals = np.zeros(len(program.steps))
    clock = min(-perf_counter() + perf_counter() for _ in range(100))
    try:
        with np.errstate(all="ignore"):
            for _ in range(runs):
                for i, (function, args) in enumerate(program.steps):
                    start = perf_counter()
                    function(*args)
                    totals[i] += perf_counter() - start - clock
    finally:
        for target, values in reversed(kept):
            np.copyto(target, values)
    return np.maximum(totals / runs, 0)


def _times(program, runs):
    seconds = timed(program, runs)
    lines = [f"time       {1e3 * seconds.sum():.3f} ms in the steps, a clock around each"]
    for position, word in enumerate(("op", "module")):
        share, steps = Counter(), Counter()
        for label, time in zip(program.labels, seconds):
            share[label[position] or "-"] += time
            steps[label[position] or "-"] += 1
        rows = share.most_common()
        shown, rest = rows[:ROWS], rows[ROWS:]
        table = [(name, steps[name], time) for name, time in shown]
        if rest:
            table.append((f"{len(rest)} others", sum(steps[name] for name, _ in rest), sum(time for _, time in rest)))
        width = max([len(name) for name, *_ in table] + [len(word)]) + 2
        lines += ["", f"by {word:<{width}}{'steps':>8}{'time':>9}"]
        lines += [f"   {name:<{width}}{n:>8,}{100 * time / max(seconds.sum(), 1e-12):>7.1f} %" for name, n, time in table]
    return lines


def listing(program):
    """The lines of a program: what it is given, its calls with shape, op and module, what it gives."""
    made = {call.out for call in program.calls}
    given = dict.fromkeys([*program.inputs, *[slot for call in program.calls for slot in reads(call) if slot not in made]])
    words = {"input": "argument", "cotangent": "argument", "captured": "outside", "constant": "constant", "seed": "constant"}
    lines = [f"{slot!r:<6} {words[slot.origin]:<10} {slot.shape} {slot.dtype}" for slot in given
             if slot.shape or slot.origin in ("input", "cotangent", "captured")]
    rows = [(repr(call), "" if call.out is None else str(call.out.shape), *call.label) for call in program.calls]
    widths = [min(max([len(row[i]) for row in rows], default=0), 70) for i in range(3)]
    lines += [f"{call:<{widths[0]}}  {shape:<{widths[1]}}  {op:<{widths[2]}}  {module}".rstrip()
              for call, shape, op, module in rows]
    return [*lines, "gives " + ", ".join(map(repr, program.outputs))]
