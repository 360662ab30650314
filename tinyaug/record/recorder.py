"""The Recorder: one run of a function leaves a list of array calls."""

from __future__ import annotations

from array import array as packed

import numpy as np

from tinyaug.autograd import active_modules
from tinyaug.record.program import Call, Slot, fingerprint, reads, take_index
from tinyaug.record.trace import Traced, error, stand_in
from tinyaug.tensor import Tensor

__all__ = ["Recorder"]

SEEDS = {"constant": "seed", "input": "cotangent"}
TOLD = 1000                                # calls that an error tells of, where not all are kept
NONE: dict = {}                            # the keywords of most calls, which nobody changes
ASKED = {np.shape, np.ndim, np.size, np.result_type}       # what an array is, known without its values
# what they give has a shape that depends on values
BY_VALUE = {np.unique, np.nonzero, np.flatnonzero, np.argwhere, np.compress, np.extract, np.bincount, np.trim_zeros,
            np.union1d, np.intersect1d, np.setdiff1d, np.setxor1d}
BY_SIZE = {np.repeat, np.tile, np.pad, np.reshape, np.broadcast_to, np.resize}     # so it has where a size is an array


class Recorder:
    """Notes calls while a function runs. calls: what was done, in order; marks: a number for each, equal for equal calls

    first: the Recorder of an earlier run of the same function, of which this run must be a repetition: marks are compared
    whole: whether all calls are kept, or the first ones alone, to be told of
    outside: {id: array} of all arrays that were there before the function ran, as far as it met them
    """

    def __init__(self, first=None, whole=True):
        self.first, self.whole = first, whole
        self.calls: list[Call] = []
        self.marks = packed("q")
        self.outside: dict[int, np.ndarray] = {}
        self.locked: list = []             # of them, those that nobody may write until recording ends
        self.captured: dict[int, Traced] = {}
        self.swapped: list = []            # (Tensor, its own array and gradient, its Traced): put back when recording ends
        self.met: dict = {}                # Tensor -> the array that it held when somebody first asked for it
        self.label = ("", "")              # (op, module) that the next calls belong to
        self.labels: dict = {}             # each label that there was, by itself
        self.modules: dict = {}            # Node, or leaf -> the module that was active when it was made, or first used
        self.names: dict = {}              # id of an outermost module -> (the module, {id: dotted name} below it)
        # (function, signatures of its arguments) -> (shape, dtype): worked out once, in this run or the one before
        self.results: dict = {} if first is None else first.results
        self.count = 0
        for array in () if first is None else first.outside.values():
            self._lock(array)

    def _lock(self, array):
        """Let an array from outside refuse to be written directly, which a program would not do again."""
        if array.flags.writeable:
            array.flags.writeable = False
            self.locked.append(array)

    def slot(self, shape, dtype, origin, array=None):
        """The next Slot."""
        self.count += 1
        return Slot(self.count, tuple(shape), np.dtype(dtype), origin, array)

    def input(self, array):
        """A Traced for an argument of the function: its value is copied in at every replay."""
        return Traced(self, self.slot(array.shape, array.dtype, "input"))

    def constant(self, array):
        """A Traced for an array that never changes."""
        array = np.array(array)
        array.flags.writeable = False
        return Traced(self, self.slot(array.shape, array.dtype, "constant", array))

    def seed(self, cotangent):
        """Note where a backward pass starts: what does not depend on it can be computed before."""
        array = cotangent.data if isinstance(cotangent, Tensor) else cotangent
        if type(array) is Traced and array.slot.origin in SEEDS:
            array.slot.origin = SEEDS[array.slot.origin]

    def capture(self, array):
        """A Traced for an array that lives outside: read where it lies, at every replay."""
        if id(array) not in self.captured:
            if self.first is not None and id(array) not in self.first.outside:
                raise error(f"an array of shape {array.shape} is made, or drawn, each time the function runs, and a "
                             "program would keep the first; make it outside, or pass it as an argument if it changes")
            self.outside[id(array)] = array
            self._lock(array)
            self.captured[id(array)] = Traced(self, self.slot(array.shape, array.dtype, "captured", array))
        return self.captured[id(array)]

    def enter(self, op, args):
        """An op is about to run. returns: its arguments, with Traced for all arrays

        Tensors from outside stand for their arrays until recording ends.
        """
        self.label = self._label(op, self._module())
        if not any(isinstance(x, Tensor) for x in args):       # then numbers have no dtype but their own
            args = tuple([x if isinstance(x, (np.ndarray, Traced)) else self.constant(x) for x in args])
        return tuple([self._argument(x) for x in args])

    def _argument(self, x):
        if isinstance(x, Tensor):
            if type(x.data) is np.ndarray:
                traced = self.capture(x.data)
                self.swapped.append((x, x.data, x.grad, traced))
                x.data = traced
                self.modules[x] = self.label[1]
            return x
        if isinstance(x, np.ndarray):
            return self.capture(x)
        return self.constant(x) if isinstance(x, (list, tuple, np.generic)) else x

    def made(self, node):
        """The op that was entered last has left a Node."""
        self.modules[node] = self.label[1]

    def enter_backward(self, node):
        """The vjp of a Node is about to run."""
        self.label = self._label(node.op.__name__ + " (backward)", self.modules.get(node, ""))

    def enter_leaf(self, tensor):
        """The gradient of a Tensor that is no op's result is about to be summed up."""
        self.label = self._label("leaf (backward)", self.modules.get(tensor, ""))

    def _module(self):
        """The innermost active module, by its name within the outermost."""
        if not active_modules:
            return ""
        root, module = active_modules[0], active_modules[-1]
        title = type(root).__name__
        if id(root) not in self.names:
            self.names[id(root)] = root, {id(x): f"{title}.{name}" if name else title for name, x in root.named_modules()}
        return self.names[id(root)][1].get(id(module)) or f"{title}.{type(module).__name__}"

    def _label(self, *label):
        """One tuple for all equal labels."""
        return self.labels.setdefault(label, label)

    def release(self):
        """Give all Tensors their arrays and gradients back."""
        for tensor, array, gradient, _ in self.swapped:
            tensor.data, tensor.grad = array, gradient
        for array in sorted(self.locked, key=lambda array: array.base is not None):       # whose memory it is goes first
            array.flags.writeable = True
        for kept in (self.swapped, self.met, self.locked, self.captured, self.modules, self.names):
            kept.clear()                   # no cycle is left, and nothing is held that the function does not hold

    def call(self, function, args, keywords):
        """Note a call and answer with what it would give."""
        slots, keywords = self.operands(args), self.operands(keywords)
        if function in ASKED:
            return function(*_tried(slots), **_tried(keywords))
        _refuse_data_dependent(function, slots, keywords)
        key = function, _signature(slots), _signature(keywords)
        if key not in self.results:
            self.results[key] = _result(function, slots, keywords)
        shape, dtype = self.results[key]
        out = self.slot(shape, dtype, "call")
        self._note(Call(function, slots, keywords, out, self.label))
        return Traced(self, out)

    def _note(self, call):
        n, mark = len(self.marks), hash(fingerprint(call))
        self.marks.append(mark)
        if self.whole or n < TOLD:
            self.calls.append(call)
        if self.first is not None and (n >= len(self.first.marks) or self.first.marks[n] != mark):
            before = self.first.calls[n] if n < len(self.first.calls) else (
                "another call" if n < len(self.first.marks) else "nothing more")
            raise error(f"the function does not do the same each time: {before} when it was recorded, {call} when it "
                         "was run again; pass what changes as an argument, as an array")

    def operands(self, x):
        """A nest of arguments with Slots for all arrays."""
        kind = type(x)
        if kind is Traced:
            if x.recorder is not self:
                raise error("an array is left from a recording that has ended; what the function keeps for later must be "
                             "returned, and handed in again")
            return x.slot
        if kind is tuple:
            return tuple([self.operands(part) for part in x])
        if kind is list:
            return [self.operands(part) for part in x]
        if kind is dict:
            return {name: self.operands(part) for name, part in x.items()} if x else NONE
        return self.capture(x).slot if isinstance(x, np.ndarray) else x

    def write(self, target, value, **keywords):
        """numpy.copyto on an array that lives outside: the only writing there is."""
        if isinstance(target, Traced) and target.slot.origin == "captured":
            target = target.slot.array
        if not isinstance(target, np.ndarray) or keywords:
            raise error("copyto can only fill a whole array that lives outside the recorded function")
        slot = self.operands(value if isinstance(value, Traced) else np.asarray(value))
        self._note(Call(np.copyto, (self.capture(target).slot, slot), {}, None, self.label))
        for key in [key for key in self.captured if np.may_share_memory(self.outside[key], target)]:
            del self.captured[key]         # whoever reads it from here on reads what was written


def _refuse_data_dependent(function, args, keywords):
    """raises: RecordError for a result whose shape is not known before the values are"""
    index = args[1] if function is take_index else ()
    sizes = reads(Call(function, args[1:], keywords)) if function in BY_SIZE else ()
    if function in BY_VALUE or function in BY_SIZE and sizes or any(
            isinstance(part, Slot) and part.dtype.kind == "b" for part in (index if type(index) is tuple else (index,))):
        name = "x[mask]" if function is take_index else function.__name__
        raise error(f"the shape of {name} depends on values; use where")


def _tried(x):
    """Operands with a stand-in for every Slot."""
    if isinstance(x, Slot):
        return stand_in(x)
    if isinstance(x, (tuple, list)):
        return type(x)([_tried(part) for part in x])
    return {name: _tried(part) for name, part in x.items()} if isinstance(x, dict) else x


def _result(function, slots, keywords):
    """(shape, dtype) of what a call gives."""
    result = function(*_tried(slots), **_tried(keywords))
    if isinstance(result, (tuple, list)):
        raise error(f"{function.__name__} gives several arrays, which a program cannot hold; index instead")
    return np.shape(result), np.asarray(result).dtype


def _signature(x):
    """Something hashable that is equal where operands give results of equal shape and dtype."""
    kind = type(x)
    if kind is Slot:
        return x.shape, x.dtype
    if kind is tuple or kind is list:
        return kind, *[_signature(part) for part in x]
    if kind is dict:
        return tuple([(name, _signature(part)) for name, part in x.items()])
    return (x.start, x.stop, x.step) if kind is slice else (kind, x)
