"""Containers are Python's own. A Tensor passes for the array, or the number, that it holds."""

from builtins import dict, list, tuple  # noqa: UP029
from builtins import isinstance as _isinstance

import numpy as np

from tinyaug import Tensor

__all__ = ["dict", "isinstance", "list", "tuple"]


def isinstance(x, kinds):  # noqa: A001
    if not _isinstance(x, Tensor):
        return _isinstance(x, kinds)
    kinds = kinds if _isinstance(kinds, tuple) else (kinds,)
    return any(issubclass(float if x.ndim == 0 else np.ndarray, kind) for kind in kinds)
