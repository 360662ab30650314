"""A pass that trades a little time for much memory."""

from __future__ import annotations

from math import prod

import numpy as np

from tinyaug.record.algebra import renamed
from tinyaug.record.program import Call, Slot, reads, slot_maker
from tinyaug.record.stacking import before_writes

__all__ = ["recompute"]

LARGE = 16_384                             # numbers: 64 KB in float32
WORTH = 8_000_000                          # bytes; while all of them stay in the cache, reading is as quick as computing
QUICK = {np.add, np.subtract, np.multiply, np.negative}


def recompute(calls, outputs):
    """Large results that the backward pass reads again, and that follow from small ones at once, are made again there.

    What a head erases, 1 - w e, is as large as the memory, and there is one for each time step; w and e are small. To keep
    all of them until the backward pass takes more memory than anything else, and reading them back more time than that
    product (compare Gruslys et al. 2016, "Memory-efficient backpropagation through time").
    """
    head, tail = before_writes(calls)
    maker = {call.out: call for call in head}
    again = {}                             # slot -> the calls that make it again
    for call in head:
        if _backward(call):
            for slot in reads(call):
                if slot in maker and slot not in again and slot not in outputs and not _backward(maker[slot]):
                    again[slot] = _chain(slot, maker, depth=2)
    again = {slot: chain for slot, chain in again.items() if chain}
    if sum(prod(slot.shape) * slot.dtype.itemsize for slot in again) < WORTH:
        return calls
    new_slot = slot_maker(calls, outputs)
    table, changed = {}, []
    for call in head:
        if _backward(call):
            for slot in reads(call):
                if slot in again and slot not in table:
                    own = {}
                    for step in again[slot]:
                        own[step.out] = new_slot(step.out.shape, step.out.dtype)
                        clone = Call(step.function, step.args, step.keywords, own[step.out], call.label)
                        changed.append(renamed(clone, own))
                    table[slot] = own[slot]
            call = renamed(call, table)
        changed.append(call)
    return changed + tail


def _backward(call):
    return "(backward)" in call.label[0]


def _chain(slot, maker, depth):
    """At most `depth` quick calls that make a large array from small ones, in order; None where there are none."""
    call = maker.get(slot)
    if depth == 0 or call is None or call.function not in QUICK or prod(slot.shape) < LARGE:
        return None
    chain = []
    for x in call.args:
        if isinstance(x, Slot) and x.array is None and 4 * prod(x.shape) > prod(slot.shape):
            before = _chain(x, maker, depth - 1)
            if before is None:
                return None
            chain += before
    return [*chain, call]
