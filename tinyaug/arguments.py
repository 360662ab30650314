"""The arguments of an op: what may stand beside a Tensor, and what is said of arguments that do not fit."""

from __future__ import annotations

import inspect

import numpy as np

from tinyaug.arrays import NAMESPACES, array_module, default_dtype, device_of, to_device
from tinyaug.tensor import Tensor, as_array, wrap

__all__ = ["MISUSE", "NUMBERS", "named", "settle"]

NUMBERS = (float, int, bool)
MISUSE = ValueError, TypeError, IndexError, AttributeError, ZeroDivisionError      # what a body raises for such arguments


def named(error, body, arrays, keywords):
    """The error of a body with the op, its arguments and their shapes before what NumPy says of it.

    An attribute that a number lacks is a wrong type, a division by a rank of 0 is a wrong axis.
    """
    name, said = body.__name__, str(error).partition("\n")[0]
    if said.startswith(name) and "Input operand" not in said:        # ours; NumPy says matmul's name, not its shapes
        text = said
    else:
        words = [p.name for p in inspect.signature(body).parameters.values() if p.kind is not p.KEYWORD_ONLY][1:]
        what = [f"{words[min(i, len(words) - 1)]} {getattr(x, 'shape', x)}" for i, x in enumerate(arrays)]
        what += [f"{word}={value}" for word, value in keywords.items()]
        text = f"{name}: {', '.join(what)}: {said}"
    kinds = np.exceptions.AxisError, IndexError, ValueError, TypeError
    if isinstance(error, kinds):
        return next(kind for kind in kinds if isinstance(error, kind))(text)
    return TypeError(text) if isinstance(error, AttributeError) else ValueError(text)


def _beside(home, array):
    """A number where `home` lives: where(mask, 1.0, 0.0) has nothing but the mask to go by."""
    if array.ndim or home is None or type(home) is type(array):
        return array
    return array_module(home).full((), array.item(), dtype=array.dtype)


def settle(name, args, fixed):
    """The slow path of a call: plain numbers, arrays and lists among the arguments, or Tensors that disagree.

    name: of the op; fixed: positions of arguments that are never differentiated
    returns: the arguments; the same as arrays of one kind and one floating dtype, or plain numbers; the kind of array
    raises: TypeError for what is no real number, Tensors of two floating dtypes, or arrays on two devices
    """
    args = tuple(args)
    if not any(isinstance(x, Tensor) for i, x in enumerate(args) if i not in fixed):
        home = next((x.data for i, x in enumerate(args) if i in fixed and isinstance(x, Tensor)), None)
        args = tuple(x if i in fixed else wrap(_beside(home, as_array(x, None, name)), False, None)
                     for i, x in enumerate(args))
    args = tuple(x if not (i in fixed and isinstance(x, (list, tuple))) else np.asarray(x) for i, x in enumerate(args))
    arrays = [x.data if isinstance(x, Tensor) else x for x in args]
    tensors = [(i, x.data) for i, x in enumerate(args) if isinstance(x, Tensor)]
    lead = next((data for i, data in tensors if i not in fixed), arrays[0])
    kind = type(lead)
    floats = [data for i, data in tensors if i not in fixed and data.dtype.kind == "f"]
    dtype = floats[0].dtype if floats else None
    if dtype is None and (name == "divide" or any(type(x) is float for i, x in enumerate(arrays) if i not in fixed)):
        dtype = default_dtype()                # integers that meet a fraction
    for data in floats:
        if data.dtype != dtype:
            raise TypeError(f"{name}: Tensors of dtypes {dtype} and {data.dtype}; convert one with astype")
    settled = []
    for i, data in enumerate(arrays):
        if i not in fixed and type(data) in NUMBERS:
            settled.append(data)
            continue
        if type(data) not in NAMESPACES:
            data = np.asarray(data)
            if kind is not np.ndarray and data.ndim == 0:
                data = to_device(data, device_of(lead))
        if data.dtype.kind not in "fiub":
            raise TypeError(f"{name}: argument {i} is of dtype {data.dtype}, expected real numbers")
        if i not in fixed and dtype is not None and data.dtype != dtype:
            data = data.astype(dtype)
        if type(data) is not kind:
            raise TypeError(f"{name}: argument {i} is on {device_of(data)}, the others on {device_of(lead)}; "
                            f"move it with .to({device_of(lead)!r})")
        settled.append(data)
    return args, settled, kind
