"""Their checks of a gradient against central differences along a random direction, with their tolerance.

The function itself is called on plain arrays, where it is NumPy's, so the values are compared too.
"""

from itertools import product

import numpy as np
import pytest
from autograd.core import leaves, make_vjp, nary, rebuild

from tinyaug import Tensor

TOLERANCE = EPS = 1e-6
count = {"checks": 0, "complex": 0}


def scalar_close(a, b):
    return abs(a - b) < TOLERANCE or abs(a - b) / abs(a + b) < TOLERANCE


def has_complex(x):
    return any(
        np.asarray(leaf.data if isinstance(leaf, Tensor) else leaf).dtype.kind == "c" for leaf in leaves(x)
    )


def inner(x, y):
    return sum(float(np.sum(np.asarray(a) * np.asarray(b))) for a, b in zip(leaves(x), leaves(y), strict=False))


def like(x, make):
    return rebuild(x, iter([make(np.asarray(leaf, dtype=float))[()] for leaf in leaves(x)]))


def noise(x):
    return like(x, lambda a: np.asarray(np.random.normal(size=a.shape)))


def moved(x, v, step):
    return rebuild(x, iter([a + step * b for a, b in zip(leaves(x), leaves(v), strict=False)]))


def check_equivalent(x, y):
    assert type(x) is type(y) or not isinstance(x, (tuple, list, dict))
    for a, b in zip(leaves(x), leaves(y), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-6, atol=1e-6)


def _check(fun, x, modes=("fwd", "rev"), order=2):
    if has_complex(x):
        count["complex"] += 1
        return
    value = fun(x)
    if has_complex(value):
        count["complex"] += 1
        return
    vjp, y = make_vjp(fun, x)
    for a, b in zip(leaves(y), leaves(value), strict=True):
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=1e-9, atol=1e-9)
    v, g = noise(x), noise(value)
    found = vjp(g)
    for a, b in zip(leaves(found), leaves(x), strict=True):
        assert np.shape(a) == np.shape(b)
    ahead, behind = fun(moved(x, v, EPS / 2)), fun(moved(x, v, -EPS / 2))
    numeric = (inner(g, ahead) - inner(g, behind)) / EPS
    assert scalar_close(numeric, inner(v, found)), (
        f"gradient of {fun.__name__}: {inner(v, found)}, numeric {numeric}"
    )
    count["checks"] += 1
    if order > 1:
        _check(lambda both: make_vjp(fun, both[0])[0](both[1]), (x, g), modes, order - 1)


_checked = nary(_check)


def check_grads(fun, argnum=0, modes=("fwd", "rev"), order=2):
    if "rev" not in modes:
        pytest.skip("forward mode")
    return _checked(fun, argnum, modes, order)


def combo_check(fun, argnum, modes=("fwd", "rev"), order=2):
    def check(*args, **keywords):
        named = [[(key, value) for value in values] for key, values in keywords.items()]
        for chosen in product(*args):
            for more in product(*named):
                check_grads(fun, argnum, modes, order)(*chosen, **dict(more))

    return check
