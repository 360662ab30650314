"""Passes: from a list of calls to a shorter one that computes the same. Each is one idea.

A pass takes and returns `calls`; `outputs` are the Slots that the program gives back. No pass moves a call across a
write: what comes after the first write to an array outside stays in its order.
"""

from __future__ import annotations

from math import prod

import numpy as np

from tinyaug.record.program import Call, Slot, is_view, reads, substitute, take_index

__all__ = ["PASSES", "aliases", "common", "constants", "dead", "dot_products", "merge_products"]


SMALL = 2048                               # numbers; of a larger array the work counts, not the call
LONG = 64                                  # below it a dot product costs more than a product and a sum over all rows


def dead(calls, outputs):
    """Drop every call whose result nobody reads. The tape computes gradients that nobody asked for; here they go."""
    wanted = set(outputs)
    kept = []
    for call in reversed(calls):
        if call.out is None or call.out in wanted:
            wanted.update(reads(call))
            kept.append(call)
    return kept[::-1]


def aliases(calls, outputs):
    """Drop calls that give back what they were given: +x, a reshape to the same shape, a concatenation of one."""
    written = any(call.out is None for call in calls)
    same, root, kept = {}, {}, []
    for call in calls:
        call = _renamed(call, same)
        first = call.args[0] if call.args else None
        if isinstance(first, (tuple, list)) and call.function is np.concatenate and len(first) == 1:
            first = first[0]
        elif call.function not in (np.positive, np.reshape, np.broadcast_to, np.squeeze, np.transpose):
            first = None
        elif call.function is np.transpose and call.args[1] != tuple(range(len(call.out.shape))):
            first = None
        if is_view(call):
            root[call.out] = root.get(call.args[0], call.args[0])
        elif written and isinstance(first, Slot) and root.get(first, first).origin == "captured":
            first = None                   # a copy, perhaps of what a write is about to change
        if isinstance(first, Slot) and first.shape == call.out.shape and call.out not in outputs:
            same[call.out] = first
        else:
            kept.append(call)
    return kept


def _before_a_write(calls):
    """The results that are made before a write and read after it."""
    made_at, writes, found = {}, 0, set()
    for call in calls:
        found.update(slot for slot in reads(call) if made_at.get(slot, writes) < writes)
        writes += call.out is None
        made_at[call.out] = writes
    return found


def _renamed(call, table):
    if any(slot in table for slot in reads(call)):
        return Call(call.function, substitute(call.args, table),
                    {k: substitute(v, table) for k, v in call.keywords.items()}, call.out, call.label)
    return call


def common(calls, outputs):
    """Compute equal things once: both heads of an NTM take the norm of the same memory rows, and so does backward."""
    seen, same, kept = {}, {}, []
    for call in calls:
        call = _renamed(call, same)
        if call.out is None:
            seen.clear()                   # a write: what was read before it may have changed
        else:
            key = (call.function, _key(call.args), _key(tuple(sorted(call.keywords.items()))))
            if key in seen and call.out not in outputs:
                same[call.out] = seen[key]
                continue
            seen.setdefault(key, call.out)
        kept.append(call)
    return kept


def _key(x):
    """Something hashable that is equal where x would compute equally."""
    if isinstance(x, (tuple, list)):
        return tuple([_key(part) for part in x])
    if isinstance(x, slice):
        return "slice", x.start, x.stop, x.step
    if isinstance(x, (float, int, bool)):
        return type(x), str(x)             # 0.0 is equal to -0.0, but does not compute equally
    return x


def constants(calls, outputs):
    """Python numbers become arrays of one element: NumPy takes 0.25 us less for x * array(0.5) than for x * 0.5."""
    made = {}

    def fixed(x, dtype):
        key = type(x), str(x), dtype
        if key not in made:
            made[key] = Slot(-1 - len(made), (), dtype, "constant", np.array(x, dtype))
        return made[key]

    changed = []
    for call in calls:
        if isinstance(call.function, np.ufunc) and any(type(x) in (float, int) for x in call.args):
            dtype = next(x.dtype for x in call.args if isinstance(x, Slot))
            if dtype.kind == "f":
                args = tuple(fixed(x, dtype) if type(x) in (float, int) else x for x in call.args)
                call = Call(call.function, args, call.keywords, call.out, call.label)
        changed.append(call)
    return changed


def dot_products(calls, outputs):
    """sum(x * y) over the last axis is one call, vecdot, without the array of products between."""
    uses = _uses(calls, outputs)
    late = _before_a_write(calls)          # their factors may be others by the time of the sum
    products = {call.out: call for call in calls
                if call.function is np.multiply and uses[call.out] == 1 and call.out not in late}
    changed = []
    for call in calls:
        plain = call.function == np.add.reduce and "initial" not in call.keywords
        factor = products.get(call.args[0]) if plain else None
        if factor is not None and _axis(call) in (-1, len(factor.out.shape) - 1) and all(
                isinstance(x, Slot) and x.shape == factor.out.shape for x in factor.args) and factor.out.shape[-1] >= LONG:
            call = Call(np.vecdot, factor.args, {"keepdims": call.keywords.get("keepdims", False)}, call.out, call.label)
        changed.append(call)
    return dead(changed, outputs)


def _axis(call):
    """The one axis that a call reduces, None where it reduces several."""
    axis = call.keywords.get("axis")
    return axis[0] if isinstance(axis, tuple) and len(axis) == 1 else axis


def starts(calls, outputs):
    """maximum(max(x), c) and sum(x) + c are one call each: the reduction that starts from c."""
    uses = _uses(calls, outputs)
    kind = {np.maximum: np.maximum.reduce, np.add: np.add.reduce}
    late = _before_a_write(calls)
    maker = {call.out: call for call in calls
             if call.function in kind.values() and uses[call.out] == 1 and call.out not in late}
    changed = []
    for call in calls:
        number = call.args[-1] if call.function in kind and not call.keywords else None
        known = isinstance(number, Slot) and number.origin == "constant" and number.shape == ()
        first = maker.get(call.args[0]) if known else None
        if first is not None and first.function == kind[call.function] and "initial" not in first.keywords and (
                (call.out.shape, call.out.dtype) == (first.out.shape, first.out.dtype)):
            call = Call(first.function, first.args, {**first.keywords, "initial": call.args[1].array[()]}, call.out,
                        call.label)
        changed.append(call)
    return dead(changed, outputs)


def _uses(calls, outputs):
    uses = dict.fromkeys([call.out for call in calls if call.out], 0)
    for slot in [slot for call in calls for slot in reads(call)] + list(outputs):
        if slot in uses:
            uses[slot] += 1
    return uses


def merge_products(calls, outputs):
    """Products of many matrices with one weight become one product of the stacked matrices, where none needs another.

    The output layer of a recurrent network is such a case, forward and backward: no step waits for the output of the
    step before. The controller's products are not: each needs the last one's result.
    """
    head, tail = _before_writes(calls)
    groups = {}
    for call in head:
        if call.function is np.matmul and all(len(x.shape) == 2 for x in call.args):
            groups.setdefault((call.args[1], call.args[0].shape), []).append(call)
    groups = [group for group in groups.values() if len(group) > 1]
    member = {call: 1 << bit for bit, group in enumerate(groups) for call in group}
    tainted = {}                           # slot -> bits of the groups whose results it depends on
    stuck = 0
    for call in head:
        bits = 0
        for slot in reads(call):
            bits |= tainted.get(slot, 0)
        if call in member:
            stuck |= bits & member[call]
            bits |= member[call]
        tainted[call.out] = bits
    head = list(head)
    for bit, group in enumerate(groups):
        if not stuck >> bit & 1:
            _merge(head, group)
    return _in_order(head) + tail


def _before_writes(calls):
    """The calls before the first write, which may change places, and the rest."""
    first_write = next((i for i, call in enumerate(calls) if call.out is None), len(calls))
    return calls[:first_write], calls[first_write:]


def _merge(calls, group):
    """Replace the calls of a group, in place, by one product of the stacked left sides and a slice for each."""
    weight = group[0].args[1]
    left, right = [call.args[0] for call in group], group[0].out
    rows = left[0].shape[0]
    stacked = Slot(-10**6 - group[0].out.number, (rows * len(group), left[0].shape[1]), left[0].dtype, "call")
    product = Slot(-10**7 - group[0].out.number, (rows * len(group), right.shape[1]), right.dtype, "call")
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
    tainted, level, groups = set(), {}, {}
    for call in calls:
        if call.out is None:
            break
        slots = reads(call)
        if any(slot in tainted or slot.origin == "seed" for slot in slots):
            tainted.add(call.out)
        elif "(backward)" in call.label[0] and not is_view(call):
            level[call.out] = 1 + max([level.get(slot, 0) for slot in slots], default=0)
            varying = tuple([(x.shape, x.dtype) if isinstance(x, Slot) and x.array is None else x for x in call.args])
            if _elementwise(call) and prod(call.out.shape) <= SMALL and any(isinstance(x, tuple) for x in varying):
                groups.setdefault((call.label, call.function, varying, level[call.out]), []).append(call)
    taken = {part for call in calls if call.function in (np.concatenate, np.stack) for part in call.args[0]}
    maker = {call.out: call for call in calls if call.out is not None}
    stacks, first, gone = {}, {}, set()
    for group in groups.values():
        merged = _stacked(group, stacks, taken, maker) if len(group) >= 8 else None
        if merged:
            first[group[0]] = merged
            gone.update(group)
    changed = []
    for call in calls:
        changed += first.get(call, ())
        if call not in gone:
            changed.append(call)
    head, tail = _before_writes(changed)
    return _in_order(head) + tail


def _elementwise(call):
    """True where the result has the shape of every argument that is not a single number."""
    return (isinstance(call.function, np.ufunc) and call.function is not np.matmul and call.function is not np.vecdot
            or call.function is np.where) and all(
        not isinstance(x, Slot) or x.shape in ((), call.out.shape) for x in call.args)


def _stacked(group, stacks, taken, maker):
    """One call for a group, on stacks of its arguments. None where the stacks would cost more copies than calls saved."""
    n, out, args, new = len(group), group[0].out, [], {}
    for position, x in enumerate(group[0].args):
        parts = tuple([call.args[position] for call in group])
        if not isinstance(x, Slot) or x.array is not None or x.shape == () != out.shape:
            if any(part is not x for part in parts):
                return None
            args.append(x)
            continue
        if parts not in stacks and parts not in new:
            copies = sum(part in taken or part not in maker or is_view(maker[part]) for part in parts)
            if copies > n // 4 or len(set(parts)) < n:
                return None
            slot = Slot(-3 * 10**6 - parts[0].number, (n, *x.shape), x.dtype, "call")
            new[parts] = Call(np.stack, (parts,), {"axis": 0}, slot, group[0].label)
        args.append(stacks[parts] if parts in stacks else new[parts].out)
    for parts, call in new.items():
        stacks[parts] = call.out
        taken.update(parts)
    whole = Slot(-4 * 10**6 - out.number, (n, *out.shape), out.dtype, "call")
    stacks[tuple([call.out for call in group])] = whole
    merged = Call(group[0].function, tuple(args), group[0].keywords, whole, group[0].label)
    slices = [Call(take_index, (whole, i), {}, call.out, call.label) for i, call in enumerate(group)]
    maker.update({call.out: call for call in slices})
    return [*new.values(), merged, *slices]


PASSES = [dead, aliases, common, constants, merge_products, dot_products, starts, bulk]
