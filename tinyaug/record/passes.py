"""Passes: from a list of calls to a shorter one that computes the same. Each is one idea.

A pass takes and returns `calls`; `outputs` are the Slots that the program gives back. No pass moves a call across a
write: what comes after the first write to an array outside stays in its order.
"""

from __future__ import annotations

from sys import intern

import numpy as np

from tinyaug.record.algebra import complements, distribute, factors, renamed, scales, signs
from tinyaug.record.columns import columns
from tinyaug.record.neighbours import adjacent
from tinyaug.record.program import Call, Slot, is_view, reads, slot_maker
from tinyaug.record.recompute import recompute
from tinyaug.record.stacking import ENOUGH, before_writes, bulk, merge_products

__all__ = ["PASSES", "adjacent", "bulk", "columns", "common", "complements", "constants", "dead", "distribute",
           "dot_products", "factors", "merge_products", "recompute", "scales", "signs", "transposes"]

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


def _before_a_write(calls):
    """The results that are made before a write and read after it."""
    made_at, writes, found = {}, 0, set()
    for call in calls:
        found.update(slot for slot in reads(call) if made_at.get(slot, writes) < writes)
        writes += call.out is None
        made_at[call.out] = writes
    return found


def common(calls, outputs):
    """Compute equal things once: both heads of an NTM take the norm of the same memory rows, and so does backward."""
    seen, same, kept = {}, {}, []
    for call in calls:
        call = renamed(call, same)
        if call.out is None:
            seen.clear()                   # a write: what was read before it may have changed
        else:
            key = call.function, call.args
            if reads(call) is not call.args:           # there is more than Slots
                key = call.function, *_key(call.args), _key(sorted(call.keywords.items()))
            if key in seen and call.out not in outputs:
                same[call.out] = seen[key]
                continue
            seen.setdefault(key, call.out)
        kept.append(call)
    return kept


def _key(x):
    """Something hashable that is equal where x would compute equally; for indices and numbers, a text that all share."""
    if isinstance(x, Slot):
        return x
    if isinstance(x, (tuple, list)) and any([isinstance(part, (Slot, tuple, list)) for part in x]):
        return tuple([_key(part) for part in x])
    return intern(repr(x))                 # 0.0 is equal to -0.0, but does not compute equally


def constants(calls, outputs):
    """Python numbers become arrays of one element: NumPy takes 0.25 us less for x * array(0.5) than for x * 0.5."""
    made, new_slot = {}, slot_maker(calls, outputs)

    def fixed(x, dtype):
        key = type(x), str(x), dtype
        if key not in made:
            made[key] = new_slot((), dtype, "constant", np.array(x, dtype))
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


def transposes(calls, outputs):
    """A weight that many products take transposed is copied so once: its rows then lie in memory as a product reads them.

    That counts where a product has a few rows at its left; one row alone reads the weight once, in whichever order.
    """
    head, tail = before_writes(calls)
    maker = {call.out: call for call in head}
    users = {}                             # {right side of products: how many there are}
    for call in head:
        if call.function is np.matmul and len(call.args[1].shape) == 2 and call.args[0].shape[-2:-1] != (1,):
            users[call.args[1]] = users.get(call.args[1], 0) + 1
    new_slot = slot_maker(calls, outputs)
    upright = {slot: new_slot(slot.shape, slot.dtype) for slot, n in users.items() if n >= ENOUGH and _turned(slot, maker)}
    changed = []
    for call in head:
        if call.function is np.matmul and call.args[1] in upright:
            call = Call(np.matmul, (call.args[0], upright[call.args[1]]), {}, call.out, call.label)
        changed.append(call)
        if call.out in upright:
            changed.append(Call(np.positive, (call.out,), {}, upright[call.out], call.label))
    return changed + tail


def _turned(slot, maker):
    """True for a view whose columns lie in memory as its source's rows do."""
    chain = []
    while slot in maker and is_view(maker[slot]):
        chain.append(maker[slot])
        slot = chain[-1].args[0]
    x = np.empty(slot.shape, slot.dtype)
    for call in reversed(chain):
        x = call.function(x, *call.args[1:], **call.keywords)
    return x.strides[0] < x.strides[1]


def dot_products(calls, outputs):
    """sum(x * y) over the last axis is one call, vecdot, without the array of products between."""
    uses = _uses(calls, outputs)
    late = _before_a_write(calls)          # their factors may be others by the time of the sum
    products = {call.out: call for call in calls
                if call.function is np.multiply and uses[call.out] == 1 and call.out not in late}
    changed = []
    for call in calls:
        plain = call.function == np.add.reduce and call.keywords.keys() <= {"axis", "keepdims", "dtype"}
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


def _uses(calls, outputs):
    """{result: how many times it is read, by calls or as an output}"""
    uses = dict.fromkeys([call.out for call in calls if call.out], 0)
    for slot in [slot for call in calls for slot in reads(call)] + list(outputs):
        if slot in uses:
            uses[slot] += 1
    return uses


PASSES = [dead, common, complements, constants, scales, adjacent, distribute, factors, signs, columns, merge_products,
          transposes, dot_products, recompute, bulk]
