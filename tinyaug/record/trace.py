"""Arrays that compute nothing: a Traced stands for an array of a known shape and dtype while a program is recorded.

NumPy hands every call on a Traced to `Recorder.call`, which notes the call and answers with another Traced. What would
need the values of an array is an error that names the line.
"""

from __future__ import annotations

import linecache
import math
import sys
from contextlib import contextmanager
from os import sep
from pathlib import Path
from traceback import walk_stack, walk_tb
from types import SimpleNamespace

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from tinyaug import arrays
from tinyaug.autograd import recorder
from tinyaug.record.program import cast, take_index
from tinyaug.tensor import Tensor

__all__ = ["RecordError", "Traced", "error", "stand_in", "tensors_watched"]

# folders whose lines an error does not name
NOT_THE_USERS = tuple([f"{folder}{sep}" for folder in (Path(__file__).parents[1], Path(np.__file__).parent)])


class RecordError(RuntimeError):
    """Something that cannot be recorded: a program of array calls would give a wrong answer later."""


def error(text, trace=None):
    """A RecordError that names the line outside of tinyaug and NumPy that is being run, or was, by its traceback."""
    lines = walk_stack(sys._getframe(1)) if trace is None else reversed(list(walk_tb(trace)))
    for frame, number in lines:
        path = frame.f_code.co_filename
        if not path.startswith(NOT_THE_USERS):
            return RecordError(f"record: {text}\n  at {path}:{number}: {linecache.getline(path, number).strip()}")
    return RecordError(f"record: {text}")


def _refuse(text):
    """A method that raises RecordError."""
    def method(self, *_, **__):
        raise error(text)
    return method


_no_value = _refuse("this asks for the value of an array, which a recorded program does not know before it runs; return the "
                    "array, or choose with where instead of a branch")


@contextmanager
def tensors_watched(met):
    """Tensors from outside do not tell their values either: what a program decides by them once may be wrong later.

    met: {Tensor: array}; who gives its array away, to an op or to `detach`, is added: it may hold another one later
    """
    own = {name: vars(Tensor)[name] for name in ("numpy", "item", "__bool__", "__float__", "__int__", "data")}
    read = own["data"].__get__

    def data(tensor):
        array = read(tensor)
        if type(array) is np.ndarray:
            met.setdefault(tensor, array)
        return array

    for name in own:
        setattr(Tensor, name, _no_value)
    Tensor.data = property(data, own["data"].__set__)  # type: ignore[assignment]
    try:
        yield
    finally:
        for name, attribute in own.items():
            setattr(Tensor, name, attribute)


class Traced(NDArrayOperatorsMixin):
    """An array of a program that is being recorded."""

    __slots__ = ("slot", "recorder")

    def __init__(self, recorder, slot):
        self.recorder, self.slot = recorder, slot

    shape = property(lambda self: self.slot.shape)
    dtype = property(lambda self: self.slot.dtype)
    ndim = property(lambda self: len(self.slot.shape))
    size = property(lambda self: math.prod(self.slot.shape))
    T = property(lambda self: self.transpose())

    def __array_ufunc__(self, ufunc, method, *inputs, **keywords):
        if "out" in keywords:
            raise error(f"{ufunc.__name__} writes in place; compute a new array, or fill one from outside by copyto")
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
        return self if self.dtype.kind == "b" else self.recorder.call(np.positive, (self,), {})

    def __getitem__(self, index):
        return self.recorder.call(take_index, (self, index), {})

    def __len__(self):
        if not self.shape:
            raise TypeError("len() of a 0-d array")
        return self.shape[0]

    def __getattr__(self, name):
        if name.startswith("__"):                  # NumPy and others ask what an object can do
            raise AttributeError(name)
        raise error(f"a recorded array has no {name}; use an operator, or NumPy's function xp.{name}")

    __setitem__ = _refuse("x[...] = y writes in place; build a new array with where, stack or concatenate")
    __bool__ = __float__ = __int__ = __index__ = item = tolist = __array__ = _no_value
    __iter__ = _refuse("looping over the elements of an array; use unstack or an index")
    __hash__ = object.__hash__


def stand_in(slot):
    """An array of the shape and dtype of a Slot that takes no memory: one element, repeated with stride 0."""
    one = np.ones((), slot.dtype) if slot.dtype.kind == "f" else np.zeros((), slot.dtype)
    return np.broadcast_to(one, slot.shape)


def _constant_maker(function):
    """A function that makes an array from nothing: in a program, a constant."""
    def make(*args, **keywords):
        return recorder().constant(function(*args, **keywords))
    return make


def _like(function):
    """zeros_like and the like: of a Traced, a constant."""
    def make(x, *args, **keywords):
        if not isinstance(x, Traced):
            return function(x, *args, **keywords)
        return x.recorder.constant(function(stand_in(x.slot), *args, **keywords))
    return make


def _array(x, dtype=None):
    if isinstance(x, np.ndarray):
        x = recorder().capture(x)
    if isinstance(x, Traced):
        return x if dtype is None else x.astype(dtype)
    return recorder().constant(np.asarray(x, dtype))


def _scatter_add(values, index, shape):
    at_work = values.recorder if isinstance(values, Traced) else recorder()
    return at_work.call(arrays.scatter_add, (values, index, tuple(shape)), {})


arrays.NAMESPACES[Traced] = SimpleNamespace(**{
    **vars(arrays.host), "asarray": _array, "array": _array, "scatter_add": _scatter_add, "dot": np.matmul, "device": "cpu",
    "to_host": Traced.__array__,
    **{name: _constant_maker(getattr(np, name)) for name in ("zeros", "ones", "full", "arange", "eye")},
    **{name: _like(getattr(np, name)) for name in ("zeros_like", "ones_like", "full_like")}})
