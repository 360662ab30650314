"""autograd.numpy: NumPy itself on plain arrays, our op of that name where a Tensor is among the arguments."""

import inspect as _inspect

import numpy as _np
from autograd.numpy import calls as _calls
from autograd.numpy import numpy_boxes, random  # noqa: F401
from numpy import *  # noqa: F403

__version__ = _np.__version__
fft, linalg = _calls.fft, _calls.linalg

for _name in dir(_np):
    _value = getattr(_np, _name)
    if not _name.startswith("_") and (isinstance(_value, _np.ufunc) or _inspect.isroutine(_value)):
        globals()[_name] = _calls.wrap(_name, _value)
