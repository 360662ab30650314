"""The smallest and largest numbers of a dtype.

A vjp that would multiply a cotangent by 1/0 divides it by the smallest number instead. A cotangent of 0 then stays 0:
the gradient of where(x > 0, log(x), 0) at x = 0 is 0 and not 0 * inf = NaN. Any other becomes huge; that of 1/x, which
is divided twice, overflows to an infinity.
"""

import numpy as np


class _Limits(dict):
    """{dtype: its limit}, with an error that says what to do for a dtype that has none."""

    def __missing__(self, dtype):
        raise TypeError(f"got {dtype}, expected a floating dtype; convert with astype")


_TINIEST = _Limits({np.dtype(t): float(np.finfo(t).tiny) for t in (np.float16, np.float32, np.float64)})
_LOWEST = _Limits({dtype: -1 / tiny for dtype, tiny in _TINIEST.items()})
_LARGEST = _Limits({np.dtype(t): float(np.finfo(t).max) for t in (np.float16, np.float32, np.float64)})


def tiniest(x) -> float:
    """The smallest normal positive number of x's dtype."""
    return _TINIEST[x.dtype]


def largest(x) -> float:
    """The largest finite number of x's dtype."""
    return _LARGEST[x.dtype]


def ceiling(xp, x, axis):
    """The maximum along an axis, to subtract before exp: finite for a row of -inf, 0 for a row of no elements."""
    if x.size == 0:
        return xp.sum(x, axis=axis, keepdims=True)
    return xp.max_from(x, axis, _LOWEST[x.dtype])


def nonzero(xp, x, like):
    """x with the smallest number of like's dtype in place of 0, to divide by."""
    if isinstance(x, (int, float)):
        return x or tiniest(like)
    return xp.where(x == 0, tiniest(like), x)


def alone(x):
    """x, or where it is a single number that number without axes: beside it NumPy needs no loop over two shapes."""
    return x if x.size != 1 else x.reshape(())
