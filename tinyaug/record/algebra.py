"""Passes that use what a student would: signs and factors may move, and two steps of a product may be one."""

from __future__ import annotations

from math import prod

import numpy as np

from tinyaug.record.program import Call, Slot, is_view, readers_of, reads, slot_maker, substitute, take_index
from tinyaug.record.ranges import overflows, range_of, ranges
from tinyaug.record.stacking import SMALL, after_seed, before_writes

__all__ = ["complements", "distribute", "factors", "renamed", "scales", "signs"]


def scales(calls, outputs):
    """Factors of 0.5 go into the weights: sigmoid(x W + b) = 0.5 tanh(x (W / 2) + b / 2) + 0.5.

    Where columns of a product with a weight that stays the same are only ever read times a number, that number is
    multiplied into those columns of weight and bias, once for all time steps. Halving is exact: no bit of a result changes.
    """
    head, tail = before_writes(calls)
    maker = {call.out: call for call in head}
    readers = readers_of(calls)
    layers = {}                            # (weight, bias) -> [(the add, its product)]
    for call in head:
        product = maker.get(call.args[0]) if call.function is np.add else None
        if product is not None and product.function is np.matmul and len(readers[product.out]) == 1:
            weight, bias = product.args[1], call.args[1]
            if isinstance(bias, Slot) and weight.origin == bias.origin == "captured" and bias.shape == weight.shape[-1:]:
                layers.setdefault((weight, bias), []).append((call, product))
    new_slot = slot_maker(calls, outputs)
    first, replaced, same = {}, {}, {}
    for (weight, bias), uses in layers.items():
        scaled = []
        scale = np.full(weight.shape[-1], np.nan)
        if not all(_column_scales(add.out, scale, scaled, readers, outputs) for add, _ in uses) or not scaled:
            continue
        scale[np.isnan(scale)] = 1.0
        factor = new_slot(scale.shape, weight.dtype, "constant", scale.astype(weight.dtype))
        by = {slot: new_slot(slot.shape, slot.dtype) for slot in (weight, bias)}
        first[uses[0][1]] = [Call(np.multiply, (slot, factor), {}, out, uses[0][1].label) for slot, out in by.items()]
        for add, product in uses:
            replaced[product] = Call(np.matmul, (product.args[0], by[weight]), {}, product.out, product.label)
            replaced[add] = Call(np.add, (product.out, by[bias]), {}, add.out, add.label)
        same.update((call.out, call.args[0]) for call in scaled)
    changed = []
    for call in head:
        changed += first.get(call, ())
        if call.out not in same:
            call = replaced.get(call, call)
            changed.append(renamed(call, same))
    return changed + [renamed(call, same) for call in tail]


def _column_scales(slot, scale, scaled, readers, outputs):
    """Note by which number each column of a (B, n) array is multiplied wherever it is read, 0.5 or 1, NaN if it is not read.

    scale: (n,), and scaled, the calls that multiply, are added to. returns: False where a column is read in both ways
    """
    waiting = [(slot, np.broadcast_to(np.arange(slot.shape[-1]), slot.shape))]
    while waiting:
        seen, columns = waiting.pop()
        if seen in outputs:
            return False
        for call in readers.get(seen, ()):
            if is_view(call):
                waiting.append((call.out, call.function(columns, *call.args[1:], **call.keywords)))
                continue
            number = call.args[1] if call.function is np.multiply else None
            halved = isinstance(number, Slot) and number.shape == () and number.array is not None and number.array == 0.5 \
                and number.origin == "constant" and call.out not in outputs
            if halved:
                scaled.append(call)
            read = np.unique(columns)
            if not np.isin(scale[read], [0.5 if halved else 1.0]).all() and not np.isnan(scale[read]).all():
                return False
            scale[read] = 0.5 if halved else 1.0
    return True


def signs(calls, outputs):
    """x + (-y) is x - y; a minus sign before a product can be that of what comes out, which may be smaller."""
    head, tail = before_writes(calls)
    late = after_seed(head)
    new_slot = slot_maker(calls, outputs)
    minus, changed = {}, []                # {slot: the slot that it is minus}

    def settle(slot):
        if slot in minus:
            changed.append(Call(np.negative, (minus.pop(slot),), {}, slot, maker[slot].label))

    maker = {call.out: call for call in head}
    for call in head:
        args = call.args
        signed = [x for x in args if isinstance(x, Slot) and x in minus]
        if call.function is np.negative and args[0] in late and args[0] not in minus and call.out not in outputs:
            minus[call.out] = args[0]
        elif len(signed) == 1 and call.function is np.add and all(isinstance(x, Slot) for x in args):
            other = args[0] if args[1] is signed[0] else args[1]
            changed.append(Call(np.subtract, (other, minus[signed[0]]), {}, call.out, call.label))
        elif len(signed) == 1 and call.out not in outputs and _linear(call, signed[0]):
            other = [x for x in args if x is not signed[0]]
            if (call.function is np.multiply and isinstance(other[0], Slot) and other[0] not in late
                    and prod(other[0].shape) <= SMALL):         # done in bulk
                turned = new_slot(other[0].shape, other[0].dtype)
                changed.append(Call(np.negative, (other[0],), {}, turned, call.label))
                changed.append(Call(np.multiply, (minus[signed[0]], turned), {}, call.out, call.label))
            else:
                minus[call.out] = new_slot(call.out.shape, call.out.dtype)
                changed.append(Call(call.function, substitute(args, minus), call.keywords, minus[call.out], call.label))
        else:
            for slot in reads(call):
                settle(slot)
            changed.append(call)
    for slot in list(minus):
        settle(slot)
    used = set(outputs).union(*[reads(call) for call in [*changed, *tail]])
    return [call for call in changed if call.out in used] + tail


def _linear(call, slot):
    """True where the call is linear in that argument, so that a minus sign may come after it."""
    if call.function is np.divide:
        return call.args[0] is slot and call.args[1] is not slot
    return call.function in (np.multiply, np.matmul) or is_view(call)


def distribute(calls, outputs):
    """[a, b] * f is [a * f1, b * f2]: where a and b are products themselves, each can take up its part of f in `factors`."""
    head, tail = before_writes(calls)
    late, readers = after_seed(head), readers_of(calls)
    maker = {call.out: call for call in head}
    new_slot = slot_maker(calls, outputs)

    def is_product(slot):
        pair = _split(maker[slot], late) if slot in maker else None
        return pair is not None and pair[1] is not None and len(readers[slot]) == 1 and slot not in outputs

    changed, gone = [], set()
    for call in head:
        g, early = _split(call, late) or (None, None)
        join = maker.get(g)
        if early is None or call.function is not np.multiply or join is None or join.function is not np.concatenate or (
                early.shape != call.out.shape or len(readers[g]) > 1 or g in outputs
                or join.keywords.get("axis", 0) % len(g.shape) != len(g.shape) - 1
                or not all(isinstance(part, Slot) and is_product(part) for part in join.args[0])):
            changed.append(call)
            continue
        parts, start = [], 0
        for part in join.args[0]:
            stop = start + part.shape[-1]
            factor, product = (new_slot(part.shape, call.out.dtype) for _ in range(2))
            changed.append(Call(take_index, (early, (..., slice(start, stop))), {}, factor, call.label))
            changed.append(Call(np.multiply, (part, factor), {}, product, call.label))
            parts.append(product)
            start = stop
        gone.add(join)
        changed.append(Call(np.concatenate, (tuple(parts),), {"axis": -1}, call.out, join.label))
    return [call for call in changed if call not in gone] + tail


def complements(calls, outputs):
    """g - g f is g (1 - f), where only g waits for the cotangent: 1 - f is a slope, which `factors` and `bulk` take."""
    head, tail = before_writes(calls)
    late, readers = after_seed(head), readers_of(calls)
    new_slot = slot_maker(calls, outputs)
    products = {call.out: call for call in head
                if call.function is np.multiply and len(readers.get(call.out, ())) == 1 and call.out not in outputs}
    taken = {}                             # {the subtraction: (g, f)}
    for call in head:
        product = products.get(call.args[1]) if call.function is np.subtract else None
        pair = product and _split(product, late)
        if pair and pair[0] is call.args[0]:
            taken[call] = pair
            taken[product] = None
    changed = []
    for call in head:
        pair = taken.get(call)
        if pair:
            g, f = pair
            slope = new_slot(f.shape, f.dtype)
            changed.append(Call(np.subtract, (1, f), {}, slope, call.label))
            changed.append(Call(np.multiply, (g, slope), {}, call.out, call.label))
        elif call not in taken:
            changed.append(call)
    return changed + tail


def factors(calls, outputs):
    """g a b = g (a b), where only g waits for the cotangent: the slopes of a chain of functions are one factor.

    The factor a b is forward work, so `bulk` computes it for all time steps at once. A product that several calls read
    goes away if all of them can take it up; for large arrays, which are not done in bulk, only if one reads it. Where a b
    may overflow they stay apart: of a branch that `where` did not take g is 0, and 0 times infinity is no number.
    """
    head, tail = before_writes(calls)
    late = after_seed(head)
    readers = readers_of(calls)
    limits = ranges([call for call in head if call.out not in late])
    new_slot = slot_maker(calls, outputs)
    inside = set(head)
    scaled, changed = {}, []               # {slot: (g, a)}, for a slot that is g a and is not computed
    for call in head:
        split = _split(call, late)
        if split is None:
            changed.append(call)
            continue
        g, early = split                   # early: None for a minus sign
        known = g in scaled
        if known:
            g, before = scaled[g]
            function, args = (np.negative, (before,)) if early is None else (call.function, (before, early))
            if before is None:             # the sign first, where there is something to give it to
                function, args = np.negative, (early,)
            factor = new_slot(np.broadcast_shapes(*[x.shape for x in args]), args[0].dtype)
            changed.append(Call(function, args, {}, factor, call.label))
            limits[factor] = range_of(changed[-1], limits)
        else:
            factor = early
        takers = readers.get(call.out, ())
        if (known or call.function is not np.divide) and call.out not in outputs and takers and (
                len(takers) == 1 or prod(call.out.shape) <= SMALL) and all(
                taker in inside and _takes(taker, call.out, late, factor, limits) for taker in takers):
            scaled[call.out] = g, factor
        elif known:
            changed.append(Call(np.multiply, (g, factor), {}, call.out, call.label))
        else:
            changed.append(call)
    return changed + tail


def _takes(call, slot, late, factor, limits):
    """True where the call can take up the factor of its argument `slot`. limits: see `ranges`"""
    pair = _split(call, late)
    if pair is None or pair[0] is not slot:
        return False
    if factor is None or pair[1] is None:
        return factor is not pair[1] and call.function is not np.divide
    return not overflows(call.function, factor, pair[1], limits)


def _split(call, late):
    """(g, early) of a product g * early or a quotient g / early where only g waits for the cotangent; (g, None) of -g."""
    if call.keywords or not all(isinstance(x, Slot) for x in call.args) or (
            call.function not in (np.multiply, np.divide, np.negative)):
        return None
    if call.function is np.negative:
        small = prod(call.out.shape) <= SMALL          # the sign of a large array is left to `signs`
        return (call.args[0], None) if small and call.args[0] in late else None
    x, y = call.args
    if call.function is np.multiply and x not in late:
        x, y = y, x
    if x not in late or y in late or x.shape != call.out.shape or len(y.shape) != len(x.shape) or y.dtype != x.dtype:
        return None
    return x, y


def renamed(call, table):
    """The call with other Slots in the place of those that the table names."""
    if any(slot in table for slot in reads(call)):
        return Call(call.function, substitute(call.args, table),
                    {k: substitute(v, table) for k, v in call.keywords.items()}, call.out, call.label)
    return call
