"""Where the arrays of a program lie: placement inside others, and reuse of memory by liveness."""

from __future__ import annotations

import numpy as np

from tinyaug.record.program import is_view, reads

__all__ = ["lay_out", "parts_of", "place"]

ALIGN = 64


def place(calls, outputs):
    """Which results can be written straight into the concatenation or stack that takes them.

    returns: {slot: (slot of the concatenation, index into it)}
    """
    maker = {call.out: call for call in calls if call.out is not None}
    placed = {}
    for call in calls:
        if call.function is np.concatenate or call.function is np.stack:
            for part, index in parts_of(call):
                root = part
                while root in maker and maker[root].function is np.reshape:
                    root = maker[root].args[0]
                made = maker.get(root)
                if made is not None and root not in placed and root not in outputs and not is_view(made) and (
                        root.dtype == call.out.dtype):
                    placed[root] = call.out, index
    return placed


def parts_of(call):
    """[(slot, its index in the result)] of a concatenation or stack."""
    axis = call.keywords.get("axis", call.args[1] if len(call.args) > 1 else 0) % len(call.out.shape)
    before = (slice(None),) * axis
    if call.function is np.stack:
        return [(part, (*before, i, ...)) for i, part in enumerate(call.args[0])]      # ...: a view, even of one number
    found, start = [], 0
    for part in call.args[0]:
        found.append((part, before + (slice(start, start + part.shape[axis]),)))
        start += part.shape[axis]
    return found


def long_axis_last(calls, outputs):
    """The results of shape (..., long, short) that are better laid out as (..., short, long).

    A memory (B, N, W) has N slots and few numbers in each; whatever combines it with a weighting over N runs two to four
    times faster along N. Only the strides change: every call sees the same shape and the same values.
    """
    chosen = {call.out for call in calls if call.out is not None and len(call.out.shape) > 2
              and 1 < call.out.shape[-1] < call.out.shape[-2] and call.out.shape[-2] >= 32 and not is_view(call)}
    for call in calls:
        free = isinstance(call.function, np.ufunc) or call.function in (np.swapaxes, np.transpose, np.where) or getattr(
            call.function, "__name__", "") == "reduce" or (is_view(call) and call.function is not np.reshape)
        if not free:
            chosen.difference_update(reads(call))
    return chosen - set(outputs)


def fresh(slot, swapped, make):
    """An array for a Slot on memory from `make(shape, dtype)`, with its last two axes swapped in memory where that pays."""
    if slot not in swapped:
        return make(slot.shape, slot.dtype)
    return make((*slot.shape[:-2], slot.shape[-1], slot.shape[-2]), slot.dtype).swapaxes(-1, -2)


class Arena:
    """One block of memory, handed out in pieces; a piece that is given back is handed out again."""

    def __init__(self):
        self.free = {}                     # size -> offsets
        self.size = 0

    def take(self, nbytes):
        nbytes = max(ALIGN, -(-nbytes // ALIGN) * ALIGN)
        if self.free.get(nbytes):
            return self.free[nbytes].pop(), nbytes
        larger = min((size for size, offsets in self.free.items() if offsets and nbytes < size <= 2 * nbytes), default=None)
        if larger is not None:
            return self.free[larger].pop(), larger
        offset = self.size
        self.size += nbytes
        return offset, nbytes

    def give(self, offset, nbytes):
        self.free.setdefault(nbytes, []).append(offset)


def lay_out(calls, outputs, inputs, reuse=True, block=np.empty, swap=True):
    """An array for every Slot. returns: {slot: array}, bytes of the arena

    block: (bytes, dtype) -> the memory to lay them out on
    swap:  axes may change places in memory where that pays, which changes the order of sums
    """
    placed = place(calls, outputs)
    swapped = long_axis_last(calls, outputs) if swap else set()
    owner = {}                             # slot -> the slot whose memory it lies in
    last = {}                              # owner -> index of the last call that touches it
    home = {}                              # slot -> array on scratch memory, to learn the strides
    scratch = np.empty(max([_span(call.out) for call in calls if call.out is not None] + [_span(x) for x in inputs],
                           default=0), np.uint8)

    def blank(shape, dtype):
        """An array on the scratch memory that all share."""
        return np.ndarray(shape, dtype, scratch)

    for slot in inputs:
        home[slot] = blank(slot.shape, slot.dtype)

    def virtual(slot):
        """An array for a result: a slice of the concatenation that takes it, or memory of its own."""
        if slot in home:
            return home[slot]
        if slot in placed:
            outer, index = placed[slot]
            inside = virtual(outer)[index]
            home[slot] = _reshaped(inside, slot.shape)
            if home[slot] is not None:
                owner[slot] = owner.get(outer, outer)
                return home[slot]
            del placed[slot]
        home[slot] = fresh(slot, swapped, blank)
        owner[slot] = slot
        return home[slot]

    views = {}
    for i, call in enumerate(calls):
        for slot in reads(call):
            if slot.array is not None:
                home[slot] = slot.array
            if owner.get(slot) is not None:
                last[owner[slot]] = i
        if call.out is None:
            continue
        if is_view(call):
            source = call.args[0]
            view = call.function(home[source], *call.args[1:], **call.keywords)
            if np.may_share_memory(view, home[source]) or view.size == 0:      # not where it had to copy
                home[call.out] = view
                views[call.out] = call
                if owner.get(source) is not None:
                    owner[call.out] = owner[source]
                    last[owner[source]] = i
                continue
        virtual(call.out)
        last[owner[call.out]] = i
    for slot in outputs:
        if owner.get(slot) is not None:
            last[owner[slot]] = len(calls)
    home.clear()
    return _assign(calls, outputs, placed, owner, last, views, swapped, inputs, reuse, block)


def _span(slot):
    return int(np.prod(slot.shape)) * slot.dtype.itemsize


def _reshaped(array, shape):
    """The array under another shape, if that needs no copy."""
    view = array.view()
    try:
        view.shape = shape
    except AttributeError:
        return None
    return view


def _assign(calls, outputs, placed, owner, last, views, swapped, inputs, reuse, block):
    """Give every owner a piece of the arena for as long as it lives, then build all arrays on it."""
    arena = Arena()
    pieces, dying = {}, {}
    for slot, i in last.items():
        dying.setdefault(i, []).append(slot)
    for i, call in enumerate(calls):
        out = None if call.out is None else owner.get(call.out)
        heir = None
        if out is not None and out not in pieces:
            if reuse and out is call.out and isinstance(call.function, np.ufunc) and call.function is not np.matmul:
                heir = next((slot for slot in reads(call) if slot in pieces and slot in dying.get(i, ())
                             and slot.shape == out.shape and slot.dtype == out.dtype
                             and (slot in swapped) == (out in swapped)), None)
            pieces[out] = pieces[heir] if heir is not None else arena.take(_span(out))
        for slot in dying.get(i, ()):
            if reuse and slot is not heir and slot in pieces:
                arena.give(*pieces[slot])
    memory = block(arena.size + ALIGN, np.uint8)
    start = -memory.ctypes.data % ALIGN
    real = {slot: slot.array for call in calls for slot in reads(call) if slot.array is not None}
    real.update({slot: slot.array for slot in outputs if slot.array is not None})
    real.update({slot: np.empty(slot.shape, slot.dtype) for slot in inputs})

    def build(slot):
        if slot in real:
            return real[slot]
        if slot in placed and owner[slot] is not slot:
            outer, index = placed[slot]
            real[slot] = _reshaped(build(outer)[index], slot.shape)
        else:
            offset, _ = pieces[owner[slot]]
            at = start + offset
            block = memory[at:at + _span(slot)]
            real[slot] = fresh(slot, swapped, lambda shape, dtype: block.view(dtype).reshape(shape))
        return real[slot]

    for call in calls:
        if call.out is None:
            continue
        if call.out in views:
            real[call.out] = call.function(real[call.args[0]], *call.args[1:], **call.keywords)
        else:
            build(call.out)
    return real, arena.size

