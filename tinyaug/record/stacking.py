"""Passes over all time steps: many small calls of one kind become one call on stacked arguments."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import NamedTuple

import numpy as np

from tinyaug.record.program import Call, Slot, is_view, readers_of, reads, slot_maker, take_index

__all__ = ["SMALL", "after_seed", "before_writes", "bulk", "merge_products"]

SMALL = 4096                               # numbers; of a larger array the work counts, not the call
ENOUGH = 8                                 # calls; fewer do not pay for the stacks
STRETCH = 32                               # calls that become one, of four times as many: the memory for all of them counts
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
    new_slot, readers = slot_maker(calls, outputs), readers_of(head)
    kept = {*outputs, *[slot for call in tail for slot in reads(call)]}
    joined = {tuple(call.args[0]): call.out for call in head
              if call.function is np.concatenate and call.keywords.get("axis", 0) == 0}
    instead = {}                           # call -> calls in its place
    for i, group in enumerate(groups):
        if not needs[i] >> i & 1:
            adds = _one_bias(group, readers, kept)
            views = [view for call in adds or group for view in readers.get(call.out, ()) if is_view(view)]
            instead.update(dict.fromkeys([*group, *adds, *views], ()))
            left = tuple([call.args[0] for call in group])
            instead[group[-1]] = [*_merged(group, adds, left, joined.get(left), new_slot), *views]
            needs = [bits | needs[i] if bits >> i & 1 else bits for bits in needs]     # who waits for one waits for all
    return _in_order([new for call in head for new in instead.get(call, (call,))]) + tail


def before_writes(calls):
    """The calls before the first write, which may change places, and the rest."""
    first_write = next((i for i, call in enumerate(calls) if call.out is None), len(calls))
    return calls[:first_write], calls[first_write:]


def after_seed(calls):
    """What depends on the cotangent that a backward pass starts from."""
    found = set()
    for call in calls:
        if any(slot in found or slot.origin in ("seed", "cotangent") for slot in reads(call)):
            found.add(call.out)
    return found


def _merged(group, adds, left, stacked, new_slot):
    """One product for a group, and a slice of it for each, in the place of the last: `_in_order` moves those that read it.

    adds: those of a bias, the same for each product, which is added to all at once; stacked: the left sides as one Slot,
    where it is there already, for the gradient of the weight
    """
    weight, out, label = group[0].args[1], group[0].out, group[0].label
    rows = left[0].shape[0]
    new = []
    if stacked is None:
        stacked = new_slot((rows * len(group), left[0].shape[1]), left[0].dtype)
        new.append(Call(np.concatenate, (left,), {"axis": 0}, stacked, label))
    product = new_slot((rows * len(group), out.shape[1]), out.dtype)
    new.append(Call(np.matmul, (stacked, weight), {}, product, label))
    if adds:
        shifted = new_slot(product.shape, product.dtype)
        new.append(Call(np.add, (product, adds[0].args[1]), {}, shifted, adds[0].label))
        product = shifted
    return new + [Call(take_index, (product, slice(i * rows, (i + 1) * rows)), {}, call.out, label)
                  for i, call in enumerate(adds or group)]


def _one_bias(group, readers, kept):
    """The calls that add the same row to each product of a group, if nothing else is done with the products."""
    adds = [readers.get(call.out, ()) for call in group]
    if any(len(found) != 1 for found in adds) or any(call.out in kept for call in group):
        return []
    found = [add for add, in adds]
    bias = found[0].args[-1]
    same = isinstance(bias, Slot) and bias.shape == group[0].out.shape[1:] and all(
        add.function is np.add and add.args == (call.out, bias) for call, add in zip(group, found))
    return found if same else []


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
    of all time steps (of 32 at a time, where there are many) are computed together, once, from the stacked y; what remains
    in each step of the backward pass is the product with its cotangent.
    """
    taken = {part for call in calls if call.function in (np.concatenate, np.stack) for part in call.args[0]}
    stacks = _Stacks({}, taken, {call.out: call for call in calls if call.out is not None}, slot_maker(calls, outputs))
    first, gone = {}, set()
    for group in _groups(calls):
        merged = _stacked(group, stacks) if len(group) >= ENOUGH else None
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


def _groups(calls):
    """Calls of the backward pass that differ in the time step alone and do not wait for the cotangent, in groups.

    A long group comes in parts: what is made for one stretch of time gives its memory back before the next.
    """
    late = after_seed(calls)
    kinds, groups = {}, {}                     # kinds: how a slot was made, the same in every time step; one kind, one group
    for call in before_writes(calls)[0]:
        if call.out in late:
            continue
        works = "(backward)" in call.label[0] and not is_view(call)
        kinds[call.out] = _kind(call, kinds) if works or is_view(call) else call.label
        if works and _elementwise(call) and prod(call.out.shape) <= SMALL and any(
                isinstance(x, Slot) and x.array is None for x in call.args):
            groups.setdefault(kinds[call.out], []).append(call)
    return [group[i:i + size] for group in groups.values()
            for size in [STRETCH if len(group) >= 4 * STRETCH else len(group)] for i in range(0, len(group), size)]


def _kind(call, kinds):
    """How a result was made, from the forward pass on: calls that differ in the time step alone are of one kind."""
    if is_view(call):
        index = call.args[1] if call.function is take_index else ()
        return hash((kinds.get(call.args[0]), repr(index[1:] if isinstance(index, tuple) else "")))
    return hash((call.label, call.function, tuple(
        [(x.shape, x.dtype, kinds.get(x)) if isinstance(x, Slot) and x.array is None else id(x) for x in call.args])))


def _elementwise(call):
    """True where the arguments can be stacked: all but single numbers have as many axes as the result."""
    return (isinstance(call.function, np.ufunc) and call.function is not np.matmul and call.function is not np.vecdot
            or call.function is np.where) and all(
        not isinstance(x, Slot) or len(x.shape) in (0, len(call.out.shape)) for x in call.args)


class _Stacks(NamedTuple):
    """What is known of stacks, brought up to date as they are made.

    places: {slot: (stack that it lies in, index)}; taken: Slots that lie in a stack or concatenation already, so that
    another would have to copy them; maker: {slot: the call that makes it}
    """

    places: dict
    taken: set
    maker: dict
    new_slot: Callable


def _stacked(group, stacks):
    """The calls that stand for a group: one on stacks of arguments. None where those cost more copies than calls saved."""
    n, out, args, new, label = len(group), group[0].out, [], {}, group[0].label
    for position, x in enumerate(group[0].args):
        parts = tuple([call.args[position] for call in group])
        if not isinstance(x, Slot) or x.array is not None or x.shape == () != out.shape:
            if any(part is not x for part in parts):
                return None
            args.append(x)
            continue
        args.append(_stack(parts, label, new, stacks))
        if args[-1] is None:
            return None
    for parts, call in new.items():
        if call.function is np.stack:
            stacks.places.update((part, (call.out, i)) for i, part in enumerate(parts))
            stacks.taken.update(parts)
    whole = stacks.new_slot((n, *out.shape), out.dtype)
    stacks.places.update((call.out, (whole, i)) for i, call in enumerate(group))
    merged = Call(group[0].function, tuple(args), group[0].keywords, whole, label)
    slices = [Call(take_index, (whole, i), {}, call.out, call.label) for i, call in enumerate(group)]
    stacks.maker.update((call.out, call) for call in slices)
    return [*new.values(), merged, *slices]


def _stack(parts, label, new, stacks):
    """The Slot of a stack of these, by a call that is put into `new`, {parts: call}; None where it costs too much."""
    if parts in new:
        return new[parts].out
    found, cut = _stretch(parts, stacks.places), _sources(parts, stacks.maker)
    if found is not None:
        function, args, keywords = take_index, found, {}
    elif cut is not None and (whole := _stack(cut[0], label, new, stacks)) is not None:
        function, args, keywords = take_index, (whole, (slice(None), *cut[1])), {}
    else:
        copies = sum(part in stacks.taken or part not in stacks.maker or is_view(stacks.maker[part]) for part in parts)
        if copies > len(parts) // COPIES or len(set(parts)) < len(parts):
            return None
        function, args, keywords = np.stack, (parts,), {"axis": 0}
    new[parts] = Call(function, args, keywords, stacks.new_slot((len(parts), *parts[0].shape), parts[0].dtype), label)
    return new[parts].out


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


def _sources(parts, maker):
    """(sources, index) where each part is a slice of another source, all cut alike; else None."""
    cuts = [maker.get(part) for part in parts]
    if any(cut is None or cut.function is not take_index or not is_view(cut) or repr(cut.args[1]) != repr(cuts[0].args[1])
           for cut in cuts):
        return None
    sources, index = tuple([cut.args[0] for cut in cuts]), cuts[0].args[1]
    if len(set(sources)) < len(sources) or any(source.shape != sources[0].shape for source in sources):
        return None
    return sources, index if isinstance(index, tuple) else (index,)
