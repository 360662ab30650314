"""A pass over neighbouring slices of one array, the gates of an LSTM say: what happens to each can happen to all at once."""

from __future__ import annotations

import numpy as np

from tinyaug.record.program import Call, slot_maker, take_index
from tinyaug.record.stacking import before_writes

__all__ = ["adjacent", "last_slice"]


def adjacent(calls, outputs):
    """One tanh of four gates instead of a tanh of each: a function of neighbouring slices is a slice of the function."""
    head, tail = before_writes(calls)
    maker = {call.out: call for call in head}
    groups = {}
    for call in head:
        if isinstance(call.function, np.ufunc) and call.function.nin == 1 and not call.keywords:
            cut = maker.get(call.args[0])
            place = last_slice(cut) if cut is not None and cut.args[0] in maker else None
            if place is not None:
                groups.setdefault((call.function, cut.args[0]), []).append((*place, call))
    new_slot = slot_maker(calls, outputs)
    first, gone = {}, set()
    for (function, source), members in groups.items():
        members.sort(key=lambda member: member[0])
        for run in _runs(members):
            start, stop = run[0][0], run[-1][1]
            shape = (*run[0][2].out.shape[:-1], stop - start)
            part, whole = new_slot(shape, source.dtype), new_slot(shape, run[0][2].out.dtype)
            label = run[0][2].label
            new = [Call(take_index, (source, (..., slice(start, stop))), {}, part, label),
                   Call(function, (part,), {}, whole, label)]
            new += [Call(take_index, (whole, (..., slice(a - start, b - start))), {}, call.out, call.label)
                    for a, b, call in run]
            first[maker[source]] = first.get(maker[source], []) + new
            gone.update(call for _, _, call in run)
    changed = []
    for call in head:
        if call not in gone:
            changed.append(call)
        changed += first.get(call, ())
    return changed + tail


def last_slice(call):
    """(start, stop) of a slice x[..., start:stop] of the last axis alone; None for anything else."""
    if call.function is not take_index or not isinstance(call.args[1], tuple) or call.args[1] == ():
        return None
    *lead, last = call.args[1]
    if not lead or any(part is not Ellipsis and part != slice(None) for part in lead) or not isinstance(last, slice):
        return None
    if Ellipsis not in lead and len(lead) + 1 != len(call.args[0].shape) or last.step not in (None, 1):
        return None
    return last.indices(call.args[0].shape[-1])[:2]


def _runs(members):
    """Stretches of two and more (start, stop, call) where each begins where the one before ends."""
    run = members[:1]
    for member in members[1:]:
        if member[0] == run[-1][1]:
            run.append(member)
            continue
        if len(run) > 1:
            yield run
        run = [member]
    if len(run) > 1:
        yield run
