"""Arrays that compute nothing and remember everything: one run of a function leaves a list of array calls.

A Traced stands for an array of a known shape and dtype. NumPy hands every call on it to `Recorder.call`, which notes the
call and answers with another Traced. Its `value` is a stand-in that takes no memory (one element, repeated with stride
0), on which the call is tried to learn the shape and dtype of the result.
"""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from tinyaug import arrays
from tinyaug.record.program import Call, Slot, cast, take_index
from tinyaug.tensor import Tensor

__all__ = ["RecordError", "Recorder", "Traced"]


class RecordError(RuntimeError):
    """Something that cannot be recorded: a program of array calls would give a wrong answer later."""


def _refuse(what):
    def method(self, *_):
        raise RecordError(f"record: {what} needs the value of an array, and a recorded program has no value while it is "
                          "recorded; return the array, or branch with where")
    return method


class Traced(NDArrayOperatorsMixin):
    """An array of a program that is being recorded."""

    __slots__ = ("value", "slot", "recorder")

    def __init__(self, recorder, slot):
        self.recorder, self.slot = recorder, slot
        self.value = np.broadcast_to(np.ones((), slot.dtype) if slot.dtype.kind == "f" else np.zeros((), slot.dtype),
                                     slot.shape)

    shape = property(lambda self: self.slot.shape)
    dtype = property(lambda self: self.slot.dtype)
    ndim = property(lambda self: len(self.slot.shape))
    size = property(lambda self: self.value.size)
    T = property(lambda self: self.transpose())

    def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
        if "out" in keywords:
            raise RecordError(f"record: {ufunc.__name__} writes in place; compute a new array")
        return self.recorder.call(ufunc if method == "__call__" else getattr(ufunc, method), inputs, keywords)

    def __array_function__(self, function, types, args, keywords):
        if function is np.copyto:
            return self.recorder.write(*args, **keywords)
        return self.recorder.call(function, args, keywords)

    def reshape(self, *shape):
        return self.recorder.call(np.reshape, (self, shape[0] if len(shape) == 1 else shape), {})

    def transpose(self, *axes):
        axes = axes[0] if len(axes) == 1 else axes or None
        return self.recorder.call(np.transpose, (self, axes), {})

    def swapaxes(self, a, b):
        return self.recorder.call(np.swapaxes, (self, a, b), {})

    def astype(self, dtype):
        return self if self.dtype == dtype else self.recorder.call(cast, (self, np.dtype(dtype)), {})

    def copy(self):
        return self

    def __getitem__(self, index):
        return self.recorder.call(take_index, (self, index), {})

    def __len__(self):
        return self.shape[0]

    __setitem__ = _refuse("writing in place, which also")
    __bool__ = __float__ = __int__ = __index__ = item = tolist = __array__ = _refuse("this branch or conversion")
    __iter__ = _refuse("looping over elements")
    __hash__ = object.__hash__


class Recorder:
    """Notes calls while a function runs. slots: every array of the program; calls: what was done, in order."""

    def __init__(self):
        self.calls: list[Call] = []
        self.captured: dict[int, tuple[np.ndarray, Traced]] = {}
        self.swapped: list = []            # (Tensor, its own array): put back when recording ends
        self.writes: list[np.ndarray] = []
        self.label = ("", "")              # (op, module) that the next calls belong to
        self.count = 0

    def slot(self, shape, dtype, origin, array=None):
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
        if array.slot.origin == "constant":
            array.slot.origin = "seed"

    def capture(self, array):
        """A Traced for an array that lives outside: read where it lies, at every replay."""
        if id(array) not in self.captured:
            self.captured[id(array)] = array, Traced(self, self.slot(array.shape, array.dtype, "captured", array))
        return self.captured[id(array)][1]

    def enter(self, op, tensors):
        """An op is about to run: let Tensors from outside stand for their arrays, until recording ends."""
        self.label = op, ""
        for tensor in tensors:
            if isinstance(tensor, Tensor) and type(tensor.data) is np.ndarray:
                self.swapped.append((tensor, tensor.data))
                tensor.data = self.capture(tensor.data)

    def release(self):
        """Give all Tensors their arrays back."""
        for tensor, array in self.swapped:
            tensor.data = array
            if tensor.grad is not None and isinstance(tensor.grad.data, Traced):
                tensor.grad = None

    def held(self):
        """[(array from outside, how many others hold it)]"""
        return []

    def call(self, function, args, keywords):
        """Note a call and answer with what it would give."""
        values = _map(args, lambda x: x.value if isinstance(x, Traced) else x)
        values_by_name = _map(keywords, lambda x: x.value if isinstance(x, Traced) else x)
        with np.errstate(all="ignore"):
            result = function(*values, **values_by_name)
        slots = _map(args, self._operand)
        keywords = _map(keywords, self._operand)
        if isinstance(result, (tuple, list)):
            raise RecordError(f"record: {function.__name__} gives several arrays, which a program cannot hold; index instead")
        _refuse_data_dependent(function, slots)
        out = self.slot(np.shape(result), np.asarray(result).dtype, "call")
        self.calls.append(Call(function, slots, keywords, out, self.label))
        return Traced(self, out)

    def _operand(self, x):
        if isinstance(x, Traced):
            return x.slot
        if isinstance(x, np.ndarray):
            return self.capture(x).slot
        return x

    def write(self, target, value, **keywords):
        """numpy.copyto on an array that lives outside: the only writing there is."""
        if isinstance(target, Traced) and target.slot.origin == "captured":
            target = target.slot.array
        if not isinstance(target, np.ndarray) or keywords:
            raise RecordError("record: copyto can only fill a whole array that lives outside the recorded function")
        slot = value.slot if isinstance(value, Traced) else self.capture(np.asarray(value)).slot
        self.calls.append(Call(np.copyto, (self.capture(target).slot, slot), {}, None, self.label))
        self.writes.append(target)
        for key in [key for key, (array, _) in self.captured.items() if np.may_share_memory(array, target)]:
            del self.captured[key]         # whoever reads it from here on reads what was written


def _refuse_data_dependent(function, args):
    if function is take_index:
        parts = args[1] if isinstance(args[1], tuple) else (args[1],)
        if any(isinstance(part, Slot) and part.dtype.kind == "b" for part in parts):
            raise RecordError("record: the shape of x[mask] depends on the values of the mask; use where")


def _map(x, function):
    """Apply a function to every leaf of a nest of tuples, lists and dicts."""
    if isinstance(x, tuple):
        return tuple([_map(part, function) for part in x])
    if isinstance(x, list):
        return [_map(part, function) for part in x]
    if isinstance(x, dict):
        return {name: _map(part, function) for name, part in x.items()}
    return function(x)


def _constant_maker(function):
    """A function that makes an array from nothing: in a program, a constant."""
    def make(*args, **keywords):
        from tinyaug.autograd import recorder
        return recorder().constant(function(*args, **keywords))
    return make


def _like(function):
    def make(x, *args, **keywords):
        if not isinstance(x, Traced):
            return function(x, *args, **keywords)
        return x.recorder.constant(function(x.value, *args, **keywords))
    return make


def _array(x, dtype=None):
    from tinyaug.autograd import recorder
    if isinstance(x, Traced):
        return x if dtype is None else x.astype(dtype)
    return recorder().constant(np.asarray(x, dtype))


def _scatter_add(values, index, shape):
    recorder = values.recorder if isinstance(values, Traced) else index.recorder
    return recorder.call(arrays.scatter_add, (values, index, tuple(shape)), {})


arrays.NAMESPACES[Traced] = SimpleNamespace(**{
    **vars(arrays.host), "asarray": _array, "array": _array, "scatter_add": _scatter_add, "device": "cpu",
    "to_host": _refuse("reading an array on the host"),
    **{name: _constant_maker(getattr(np, name)) for name in ("zeros", "ones", "full", "arange", "eye")},
    **{name: _like(getattr(np, name)) for name in ("zeros_like", "ones_like", "full_like")}})
