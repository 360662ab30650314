"""Where the arrays of a program lie: placement inside others, and reuse of memory by liveness."""

from __future__ import annotations

from functools import cache, partial
from itertools import chain
from math import prod

import numpy as np

from tinyaug.record.program import is_reduction, is_view, reads

__all__ = ["lay_out", "parts_of", "place"]

ALIGN = 64                                 # bytes of a cache line, which no two results share
LONG_AXIS = 32                             # numbers; along a shorter axis no call gains by running


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
    chosen = {call.out for call in calls if call.out is not None and not is_view(call) and len(call.out.shape) > 2
              and 1 < call.out.shape[-1] < call.out.shape[-2] and call.out.shape[-2] >= LONG_AXIS}
    for call in calls:
        if not _takes_any_strides(call):
            chosen.difference_update(reads(call))
    return chosen - set(outputs)


def _takes_any_strides(call):
    """True for a call that does not mind which axis of its arguments lies contiguous in memory."""
    if is_view(call):
        return call.function is not np.reshape
    return isinstance(call.function, np.ufunc) or call.function is np.where or is_reduction(call)


def fresh(slot, swapped, make):
    """An array for a Slot on memory from `make(shape, dtype)`, with its last two axes swapped in memory where that pays."""
    if slot not in swapped:
        return make(slot.shape, slot.dtype)
    return make((*slot.shape[:-2], slot.shape[-1], slot.shape[-2]), slot.dtype).swapaxes(-1, -2)


class Arena:
    """One block of memory, handed out in pieces; pieces that are given back join their free neighbours.

    starts, ends: {first byte: size} and {byte after the last: size} of what is free; sizes: {size: first bytes}
    """

    def __init__(self):
        self.starts, self.ends, self.sizes = {}, {}, {}
        self.size = 0

    def take(self, nbytes):
        """A piece of so many bytes, rounded up, of the smallest free one that holds it. returns: its offset and size"""
        nbytes = max(ALIGN, -(-nbytes // ALIGN) * ALIGN)
        size = nbytes if nbytes in self.sizes else min([size for size in self.sizes if size > nbytes], default=None)
        if size is None:
            size, offset = nbytes, self.size - self.ends.get(self.size, 0)     # what is free at the end grows
            if offset < self.size:
                self._remove(offset)
            self.size = offset + nbytes
        else:
            offset = next(reversed(self.sizes[size]))      # the last that was used: it may be in the cache
            self._remove(offset)
        if size > nbytes:
            self._add(offset + nbytes, size - nbytes)
        return offset, nbytes

    def give(self, offset, nbytes):
        """A piece is needed no longer."""
        if offset in self.ends:
            offset -= self.ends[offset]
            nbytes += self._remove(offset)
        if offset + nbytes in self.starts:
            nbytes += self._remove(offset + nbytes)
        self._add(offset, nbytes)

    def _add(self, offset, size):
        self.starts[offset] = self.ends[offset + size] = size
        self.sizes.setdefault(size, {})[offset] = None

    def _remove(self, offset):
        size = self.starts.pop(offset)
        del self.ends[offset + size], self.sizes[size][offset]
        if not self.sizes[size]:
            del self.sizes[size]
        return size


def lay_out(calls, outputs, inputs, reuse=True, block=np.empty, swap=True):
    """An array for every Slot. returns: {slot: array}, bytes of the arena

    block: (bytes, dtype) -> the memory to lay them out on
    swap:  axes may change places in memory where that pays, which changes the order of sums
    """
    swapped = long_axis_last(calls, outputs) if swap else set()
    ownership = Ownership(calls, outputs, inputs, swapped)
    pieces, size = _pieces(calls, ownership, reuse)
    return _arrays(calls, outputs, inputs, ownership, pieces, block(size + ALIGN, np.uint8)), size


class Ownership:
    """In whose memory each result lies, and how long that memory is needed: a walk over the calls without computing.

    placed: {slot: (slot of the concatenation that it is written into, index)}; swapped: see `long_axis_last`
    owner:  {slot: the slot whose memory it lies in}, for results; last: {owner: index of the last call that touches it}
    views:  {result: its call}, for those that are views when the program runs
    """

    def __init__(self, calls, outputs, inputs, swapped):
        self.placed, self.swapped = place(calls, outputs), swapped
        self.owner, self.last, self.views = {}, {}, {}
        slots = chain(inputs, (call.out for call in calls if call.out is not None))
        scratch = np.empty(max(map(_span, slots), default=0), np.uint8)
        self._blank = cache(lambda shape, dtype: np.ndarray(shape, dtype, scratch))
        for i, call in enumerate(calls):
            for slot in reads(call):
                self._touch(slot, i)
            if call.out is not None:
                if is_view(call) and self._lends(call):
                    self.views[call.out] = call
                    if call.args[0] in self.owner:
                        self.owner[call.out] = self.owner[call.args[0]]
                else:
                    self._settle(call.out)
                self._touch(call.out, i)
        for slot in outputs:
            self._touch(slot, len(calls))

    def _touch(self, slot, i):
        owner = self.owner.get(slot)
        if owner is not None:
            self.last[owner] = i

    def _lends(self, call):
        """True where the result of a view can lie in the memory of its source; a reshape may have to copy instead."""
        if call.function is not np.reshape:
            return True
        source = self._strided(call.args[0])
        view = np.reshape(source, *call.args[1:], **call.keywords)
        return not view.size or np.may_share_memory(view, source)

    def _settle(self, result):
        """Give a result a slice of the concatenation that takes it, or memory of its own."""
        for slot in _from_outside_in(result, self.placed, self.owner):
            self.owner[slot] = slot
            if slot in self.placed:
                outer, index = self.placed[slot]
                if _reshaped(self._strided(outer)[index], slot.shape) is None:
                    del self.placed[slot]
                else:
                    self.owner[slot] = self.owner.get(outer, outer)

    def _strided(self, slot):
        """An array with the strides of the slot's, which tell whether a reshape copies. They all lie on the same memory."""
        inside = []                        # functions, the outermost first when they are applied
        while slot.array is None:
            if slot in self.views:
                call = self.views[slot]
                inside.append(lambda x, call=call: call.function(x, *call.args[1:], **call.keywords))
                slot = call.args[0]
            elif self.owner.get(slot, slot) is not slot:
                outer, index = self.placed[slot]
                inside.append(lambda x, index=index, shape=slot.shape: _reshaped(x[index], shape))
                slot = outer
            else:
                break
        x = fresh(slot, self.swapped, self._blank) if slot.array is None else slot.array
        for step in reversed(inside):
            x = step(x)
        return x


def _from_outside_in(slot, placed, known):
    """A slot and the concatenations that it lies in, one within the other, the outermost first, as far as not known."""
    found = []
    while slot not in known:
        found.append(slot)
        if slot not in placed:
            break
        slot = placed[slot][0]
    return found[::-1]


def _span(slot):
    """Bytes of a Slot's array."""
    return prod(slot.shape) * slot.dtype.itemsize


def _reshaped(array, shape):
    """The array under another shape, if that needs no copy."""
    view = array.view()
    try:
        view.shape = shape
    except AttributeError:
        return None
    return view


def _pieces(calls, ownership, reuse):
    """A piece of the arena for every owner, for as long as it lives. returns: {owner: (offset, size)}, bytes of all

    A ufunc may write over an argument that nobody needs after it: its result inherits the piece.
    """
    arena, swapped = Arena(), ownership.swapped
    pieces, dying = {}, {}
    for slot, i in ownership.last.items():
        dying.setdefault(i, []).append(slot)
    for i, call in enumerate(calls):
        out = None if call.out is None else ownership.owner.get(call.out)
        ancestor = None                    # the argument whose piece the result takes over
        if out is not None and out not in pieces:
            if reuse and out is call.out and isinstance(call.function, np.ufunc) and call.function is not np.matmul:
                ancestor = next((slot for slot in reads(call) if slot in pieces and slot in dying.get(i, ())
                                 and slot.shape == out.shape and slot.dtype == out.dtype
                                 and (slot in swapped) == (out in swapped)), None)
            pieces[out] = pieces[ancestor] if ancestor is not None else arena.take(_span(out))
        for slot in dying.get(i, ()):
            if reuse and slot is not ancestor and slot in pieces:
                arena.give(*pieces[slot])
    return pieces, arena.size


def _arrays(calls, outputs, inputs, ownership, pieces, memory):
    """{slot: array}: inputs by themselves, what lives outside where it lies, results on their pieces of the memory."""
    memory = memory[-memory.ctypes.data % ALIGN:]
    arrays = {slot: slot.array for call in calls for slot in reads(call) if slot.array is not None}
    arrays.update({slot: slot.array for slot in outputs if slot.array is not None})
    arrays.update({slot: np.empty(slot.shape, slot.dtype) for slot in inputs})
    for call in calls:
        if call.out in ownership.views:
            arrays[call.out] = call.function(arrays[call.args[0]], *call.args[1:], **call.keywords)
        elif call.out is not None:
            _build(call.out, arrays, ownership, pieces, memory)
    return arrays


def _build(result, arrays, ownership, pieces, memory):
    """The array of a result that is no view, put into `arrays`: on its piece, or inside the concatenation that takes it."""
    for slot in _from_outside_in(result, ownership.placed, arrays):
        if slot in ownership.placed:
            outer, index = ownership.placed[slot]
            arrays[slot] = _reshaped(arrays[outer][index], slot.shape)
        else:
            piece = memory[pieces[slot][0]:][:_span(slot)]
            arrays[slot] = fresh(slot, ownership.swapped, partial(_shaped, piece))


def _shaped(piece, shape, dtype):
    """Bytes as an array."""
    return piece.view(dtype).reshape(shape)
