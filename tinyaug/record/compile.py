"""From calls and arrays to something that runs: a list of (function, arguments), all made once."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.lib.stride_tricks import as_strided

from tinyaug.record.memory import lay_out, parts_of
from tinyaug.record.program import Slot, cast, is_reduction, is_view, substitute

__all__ = ["Program"]

WRITE_OUT = 5                              # at this run: writing out takes as long as some ten runs
LONGEST = 20_000                           # steps: compiling more lines takes 5 KB of memory for each
LISTED = 20_000                            # calls; a longer program lets go of them: they take more memory than its steps
# functions that are no ufuncs, but take out=
WITH_OUT = {np.clip, np.take, np.cumsum, np.cumprod, np.einsum, np.prod, np.argmax, np.argmin}


class Program:
    """A recorded function, ready to run.

    calls:  what is done, in order; none are kept where they are too many to be read
    inputs, outputs: Slots; reuse, block, swap: see `lay_out`

    given, results: the arrays of inputs and outputs; targets: those from outside that are written
    steps:  [(function, arguments)], the same calls without a Slot; labels: (op, module) that each step comes from
    runs:   how often it ran; written: the steps as one function, once that pays
    bytes:  of all results; counts: {pass: calls that it left}; sizes: for `explain`
    """

    def __init__(self, calls, inputs, outputs, reuse=True, block=np.empty, swap=True):
        self.calls, self.inputs, self.outputs = calls, inputs, outputs
        arrays, self.bytes = lay_out(calls, outputs, inputs, reuse, block, swap)
        self.steps, self.labels = [], []
        self.runs, self.written, self.counts = 0, None, {}
        for call in calls:
            for step in _emit(call, arrays):
                self.steps.append(step)
                self.labels.append(call.label)
            call.slots = None              # of use to passes and layout alone
        self.given, self.results = ([arrays[slot] for slot in slots] for slots in (inputs, outputs))
        self.targets = [arrays[call.args[0]] for call in calls if call.out is None]
        made = [arrays[call.out] for call in calls if call.out is not None and not is_view(call)]
        self.sizes = len(made), len({_address(x) for x in made if x.size}), sum(x.nbytes for x in made)
        if len(calls) > LISTED:
            self.calls = []

    def run(self, arguments):
        """Copy the arguments in, make every call, copy the results out."""
        for array, x in zip(self.given, arguments):
            np.copyto(array, x)
        self.runs += 1
        if self.runs == WRITE_OUT and len(self.steps) < LONGEST:
            self.written = _write_out(self.steps)
        if self.written is not None:
            self.written()
        else:
            for function, args in self.steps:
                function(*args)
        return [x.copy() for x in self.results]


def _write_out(steps):
    """The steps as one Python function, a line each: a sixth faster than a loop over (function, arguments).

    Its source holds made-up names alone (x0(x1, x2)); `known` says what they are.
    """
    names, known = {}, {}

    def name(x):
        if id(x) not in names:
            names[id(x)] = f"x{len(names)}"
            known[names[id(x)]] = x
        return names[id(x)]

    lines = [f"    {name(function)}({', '.join([name(x) for x in args])})" for function, args in steps]
    exec("\n".join(["def run():", "    pass", *lines]), known)
    return known["run"]


def _emit(call, arrays):
    """The steps of one call: none for a view or for a result that was written where it is wanted."""
    args = substitute(call.args, arrays)
    function = call.function
    if call.out is None:
        return [] if args[0] is args[1] else [(np.copyto, args)]
    out = arrays[call.out]
    if is_view(call):
        if np.may_share_memory(out, args[0]) or out.size == 0:
            return []
        return [(np.copyto, (_unshaped(out, call, args[0]), args[0]))]       # a reshape that has to copy
    if function is np.concatenate or function is np.stack:
        return _join(call, arrays, out)
    if function is np.vecdot:
        return [(np.vecdot, (*args, out[..., 0] if call.keywords["keepdims"] else out))]
    if isinstance(function, np.ufunc) and not call.keywords:
        *args, out = _fewer_axes([*args, out], matrices=function is np.matmul)
        if function is np.maximum or function is np.minimum:   # a third argument by position is deprecated, and slow
            return [(partial(function, out=out), args)]
        if function is np.matmul and out.ndim == 2 and out.flags.c_contiguous:
            return [(np.dot, (*args, out))]                    # the same product, with less set-up
        return [(function, (*args, out))]
    if is_reduction(call):
        keywords = call.keywords
        full = (args[0], keywords.get("axis", 0), None, out, keywords.get("keepdims", False))
        return [(function, (*full, keywords["initial"]) if "initial" in keywords else full)]
    if function is np.where:
        condition, x, y = args
        return [(np.copyto, (out, y)), (_copy_where, (out, x, condition))]
    if function is cast:
        return [(_copy_unsafe, (out, args[0]))]
    keywords = {name: substitute(value, arrays) for name, value in call.keywords.items()}
    if function in WITH_OUT:
        return [(lambda: function(*args, **keywords, out=out), ())]
    return [(lambda: np.copyto(out, function(*args, **keywords)), ())]


def _fewer_axes(arrays, matrices=False):
    """The arrays without leading axes of size 1, the result last: NumPy sets up loops over fewer axes faster.

    An axis that is gone from an argument already is no obstacle: beside a bias (n,) a batch of one (1, n) is a row (n,).
    matrices: of products the last two axes stay, and all arguments have as many
    """
    while arrays[-1].ndim > (2 if matrices else 1) and all(
            x.shape[0] == 1 if np.ndim(x) == arrays[-1].ndim else not matrices for x in arrays):
        arrays = [x[0] if np.ndim(x) == arrays[-1].ndim else x for x in arrays]
    return arrays


def _unshaped(out, call, source):
    """The result of a copying reshape, in the shape of its source."""
    if call.function is not np.reshape:
        raise NotImplementedError(f"record: {call.function.__name__} gave a copy where a view was expected")
    return out.reshape(source.shape)


def _copy_where(out, x, condition):
    """copyto by position only, as a step calls it."""
    np.copyto(out, x, where=condition)


def _copy_unsafe(out, x):
    np.copyto(out, x, casting="unsafe")


def _join(call, arrays, out):
    """Copies of the parts that do not lie in the concatenation already, one for several at even distances in memory."""
    pairs = []                             # [target, source, ...] with the parts that follow at the same distances
    for part, index in parts_of(call):
        source = arrays[part] if isinstance(part, Slot) else part
        target = out[index]
        if _same_place(source, target):
            continue
        if pairs and _follows(pairs[-1], target, source):
            pairs[-1].append((target, source))
        else:
            pairs.append([(target, source)])
    copies = [pair[0] if len(pair) == 1 else [_together(arrays) for arrays in zip(*pair)] for pair in pairs]
    return [(np.copyto, _fewer_axes([source, target])[::-1]) for target, source in copies]


def _follows(pair, target, source):
    """True where target and source lie behind the last of the others as those lie behind the ones before them."""
    for now, before in zip((target, source), zip(*pair[-2:])):
        last = before[-1]
        if (now.shape, now.strides, now.dtype) != (last.shape, last.strides, last.dtype) or _owner(now) is not _owner(last):
            return False
        if len(before) == 2 and _address(now) - _address(last) != _address(last) - _address(before[0]):
            return False
    return True


def _together(arrays):
    """Several arrays at even distances in one block of memory as one, along a new first axis."""
    distance = _address(arrays[1]) - _address(arrays[0])
    return as_strided(arrays[0], (len(arrays), *arrays[0].shape), (distance, *arrays[0].strides))


def _address(x):
    return x.__array_interface__["data"][0]


def _owner(x):
    """The array whose memory x is a view of."""
    while isinstance(x.base, np.ndarray):
        x = x.base
    return x


def _same_place(x, y):
    """True for two views of the same memory. The stride of an axis of length 1 says nothing."""
    return _address(x) == _address(y) and x.shape == y.shape and all(
        a == b or size == 1 for a, b, size in zip(x.strides, y.strides, x.shape))
