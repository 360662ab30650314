"""A pass that trades a little time for much memory."""

from __future__ import annotations

from math import inf, prod

import numpy as np

from tinyaug.record.algebra import renamed
from tinyaug.record.program import Call, is_view, reads, slot_maker
from tinyaug.record.stacking import SMALL, before_writes

__all__ = ["recompute"]

LITTLE = 1024                              # numbers; fewer are not worth a call
LARGE = 32_768                             # numbers; what is smaller, and not done in bulk, is not worth it either
CACHED = 131_072                           # numbers; of larger ones few lie in a core's cache, from which others are made
WORTH = 20_000_000                         # bytes; while all of them stay in the cache, reading is as quick as computing
GENERATIONS = 8                            # of arrays that are made again one from the other
QUICK = {np.add, np.subtract, np.multiply, np.divide, np.negative}
JOINS = {np.concatenate, np.stack}


def recompute(calls, outputs):
    """Results that the backward pass reads again, and that follow from others at once, are made again there.

    What a head erases, 1 - w e, is as large as the memory, and there is one for each time step; w and e are small. To keep
    all of them until the backward pass takes more memory than anything else, and reading them back more time than that
    product. Of the memories M (1 - w e) + w a themselves every eighth is kept (compare Gruslys et al. 2016,
    "Memory-efficient backpropagation through time"). Small results are made again for many time steps at once, by `bulk`.
    """
    head, tail = before_writes(calls)
    maker = {call.out: call for call in head}
    root, kept = {}, set()                 # kept: what backward reads
    there = {*outputs, *[slot for call in tail for slot in reads(call)]}       # what would be there without it, too
    for call in head:
        if is_view(call):
            root[call.out] = root.get(call.args[0], call.args[0])
        if _backward(call):
            sources = [root.get(slot, slot) for slot in reads(call)]
            kept.update(sources)
            there.update(sources if call.function in JOINS else ())
    there.update([root.get(slot, slot) for slot in there])
    again = _again([call for call in head if not _backward(call)], root, kept, there)
    if sum(prod(slot.shape) * slot.dtype.itemsize for slot in again if slot in kept) < WORTH:
        return calls
    new_slot = slot_maker(calls, outputs)
    table, changed = {}, []
    for call in head:
        if _backward(call) and call.function not in JOINS:
            for slot in reads(call):
                _make(slot, again, maker, table, changed, new_slot, call.label)
            call = renamed(call, table)
        changed.append(call)
    return changed + tail


def _backward(call):
    return "(backward)" in call.label[0]


def _again(calls, root, kept, there):
    """{slot: (calls, generations)} of the results that can be made again: how many calls it takes from what is there then,
    and from how many others, one after the other, that are made again themselves.

    It is there if it is small beside the result, or was there before the program, or backward reads it.
    """
    again, made = {}, set()
    for call in calls:
        slot, size, costs, generation = call.out, prod(call.out.shape), 1, 1
        made.add(slot)
        if is_view(call):
            if call.args[0] in again:
                again[slot] = again[call.args[0]]      # a view of it can be, too
            continue
        for x in reads(call):
            source = root.get(x, x)
            if x in again:
                costs += 0 if source in kept else again[x][0]
                generation = max(generation, again[x][1] + (source in kept))
            elif 4 * prod(x.shape) > size and (size > CACHED or source in made and source not in kept):
                costs = inf
        if call.function in QUICK and (LITTLE <= size <= SMALL or size >= LARGE) and slot not in there and (
                costs <= (2 if size <= SMALL else 3) and generation <= GENERATIONS):
            again[slot] = costs, generation
    return again


def _make(slot, again, maker, table, changed, new_slot, label):
    """Append the calls that make a slot again, and what it follows from. table: {slot: the one made again}"""
    if slot in again and slot not in table:
        call = maker[slot]
        for x in reads(call):
            _make(x, again, maker, table, changed, new_slot, label)
        table[slot] = new_slot(slot.shape, slot.dtype)
        changed.append(renamed(Call(call.function, call.args, call.keywords, table[slot], label), table))
