"""Passes over all time steps: many small calls of one kind become one call on stacked arguments."""

from __future__ import annotations

from math import prod

import numpy as np

from tinyaug.record.program import Call, Slot, is_view, reads, slot_maker, take_index

__all__ = ["SMALL", "after_seed", "before_writes", "bulk", "merge_products"]

SMALL = 4096                               # numbers; of a larger array the work counts, not the call
ENOUGH = 8                                 # calls; fewer do not pay for the stacks
STRETCH = 64                               # calls that become one; of more, the memory for all of them counts
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
    kept = {*outputs, *[slot for call in tail for slot in reads(call)]}
    for i, group in enumerate(groups):
        if not needs[i] >> i & 1:
            _merge(head, group, kept, new_slot)
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
        if any(slot in found or slot.origin in ("seed", "cotangent") for slot in reads(call)):
            found.add(call.out)
    return found


def _merge(calls, group, kept, new_slot):
    """Replace the calls of a group, in place, by one product of the stacked left sides and a slice for each.

    A bias that is added to each of them, and nothing else done with them, is added to all at once.
    """
    weight = group[0].args[1]
    left, right = [call.args[0] for call in group], group[0].out
    rows = left[0].shape[0]
    stacked = next((call.out for call in calls if call.function is np.concatenate and list(call.args[0]) == left
                    and call.keywords.get("axis", 0) == 0), None)       # it may be there for the gradient of the weight
    new = []
    if stacked is None:
        stacked = new_slot((rows * len(group), left[0].shape[1]), left[0].dtype)
        new.append(Call(np.concatenate, (tuple(left),), {"axis": 0}, stacked, group[0].label))
    product = new_slot((rows * len(group), right.shape[1]), right.dtype)
    label = group[0].label
    new.append(Call(np.matmul, (stacked, weight), {}, product, label))
    adds = _one_bias(calls, group, kept)
    if adds:
        shifted = new_slot(product.shape, product.dtype)
        new.append(Call(np.add, (product, adds[0].args[1]), {}, shifted, adds[0].label))
        product = shifted
    new += [Call(take_index, (product, slice(i * rows, (i + 1) * rows)), {}, call.out, label)
            for i, call in enumerate(adds or group)]
    results = {call.out for call in adds or group}
    new += [call for call in calls if is_view(call) and call.args[0] in results]
    at = calls.index(group[-1])            # whoever reads it before then is put behind it by `_in_order`
    gone = {*group, *adds, *new}
    calls[:] = [call for call in calls[:at] if call not in gone] + new + [call for call in calls[at:] if call not in gone]


def _one_bias(calls, group, kept):
    """The calls that add the same row to each product of a group, if nothing else is done with the products."""
    adds: dict = {call.out: [] for call in group}
    for call in calls:
        for slot in reads(call):
            if slot in adds:
                adds[slot].append(call)
    found = [readers[0] for readers in adds.values() if len(readers) == 1]
    bias = found[0].args[-1] if found else None
    alike = isinstance(bias, Slot) and bias.shape == group[0].out.shape[1:] and all(
        call.function is np.add and call.args == (slot, bias) for slot, call in zip(adds, found))
    return found if alike and len(found) == len(group) and kept.isdisjoint(adds) else []


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
    of all time steps (of 64 at a time, where there are many) are computed together, once, from the stacked y; what remains
    in each step of the backward pass is the product with its cotangent.
    """
    taken = {part for call in calls if call.function in (np.concatenate, np.stack) for part in call.args[0]}
    maker = {call.out: call for call in calls if call.out is not None}
    places, first, gone = {}, {}, set()
    new_slot = slot_maker(calls, outputs)
    for group in _groups(calls):
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
            for size in [STRETCH if len(group) >= 2 * STRETCH else len(group)] for i in range(0, len(group), size)]


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


def _stacked(group, places, taken, maker, new_slot):
    """One call for a group, on stacks of its arguments. None where the stacks would cost more copies than calls saved.

    places: {slot: (stack that it lies in, index)}; taken: Slots that lie in a stack or concatenation already, so that
    another would have to copy them; maker: {slot: the call that makes it}. All three are brought up to date.
    """
    n, out, args, new, label = len(group), group[0].out, [], {}, group[0].label

    def stack(parts):
        """The Slot of a stack of these, by a call in `new`; None where it costs too much."""
        if parts in new:
            return new[parts].out
        found, cut = _stretch(parts, places), _sources(parts, maker)
        if found is not None:
            function, args, keywords = take_index, found, {}
        elif cut is not None and (whole := stack(cut[0])) is not None:
            function, args, keywords = take_index, (whole, (slice(None), *cut[1])), {}
        else:
            copies = sum(part in taken or part not in maker or is_view(maker[part]) for part in parts)
            if copies > n // COPIES or len(set(parts)) < n:
                return None
            function, args, keywords = np.stack, (parts,), {"axis": 0}
        new[parts] = Call(function, args, keywords, new_slot((n, *parts[0].shape), parts[0].dtype), label)
        return new[parts].out

    for position, x in enumerate(group[0].args):
        parts = tuple([call.args[position] for call in group])
        if not isinstance(x, Slot) or x.array is not None or x.shape == () != out.shape:
            if any(part is not x for part in parts):
                return None
            args.append(x)
            continue
        args.append(stack(parts))
        if args[-1] is None:
            return None
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
