"""A pass over the products of a recurrent layer: what waits for the time step before is kept apart from what does not."""

from __future__ import annotations

from math import prod

import numpy as np

from tinyaug.record.neighbours import last_slice
from tinyaug.record.program import Call, Slot, readers_of, reads, slot_maker, take_index
from tinyaug.record.stacking import before_writes

__all__ = ["columns"]

FITS = 1 << 20                             # numbers of the products of all time steps: 4 MB, which stay in the cache


def columns(calls, outputs):
    """[x, h] W + b is h Wh + (x Wx + b): only h waits, so `merge_products` can take x Wx + b of all time steps at once.

    Backward it is the columns of dz W^T: those of dx wait for nobody, and those that nobody reads are not computed. See
    Appleyard et al. 2016, "Optimizing Performance of Recurrent Neural Networks on GPUs", section 3.1. It pays where inputs
    are wide beside the state, as in an LSTM by itself.
    """
    head, tail = before_writes(calls)
    kept = {*outputs, *[slot for call in tail for slot in reads(call)]}
    new_slot = slot_maker(calls, outputs)
    for split in (_inputs, _gradients):
        instead = split(head, kept, new_slot)
        head = [new for call in head for new in instead.get(call, [call])]
    return head + tail


def _inputs(calls, kept, new_slot):
    """{call: calls in its place}, for layers whose input is joined of what does not wait and, behind it, what does."""
    maker, readers = {call.out: call for call in calls}, readers_of(calls)
    layers = {}                            # (weight, bias, shapes of the parts) -> [(product, the add of the bias, parts)]
    for add in calls:
        product = maker.get(add.args[0]) if add.function is np.add else None
        if product is None or product.function is not np.matmul or product.out in kept or len(readers[product.out]) > 1:
            continue
        (left, weight), bias = product.args, add.args[1]
        parts = _parts(left, maker)
        if len(parts) > 1 and isinstance(bias, Slot) and bias.shape == weight.shape[-1:]:
            layers.setdefault((weight, bias, tuple([part.shape for part in parts])), []).append((product, add, parts))
    instead, sides = {}, {}                # sides: {concatenation: (what does not wait, what does)}
    for (weight, bias, shapes), uses in layers.items():
        if len(uses) == 1 or len(uses) * prod(uses[0][0].out.shape) > FITS:
            continue
        waiting = _behind(calls, [add.out for _, add, _ in uses])
        early = [all(parts[i] not in waiting for _, _, parts in uses) for i in range(len(shapes))]
        n = [*early, False].index(False)
        if n in (0, len(shapes)):
            continue
        rows = sum(shape[-1] for shape in shapes[:n])
        first = [_cut(weight, (slice(*place),), new_slot) for place in ((0, rows), (rows, weight.shape[0]))]
        for product, add, parts in uses:
            new, first = first, []         # the weight is cut at its first use
            if new:
                above, below = [call.out for call in new]
            x, h = (_joined(side, -1, new, new_slot, product.label) for side in (parts[:n], parts[n:]))
            ahead, behind, shifted = (new_slot(product.out.shape, product.out.dtype) for _ in range(3))
            instead[product] = [*new, Call(np.matmul, (x, above), {}, ahead, product.label),
                                Call(np.matmul, (h, below), {}, behind, product.label)]
            instead[add] = [Call(np.add, (ahead, bias), {}, shifted, add.label),
                            Call(np.add, (behind, shifted), {}, add.out, add.label)]
            sides[product.args[0]] = x, h
    for call in calls:                     # the inputs of all time steps, for the gradient of the weight
        if call.function is np.concatenate and call.keywords.get("axis", 0) == 0 and all(x in sides for x in call.args[0]):
            new = []
            both = [_joined(side, 0, new, new_slot, call.label) for side in zip(*[sides[x] for x in call.args[0]])]
            instead[call] = [*new, Call(np.concatenate, (tuple(both),), {"axis": -1}, call.out, call.label)]
    return instead


def _gradients(calls, kept, new_slot):
    """{call: calls in its place}, for products with one matrix that are only read in slices of their columns."""
    readers = readers_of(calls)
    layers = {}                            # (matrix, shape) -> [(product, {(start, stop): the calls that read it there})]
    for product in calls:
        if product.function is np.matmul and product.out not in kept and len(product.args[1].shape) == 2:
            slices: dict = {}
            for call in readers.get(product.out, ()):
                slices.setdefault(last_slice(call), []).append(call)
            if slices and None not in slices:
                layers.setdefault((product.args[1], product.out.shape), []).append((product, slices))
    instead: dict = {}
    for (matrix, shape), uses in layers.items():
        if len(uses) == 1:
            continue
        lefts = {product.args[0] for product, _ in uses}
        places = sorted({place for _, slices in uses for place in slices})
        waited = [place for place in places if lefts & _behind(
            calls, [call.out for _, slices in uses for call in slices.get(place, ())])]
        if not waited:
            continue
        together = waited if len(uses) * prod(shape) <= FITS else places
        start, stop = min(together)[0], max(b for _, b in together)
        pieces = [(start, stop), *[(a, b) for a, b in places if a < start or b > stop]]
        if pieces == [(0, shape[-1])]:
            continue
        cuts = {piece: _cut(matrix, (slice(None), slice(*piece)), new_slot) for piece in pieces}
        instead[uses[0][0]] = list(cuts.values())
        for product, slices in uses:
            new = instead.setdefault(product, [])
            for start, stop in pieces:
                inside = [(a, b) for a, b in slices if start <= a and b <= stop]
                if inside:
                    part = new_slot((*shape[:-1], stop - start), product.out.dtype)
                    new.append(Call(np.matmul, (product.args[0], cuts[start, stop].out), {}, part, product.label))
                for a, b in inside:
                    index = (..., slice(a - start, b - start))
                    instead.update((call, [Call(take_index, (part, index), {}, call.out, call.label)])
                                   for call in slices[a, b])
    return instead


def _parts(slot, maker):
    """What a matrix is joined of along its last axis, from left to right."""
    found, waiting = [], [slot]
    while waiting:
        slot = waiting.pop()
        call = maker.get(slot)
        if call is None or call.function is not np.concatenate or call.keywords.get("axis", 0) % len(slot.shape) != 1:
            found.append(slot)
        else:
            waiting += reversed(call.args[0])
    return found


def _joined(parts, axis, new, new_slot, label):
    """The parts as one Slot, by a call in `new` where there are several."""
    if len(parts) == 1:
        return parts[0]
    shape = list(parts[0].shape)
    shape[axis] = sum(part.shape[axis] for part in parts)
    new.append(Call(np.concatenate, (tuple(parts),), {"axis": axis}, new_slot(tuple(shape), parts[0].dtype), label))
    return new[-1].out


def _cut(matrix, index, new_slot):
    """The call that takes some rows or columns of a matrix."""
    shape = np.broadcast_to(0.0, matrix.shape)[index].shape
    return Call(take_index, (matrix, index), {}, new_slot(shape, matrix.dtype), ("matmul", ""))


def _behind(calls, slots):
    """All that depends on the slots, themselves included."""
    found = set(slots)
    for call in calls:
        if call.out not in found and any(slot in found for slot in reads(call)):
            found.add(call.out)
    return found
