"""The recorder: the plain definition stays the source, and what runs is a flat program of array calls.

    step = record(function)
    loss = step(inputs, targets)

The first call with given shapes runs `function` once on arrays that compute nothing but note every call: the forward
pass, the backward pass and the optimiser's update alike. Passes shorten the list, every array gets its place in one
block of memory, and from then on a call runs the list, with no tape, no shapes to work out and nothing to allocate.
"""

from __future__ import annotations

import numpy as np

from tinyaug.autograd import recording
from tinyaug.record.compile import Program, as_array
from tinyaug.record.passes import PASSES
from tinyaug.record.trace import Recorder, RecordError, Traced
from tinyaug.tensor import Tensor

__all__ = ["RecordError", "Recorded", "record"]


def record(function, passes=None, reuse=True):
    """A function that records `function` at its first call with given shapes, and replays it from then on.

    function: arrays or Tensors in; Tensors, or a tuple, list or dict of them, out. It may read and (by numpy.copyto)
              write arrays that live outside: parameters, an optimiser's state. It runs only while it is recorded, so it
              must do the same array calls each time: no branch on values, no random numbers, no Python number that
              changes. It is recorded twice, and an error says where the two differ.
    passes:   which passes to apply, all by default; reuse: False gives every array memory of its own
    """
    return Recorded(function, PASSES if passes is None else passes, reuse)


class Recorded:
    """What `record` returns. programs: {shapes and dtypes of the arguments: Program}"""

    def __init__(self, function, passes, reuse):
        self.function, self.passes, self.reuse = function, passes, reuse
        self.programs: dict = {}
        self.memory = np.empty(0, np.uint8)

    def __call__(self, *arguments):
        arrays = [as_array(x) for x in arguments]
        key = tuple([(x.shape, x.dtype) for x in arrays])
        entry = self.programs.get(key)
        if entry is None:
            entry = self.programs[key] = self._record(arguments, check=not self.programs)
        program, rebuild = entry
        return rebuild(program.run(arrays))

    def _record(self, arguments, check):
        calls, inputs, outputs, rebuild, held = self._trace(arguments)
        if check:
            again, *_ = self._trace(arguments)
            _compare(calls, again)
        _refuse_temporary(held)
        for shorten in self.passes:
            calls = shorten(calls, outputs)
        return Program(calls, inputs, outputs, self.reuse, self._block), rebuild

    def _block(self, size, dtype):
        """Memory for a program. The programs of one function run one at a time, so they share it."""
        if self.memory.size < size:
            self.memory = np.empty(size, dtype)
        return self.memory[:size]

    def _trace(self, arguments):
        """Run the function on arrays that only note what is done with them."""
        recorder = Recorder()
        traced = [recorder.input(as_array(x)) for x in arguments]
        inputs = [x.slot for x in traced]
        given = [_tensor(t, x.requires_grad) if isinstance(x, Tensor) else t for t, x in zip(traced, arguments)]
        try:
            with recording(recorder), np.errstate(all="ignore"):
                result = self.function(*given)
        finally:
            recorder.release()
        outputs = []
        rebuild = _plan(result, outputs, recorder)
        return recorder.calls, inputs, outputs, rebuild, recorder.held()

    def explain(self):
        """What the programs hold; see `tinyaug.record.explain`."""
        from tinyaug.record.explain import explain
        return explain(self)


def _tensor(traced, requires_grad):
    x = Tensor(0.0)
    x.data, x.requires_grad = traced, requires_grad
    return x


def _plan(result, outputs, recorder):
    """Note the result's Slots in `outputs`. returns: a function from their arrays to the nest that was returned"""
    if isinstance(result, (tuple, list)):
        parts = [_plan(x, outputs, recorder) for x in result]
        make = type(result) if not hasattr(result, "_fields") else lambda xs: type(result)(*xs)
        return lambda arrays: make([part(arrays) for part in parts])
    if isinstance(result, dict):
        named = {name: _plan(x, outputs, recorder) for name, x in result.items()}
        return lambda arrays: {name: part(arrays) for name, part in named.items()}
    x = result.data if isinstance(result, Tensor) else result
    if isinstance(x, np.ndarray):
        x = recorder.capture(x)
    if not isinstance(x, Traced):
        return lambda arrays: result
    at = len(outputs)
    outputs.append(x.slot)
    if isinstance(result, Tensor):
        return lambda arrays: Tensor(arrays[at], dtype=arrays[at].dtype)
    return lambda arrays: arrays[at]


def _compare(calls, again):
    """raises: RecordError where two recordings of one function differ"""
    numbers = {}
    for one, two in zip(calls, again):
        if repr(one.function) != repr(two.function) or _shape(one, numbers) != _shape(two, numbers):
            raise RecordError(f"record: the function did something else when it was recorded again: {one}, then {two} "
                              f"(in op {one.label[0]!r}); pass what changes as an argument")
    if len(calls) != len(again):
        raise RecordError(f"record: the function made {len(calls)} array calls, then {len(again)}; it must make the same "
                          "calls each time")


def _shape(call, numbers):
    return repr((call.args, call.keywords)) + repr([id(x.array) for x in _captured(call)])


def _captured(call):
    from tinyaug.record.program import reads
    return [slot for slot in reads(call) if slot.origin == "captured"]


def _refuse_temporary(held):
    """raises: RecordError for an array from outside that nobody else holds: it was made inside the function"""
    for array, references in held:
        if references <= 0:
            raise RecordError(f"record: an array of shape {array.shape} was made inside the function; make it outside, or "
                              "pass it as an argument if it changes")
