"""The recorder: the plain definition stays the source, and what runs is a flat program of array calls.

    step = record(function)
    loss = step(inputs, targets)

The first call with given shapes runs `function` on arrays that compute nothing but note every call: the forward pass,
the backward pass and the optimiser's update alike. Passes shorten the list, every array gets its place in one block of
memory, and from then on a call runs the list, with no tape, no shapes to work out and nothing to allocate.
"""

from __future__ import annotations

import gc
import weakref
from contextlib import contextmanager
from threading import RLock

import numpy as np

from tinyaug.autograd import is_tracking, node_of, recording
from tinyaug.autograd import recorder as active_recorder
from tinyaug.record.compile import Program
from tinyaug.record.passes import PASSES, dead
from tinyaug.record.program import Slot, fingerprint, reads
from tinyaug.record.recorder import Recorder
from tinyaug.record.trace import RecordError, Traced, error, tensors_watched
from tinyaug.tensor import Tensor

__all__ = ["RecordError", "Recorded", "record"]

KEPT = 400_000                             # steps of all programs of a function: some 1.5 KB each
ONE_AT_A_TIME = RLock()                    # threads take turns: programs compute in memory that they share


def record(function, passes=None, reuse=True):
    """A function that records `function` at its first call with given shapes, and replays it from then on.

    function: arrays or Tensors in; Tensors, or a tuple, list or dict of them, out. It may read and (by numpy.copyto)
              write arrays that live outside: parameters, an optimiser's state. It runs only while it is recorded, so it
              must do the same array calls each time: no branch on values, no random numbers, no Python number that
              changes. Gradients that backward leaves on Tensors are not there after a replay: return them, or let
              `optimiser.measure` gather them inside.
    passes:   which passes to apply, all by default; with [] results are those of `function` to the last bit (but for a
              sum over an array that eager code happens to hold transposed in memory: it adds up in that order)
    reuse:    False gives every array memory of its own
    raises:   RecordError where a program would give a wrong answer later, with the line. To find what changes, the
              function is run once before it is first recorded and again at the second call, and compared.

    The Tensors that the function used are remembered. Where one of them holds another array at a later call (`load`
    fills arrays, it does not replace them), or is no more, everything is recorded anew.
    """
    return Recorded(function, PASSES if passes is None else passes, reuse)


class Recorded:
    """What `record` returns. programs: {shapes and dtypes of the arguments: Program}, the last used at the end

    dropped: how many programs had to go since, for others
    """

    def __init__(self, function, passes, reuse):
        self.function, self.passes, self.reuse = function, passes, reuse
        self.programs: dict = {}
        self.memory = np.empty(0, np.uint8)
        self.dropped = 0
        self._forget()

    def __reduce__(self):
        """A copy records anew: copied one by one, the arrays of a program would not share memory any more."""
        return Recorded, (self.function, self.passes, self.reuse)

    def __call__(self, *arguments):
        with ONE_AT_A_TIME:
            if active_recorder() is not None:      # within a function that is being recorded: a part of its program
                return self.function(*arguments)
            return self._run(arguments)

    def _run(self, arguments):
        arrays = [_array(x) for x in arguments]
        for reference, array in self.tensors:
            tensor = reference()
            if tensor is None or tensor.data is not array:
                self._forget()
                break
        key = tuple([_like(x, array, arguments) for x, array in zip(arguments, arrays)])
        entry = self.programs.get(key)
        new = entry is None or key in self.untracked and is_tracking()
        if new or key == self.unsure:
            with _no_collection():
                if new:
                    entry = self.programs[key] = self._record(arguments, key)
                    (set.discard if is_tracking() else set.add)(self.untracked, key)
                else:
                    Trace(self.function, arguments, self.first, whole=False)
                    self.first.recorder.calls, self.unsure = [], None
        self.programs[key] = self.programs.pop(key)
        if new:
            self._make_room()
        program, rebuild = entry
        with np.errstate(all="ignore"):            # as in a backward pass: what `where` does not take may be anything
            return rebuild(program.run(arrays))

    def _make_room(self):
        """Drop the programs that were used longest ago, where all have too many steps together."""
        steps = sum([len(program.steps) for program, _ in self.programs.values()])
        while steps > KEPT and len(self.programs) > 1:
            program, _ = self.programs.pop(next(iter(self.programs)))
            steps -= len(program.steps)
            self.dropped += 1

    def _forget(self):
        """Start anew. first: the Trace that others are compared with; unsure: the shapes that it was made with, until
        they came a second time; tensors: those that lived outside, each with the array that it must still hold;
        untracked: the shapes of programs of which nobody knows whether a gradient would be missed"""
        self.programs.clear()
        self.untracked: set = set()
        self.tensors: list = []
        self.first = self.unsure = None

    def _record(self, arguments, key):
        """The Program for arguments of these shapes, and the function from its results to what the call returns."""
        first = Trace(self.function, arguments, whole=False) if self.first is None else None
        trace = Trace(self.function, arguments, first)
        if first is not None:
            self.first, self.unsure = first, key
        elif not trace.recorder.outside.keys() <= self.first.recorder.outside.keys():
            Trace(self.function, arguments, trace, whole=False)    # what was made inside is not the same array again
        self.first.recorder.outside.update(trace.recorder.outside)
        known = {None, *[tensor() for tensor, _ in self.tensors]}       # None: it lived only within the function
        self.tensors += [(tensor, array) for tensor, array in trace.tensors if tensor() not in known]
        calls, trace.recorder.calls = trace.recorder.calls, []
        counts = {"recorded": len(calls)}
        for shorten in self.passes:
            calls = shorten(calls, trace.outputs)
            counts[shorten.__name__] = len(calls)
        program = Program(calls, trace.inputs, trace.outputs, self.reuse, self._block, swap=bool(self.passes))
        program.counts = counts
        return program, trace.rebuild

    def _block(self, size, dtype):
        """Memory for a program. The programs of one function run one at a time, so they share it.

        Earlier programs keep the block that they were laid out on. Each is twice the one before at least, so that all of
        them together are no more than two of the last; what no program has touched is no memory yet.
        """
        if self.memory.size < size:
            self.memory = np.empty(max(size, 2 * self.memory.size), dtype)
        return self.memory[:size]

    def explain(self, listing=False, runs=10):
        """What the programs are, as text: shapes, calls after each pass, memory, share of time by op and by module.

        listing: with the programs themselves, a line a call
        runs:    how often each program runs to time its steps, on the arguments of its last call; 0 to leave times out
        """
        from tinyaug.record.explain import explain
        return explain(self, listing, runs)


@contextmanager
def _no_collection():
    """Python's search for cycles takes a third of the time to record: there are more and more objects, and no cycles."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class Trace:
    """One run of a function on arrays that only note what is done with them.

    recorder: holds the calls; inputs, outputs: Slots; rebuild: a function from the outputs' arrays to what was returned;
    plain: what else was returned; tensors: weak references to those from outside, each with its array
    first: the Trace of an earlier run with the same shapes. raises: RecordError where this one differs
    whole: whether it holds all calls
    """

    def __init__(self, function, arguments, first=None, whole=True):
        self.recorder = recorder = Recorder(None if first is None else first.recorder, whole)
        for i, x in enumerate(map(_array, arguments)):
            if type(x) is not np.ndarray or x.dtype.kind not in "fiub":
                raise RecordError(f"record: argument {i} is {arguments[i]!r:.60}, expected an array of numbers on the host; "
                                  "what is none is for the function to know")
        traced = [recorder.input(_array(x)) for x in arguments]
        self.inputs = [x.slot for x in traced]
        self.outputs, self.plain = [], []
        given = [_tensor(t, x.requires_grad) if isinstance(x, Tensor) else t for t, x in zip(traced, arguments)]
        given = [given[_leaf(x, arguments)] if isinstance(x, Tensor) and x.requires_grad else t
                 for t, x in zip(given, arguments)]
        try:
            with recording(recorder), tensors_watched(recorder.met), np.errstate(all="ignore"):
                result = function(*given)
                self.rebuild = self._plan(result)
                left = [t.grad.data.slot for t in [*given, *[t for t, *_ in recorder.swapped]]
                        if isinstance(t, Tensor) and t.grad is not None and isinstance(t.grad.data, Traced)]
            moved = [t.shape for t, _, _, traced in recorder.swapped if t.data is not traced]
            self.tensors = [(weakref.ref(t), array) for t, array in recorder.met.items() if id(array) in recorder.outside]
        except ValueError as reason:
            if "read-only" not in str(reason):
                raise
            raise error("an array is written in place, or from one that is not recorded: that is done now, and not when the "
                        "program runs; do it before or after", reason.__traceback__) from reason
        finally:
            recorder.release()
        if moved:
            raise RecordError(f"record: a Tensor of shape {moved[0]} from outside was given another array, which a "
                              "program cannot do; write into its own by numpy.copyto")
        if first is not None and (len(recorder.marks) < len(first.recorder.marks)
                                  or fingerprint(self.plain) != fingerprint(first.plain)):
            raise RecordError(f"record: the function made {len(first.recorder.marks)} array calls, then "
                              f"{len(recorder.marks)}, and gave {first.plain}, then {self.plain} beside its arrays; it must "
                              "do the same each time")
        if first is not None and fingerprint(self.outputs) != fingerprint(first.outputs):
            raise RecordError(f"record: the function gave the arrays {first.outputs}, then {self.outputs}; it must give the "
                              "same each time, in the same order")
        if left and whole:
            self._refuse_lost(left)

    def _refuse_lost(self, left):
        """raises: RecordError where nothing that the program gives or writes depends on the gradients that it leaves"""
        wanted = set(self.outputs)
        wanted.update(*[reads(call) for call in dead(self.recorder.calls, self.outputs)])
        if wanted.isdisjoint(left):
            raise RecordError(f"record: {len(left)} gradients are left on Tensors, where a program does not put them; "
                              "return them from the function, or call optimiser.measure() in it")

    def _plan(self, result):
        """Note the result's Slots. returns: a function from their arrays to the nest that was returned"""
        if isinstance(result, (tuple, list)):
            parts = [self._plan(x) for x in result]
            kind = type(result)
            make = kind if not hasattr(result, "_fields") else lambda xs: kind(*xs)
            return lambda arrays: make([part(arrays) for part in parts])
        if isinstance(result, dict):
            named = {name: self._plan(x) for name, x in result.items()}
            self.plain.append(tuple(named))
            return lambda arrays: {name: part(arrays) for name, part in named.items()}
        x = self.recorder.operands(result.data if isinstance(result, Tensor) else result)
        if not isinstance(x, Slot):
            self.plain.append(x)
            return lambda arrays: result
        at = len(self.outputs)
        self.outputs.append(x)
        if isinstance(result, Tensor):
            node = result.source[0] if type(result.source) is tuple else result.source
            waits = result.requires_grad and (node is None or node.vjp is not None)
            return lambda arrays: _result(arrays[at], waits)
        return lambda arrays: arrays[at]


def _like(x, array, arguments):
    """What a program depends on: shape and dtype of a Tensor, and which argument it is where it may get a gradient, since
    f(x, x) is not f(x, y) then. An array, with None, is no Tensor, as a function may see."""
    if not isinstance(x, Tensor):
        return array.shape, array.dtype, None
    if x.requires_grad:
        return array.shape, array.dtype, _leaf(x, arguments)
    return array.shape, array.dtype


def _leaf(x, arguments):
    """Which of the arguments x is, the first where it is given several times."""
    return next(i for i, other in enumerate(arguments) if other is x)


class NoWayBack:
    """To the tape, the op that a result of a program comes from, and its vjp."""

    __name__ = "record"
    constant: frozenset = frozenset()

    def __call__(self, *_, **__):
        raise RecordError("record: no gradient flows back through what a recorded function gives; record the backward pass "
                          "with it, or make the function an op by tinyaug.record.recomputed")

    body = __call__


def _result(array, waits):
    """What the function gives, as a Tensor. waits: its gradient was still to come, and would be missed without a word"""
    if waits and is_tracking():
        return node_of(NoWayBack(), (Tensor(array, True, array.dtype),), (array,), NoWayBack())[0]
    return Tensor(array, dtype=array.dtype)


def _array(x):
    """The array of a Tensor, or the thing itself as an array."""
    return x.data if isinstance(x, Tensor) else np.asarray(x)


def _tensor(traced, requires_grad):
    """A Tensor of a Traced, which is no array for Tensor's own constructor."""
    x = Tensor(0.0)
    x.data, x.requires_grad = traced, requires_grad
    return x
