"""Passes over all time steps: many small calls of one kind become one call on stacked arguments."""

from __future__ import annotations

from math import prod

import numpy as np

from tinyaug.record.program import Call, Slot, is_view, reads, slot_maker, take_index

__all__ = ["SMALL", "after_seed", "before_writes", "bulk", "merge_products"]

SMALL = 4096                               # numbers; of a larger array the work counts, not the call
ENOUGH = 8                                 # calls; fewer do not pay for the stacks
COPIES = 4                                 # one part in so many may be copied into a stack: a copy costs what a call does


def merge_products(calls, outputs):
    """Products of many matrices with one weight become one product of the stacked matrices, where none needs another.

    The output layer of a recurrent network is such a case, forward and backward: no step waits for the output of the
    step before. The controller's products are not: each needs the last one's result.
    """
    head, tail = before_writes(calls)
    groups = {}
    for call in head:
        if call.function is np.matmul and all(len(x.shape) == 2 for x in call.args):
            groups.setdefault((call.args[1], call.args[0].shape), []).append(call)
    groups = [group for group in groups.values() if len(group) > 1]
    member = {call: i for i, group in enumerate(groups) for call in group}
    behind = {}                            # slot -> bits of the groups that it depends on
    needs = [0] * len(groups)              # and those that a group depends on: merged, it must not wait for itself
    for call in head:
        bits = 0
        for slot in reads(call):
            bits |= behind.get(slot, 0)
        if call in member:
            needs[member[call]] |= bits
            bits |= 1 << member[call]
        behind[call.out] = bits
    new_slot = slot_maker(calls, outputs)
    for i, group in enumerate(groups):
        if not needs[i] >> i & 1:
            _merge(head, group, new_slot)
            needs = [bits | needs[i] if bits >> i & 1 else bits for bits in needs]     # who waits for one waits for all
    return _in_order(head) + tail


def before_writes(calls):
    """The calls before the first write, which may change places, and the rest."""
    first_write = next((i for i, call in enumerate(calls) if call.out is None), len(calls))
    return calls[:first_write], calls[first_write:]


def after_seed(calls):
    """What depends on the cotangent that a backward pass starts from."""
    found = set()
    for call in calls:
        if any(slot in found or slot.origin == "seed" for slot in reads(call)):
            found.add(call.out)
    return found


def _merge(calls, group, new_slot):
    """Replace the calls of a group, in place, by one product of the stacked left sides and a slice for each."""
    weight = group[0].args[1]
    left, right = [call.args[0] for call in group], group[0].out
    rows = left[0].shape[0]
    stacked = new_slot((rows * len(group), left[0].shape[1]), left[0].dtype)
    product = new_slot((rows * len(group), right.shape[1]), right.dtype)
    label = group[0].label
    new = [Call(np.concatenate, (tuple(left),), {"axis": 0}, stacked, label),
           Call(np.matmul, (stacked, weight), {}, product, label)]
    new += [Call(take_index, (product, slice(i * rows, (i + 1) * rows)), {}, call.out, label)
            for i, call in enumerate(group)]
    at = calls.index(group[0])
    members = set(group)
    calls[:] = calls[:at] + new + [call for call in calls[at:] if call not in members]


def _in_order(calls):
    """The calls so that each comes after what it reads, otherwise as they were."""
    maker = {call.out: call for call in calls}
    done, ordered = set(), []
    for call in calls:
        stack = [call]
        while stack:
            top = stack[-1]
            if top in done:
                stack.pop()
                continue
            waiting = [maker[slot] for slot in reads(top) if slot in maker and maker[slot] not in done]
            if waiting:
                stack.extend(waiting)
            else:
                done.add(top)
                ordered.append(stack.pop())
    return ordered


def bulk(calls, outputs):
    """Derivative factors of all time steps at once.

    1 - y * y, the slope of a tanh, does not wait for the cotangent: it depends on the forward pass alone. So the factors
    of all time steps are computed together, once, from the stacked y; what remains in each step of the backward pass is
    the product with its cotangent.
    """
    waiting, level, groups = set(), {}, {}     # waiting: what depends on the cotangent
    labels = {}                                # (op, module) that an argument comes from: gates do not mix
    for call in calls:                         # level: how many calls of the backward pass lie behind; one group, one level
        if call.out is None:
            break
        labels[call.out] = labels.get(call.args[0]) if is_view(call) else call.label
        slots = reads(call)
        if any(slot in waiting or slot.origin == "seed" for slot in slots):
            waiting.add(call.out)
            continue
        works = "(backward)" in call.label[0] and not is_view(call)
        level[call.out] = works + max([level.get(slot, 0) for slot in slots], default=0)
        if works and _elementwise(call) and prod(call.out.shape) <= SMALL:
            varying = tuple([(x.shape, x.dtype, labels.get(x)) if isinstance(x, Slot) and x.array is None else x
                             for x in call.args])
            if any(isinstance(x, tuple) for x in varying):
                groups.setdefault((call.label, call.function, varying, level[call.out]), []).append(call)
    taken = {part for call in calls if call.function in (np.concatenate, np.stack) for part in call.args[0]}
    maker = {call.out: call for call in calls if call.out is not None}
    places, first, gone = {}, {}, set()
    new_slot = slot_maker(calls, outputs)
    for group in groups.values():
        merged = _stacked(group, places, taken, maker, new_slot) if len(group) >= ENOUGH else None
        if merged:
            first[group[0]] = merged
            gone.update(group)
    changed = []
    for call in calls:
        changed += first.get(call, ())
        if call not in gone:
            changed.append(call)
    head, tail = before_writes(changed)
    return _in_order(head) + tail


def _elementwise(call):
    """True where the arguments can be stacked: all but single numbers have as many axes as the result."""
    return (isinstance(call.function, np.ufunc) and call.function is not np.matmul and call.function is not np.vecdot
            or call.function is np.where) and all(
        not isinstance(x, Slot) or len(x.shape) in (0, len(call.out.shape)) for x in call.args)


def _stacked(group, places, taken, maker, new_slot):
    """One call for a group, on stacks of its arguments. None where the stacks would cost more copies than calls saved.

    places: {slot: (stack that it lies in, index)}; taken: Slots that lie in a stack or concatenation already, so that
    another would have to copy them; maker: {slot: the call that makes it}. All three are brought up to date.
    """
    n, out, args, new, label = len(group), group[0].out, [], {}, group[0].label
    for position, x in enumerate(group[0].args):
        parts = tuple([call.args[position] for call in group])
        if not isinstance(x, Slot) or x.array is not None or x.shape == () != out.shape:
            if any(part is not x for part in parts):
                return None
            args.append(x)
            continue
        found = _stretch(parts, places)
        if parts in new:
            pass
        elif found is not None:
            new[parts] = Call(take_index, found, {}, new_slot((n, *x.shape), x.dtype), label)
        else:
            copies = sum(part in taken or part not in maker or is_view(maker[part]) for part in parts)
            if copies > n // COPIES or len(set(parts)) < n:
                return None
            new[parts] = Call(np.stack, (parts,), {"axis": 0}, new_slot((n, *x.shape), x.dtype), label)
        args.append(new[parts].out)
    for parts, call in new.items():
        if call.function is np.stack:
            places.update((part, (call.out, i)) for i, part in enumerate(parts))
            taken.update(parts)
    whole = new_slot((n, *out.shape), out.dtype)
    places.update((call.out, (whole, i)) for i, call in enumerate(group))
    merged = Call(group[0].function, tuple(args), group[0].keywords, whole, label)
    slices = [Call(take_index, (whole, i), {}, call.out, call.label) for i, call in enumerate(group)]
    maker.update({call.out: call for call in slices})
    return [*new.values(), merged, *slices]


def _stretch(parts, places):
    """(stack, slice of it) where parts lie in it one after the other, forwards or backwards; else None."""
    if any(part not in places for part in parts):
        return None
    stack, first = places[parts[0]]
    step = places[parts[1]][1] - first
    if step not in (1, -1) or any(places[part] != (stack, first + step * i) for i, part in enumerate(parts)):
        return None
    stop = first + step * len(parts)
    return stack, slice(first, stop if stop >= 0 else None, step)
