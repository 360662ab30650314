"""NumPy's functions on Tensors: our ops of that name, and short combinations of ops where we have none."""

import inspect
from math import pi

import numpy as _np
import pytest
from autograd.core import leaves

from tinyaug import OPS, Tensor, ops


def _array(x, dtype=None):
    """np.array of nested lists with Tensors among their elements."""
    if isinstance(x, (list, tuple)):
        return ops.stack([_array(part) for part in x])
    return x if isinstance(x, Tensor) else Tensor(_np.asarray(x, dtype=_np.float64))


def _dot(x, y):
    x, y = _tensor(x), _tensor(y)
    if 0 in (x.ndim, y.ndim):
        return ops.multiply(x, y)
    return ops.matmul(x, y) if y.ndim == 1 else ops.tensordot(x, y, axes=((-1,), (-2,)))


def _tensor(x):
    return x if isinstance(x, Tensor) else Tensor(_np.asarray(x, dtype=_np.float64))


def _inner(x, y):
    x, y = _tensor(x), _tensor(y)
    return ops.multiply(x, y) if 0 in (x.ndim, y.ndim) else ops.tensordot(x, y, axes=((-1,), (-1,)))


def _rows(arrays, axis, least):
    parts = [_tensor(x) for x in arrays]
    grown = []
    for x in parts:
        if x.ndim < least:
            shape = {
                (0, 1): (1,),
                (0, 2): (1, 1),
                (1, 2): (1,) + x.shape,
                (0, 3): (1, 1, 1),
                (1, 3): (1,) + x.shape + (1,),
                (2, 3): x.shape + (1,),
            }[x.ndim, least]
            x = ops.reshape(x, shape)
        grown.append(x)
    return ops.concatenate(grown, axis=axis)


def _atleast(n):
    def call(*xs):
        found = [_rows([x], 0, n) for x in xs]
        return found[0] if len(found) == 1 else tuple(found)

    return call


def _diagonal(x, offset=0, axis1=0, axis2=1):
    x = ops.moveaxis(x, (axis1, axis2), (-2, -1))
    n = _np.arange(max(0, min(x.shape[-2] + min(offset, 0), x.shape[-1] - max(offset, 0))))
    return x[..., n - min(offset, 0), n + max(offset, 0)]


def _diff(x, n=1, axis=-1):
    for _ in range(n):
        at = (slice(None),) * (axis % x.ndim)
        x = x[at + (slice(1, None),)] - x[at + (slice(0, -1),)]
    return x


def _split(x, sections, axis=0):
    return list(ops.split(x, sections if isinstance(sections, int) else [int(i) for i in sections], axis))


def _array_split(x, sections, axis=0):
    parts = _np.array_split(_np.arange(x.shape[axis]), sections)
    return _split(x, _np.cumsum([len(part) for part in parts])[:-1], axis)


def _select(conditions, choices, default=0.0):
    result = default
    for condition, choice in zip(conditions[::-1], choices[::-1], strict=False):
        result = ops.where(_raw(condition), choice, result)
    return result


def _raw(x):
    return x.data if isinstance(x, Tensor) else x


def _pad(x, width, mode="constant", constant_values=0.0):
    if isinstance(width, (int, _np.integer)):
        return ops.pad(x, int(width), constant_values=constant_values)
    widths = _np.broadcast_to(_np.asarray(width), (x.ndim, 2))
    return ops.pad(x, tuple((int(a), int(b)) for a, b in widths), constant_values=constant_values)


def _where(condition, x=None, y=None):
    return _np.where(_raw(condition)) if x is None else ops.where(_raw(condition), x, y)


def _rot90(x, k=1, axes=(0, 1)):
    for _ in range(k % 4):
        x = ops.flip(ops.swapaxes(x, *axes), axis=axes[0])
    return x


def _cross(x, y):
    x, y = _tensor(x), _tensor(y)
    return ops.stack(
        [
            x[..., 1] * y[..., 2] - x[..., 2] * y[..., 1],
            x[..., 2] * y[..., 0] - x[..., 0] * y[..., 2],
            x[..., 0] * y[..., 1] - x[..., 1] * y[..., 0],
        ],
        axis=-1,
    )


def _kron(x, y):
    shape = _np.kron(_np.zeros(_np.shape(_raw(x))), _np.zeros(_np.shape(_raw(y)))).shape
    x, y = _rows([x], 0, 2), _rows([y], 0, 2)
    return ops.reshape(ops.einsum("ab,cd->acbd", x, y), shape)


def _norm(x, ord=None, axis=None):
    x = _array(x)
    if ord not in (None, 2) or ord == 2 and x.ndim != 1:
        pytest.skip("a norm other than the Euclidean")
    return ops.norm(x, axis=axis)


def _expand(x, axis):
    return ops.expand_dims(x, axis)


CALLS = {
    "array": _array,
    "asarray": _array,
    "dot": _dot,
    "inner": _inner,
    "vdot": lambda x, y: _dot(_ravel(x), _ravel(y)),
    "abs": ops.absolute,
    "fabs": ops.absolute,
    "amax": ops.max,
    "amin": ops.min,
    "true_divide": ops.divide,
    "ravel": lambda x, order="C": _ravel(x, order),
    "tan": lambda x: ops.sin(x) / ops.cos(x),
    "sinh": lambda x: (ops.exp(x) - ops.exp(-x)) / 2,
    "cosh": lambda x: (ops.exp(x) + ops.exp(-x)) / 2,
    "exp2": lambda x: ops.power(2.0, x),
    "log2": lambda x: ops.log(x) / _np.log(2.0),
    "log10": lambda x: ops.log(x) / _np.log(10.0),
    "rad2deg": lambda x: x * (180 / pi),
    "degrees": lambda x: x * (180 / pi),
    "deg2rad": lambda x: x * (pi / 180),
    "radians": lambda x: x * (pi / 180),
    "sinc": lambda x: ops.sin(x * pi) / (x * pi),
    "fmax": ops.maximum,
    "fmin": ops.minimum,
    "logaddexp": lambda x, y: ops.logsumexp(ops.stack(_same(x, y)), axis=0),
    "logaddexp2": lambda x, y: (
        ops.logsumexp(ops.stack([z * _np.log(2.0) for z in _same(x, y)]), axis=0) / _np.log(2.0)
    ),
    "vstack": lambda xs: _rows(xs, 0, 2),
    "hstack": lambda xs: _rows(xs, 0 if all(_np.ndim(_raw(x)) <= 1 for x in xs) else 1, 1),
    "dstack": lambda xs: _rows(xs, 2, 3),
    "row_stack": lambda xs: _rows(xs, 0, 2),
    "column_stack": lambda xs: ops.concatenate(
        [ops.reshape(_tensor(x), (-1, 1)) if _tensor(x).ndim < 2 else x for x in xs], axis=1
    ),
    "append": lambda x, y, axis=None: ops.concatenate(
        [_array(x), _array(y)] if axis is not None else [_ravel(x), _ravel(y)], axis=axis or 0
    ),
    "concatenate": lambda xs, axis=0: ops.concatenate([_tensor(x) for x in xs], axis=axis),
    "stack": lambda xs, axis=0: ops.stack([_tensor(x) for x in xs], axis=axis),
    "atleast_1d": _atleast(1),
    "atleast_2d": _atleast(2),
    "atleast_3d": _atleast(3),
    "expand_dims": _expand,
    "diagonal": _diagonal,
    "trace": lambda x, offset=0: ops.sum(_diagonal(x, offset), axis=-1),
    "diff": _diff,
    "split": _split,
    "array_split": _array_split,
    "vsplit": lambda x, s: _split(x, s, 0),
    "hsplit": lambda x, s: _split(x, s, 1 if x.ndim > 1 else 0),
    "dsplit": lambda x, s: _split(x, s, 2),
    "select": _select,
    "pad": _pad,
    "where": _where,
    "rot90": _rot90,
    "cross": _cross,
    "kron": _kron,
    "fliplr": lambda x: ops.flip(x, 1),
    "flipud": lambda x: ops.flip(x, 0),
    "average": ops.mean,
    "rollaxis": lambda x, a, start=0: ops.moveaxis(x, a, start - (start > a)),
    "conj": ops.positive,
    "conjugate": ops.positive,
    "real": ops.positive,
    "real_if_close": ops.positive,
    "copy": ops.positive,
    "shape": lambda x: x.shape,
    "ndim": lambda x: x.ndim,
    "size": lambda x: x.size,
    "iscomplexobj": lambda x: False,
    "result_type": lambda *xs: _np.result_type(*[_raw(x) for x in xs]),
    "nan_to_num": lambda x: ops.where(_np.isfinite(x.data), x, _np.nan_to_num(x.data)),
    "full": lambda shape, value: ops.broadcast_to(value, shape if isinstance(shape, tuple) else (shape,)),
    "max": ops.max,
    "min": ops.min,
    "any": lambda x, **kw: _np.any(_raw(x), **kw),
    "all": lambda x, **kw: _np.all(_raw(x), **kw),
    "allclose": lambda x, y: _np.allclose(_raw(x), _raw(y)),
    "isnan": lambda x: _np.isnan(_raw(x)),
    **{
        name: (lambda x, name=name: getattr(_np, name)(x.data))
        for name in ("floor", "ceil", "rint", "trunc", "fix", "round", "isfinite", "isinf")
    },
}


def _ravel(x, order="C"):
    return ops.reshape(_array(x) if order in (None, "C", "K", "A") else ops.transpose(x), (-1,))


def _same(x, y):
    shape = _np.broadcast_shapes(_np.shape(_raw(x)), _np.shape(_raw(y)))
    return [ops.broadcast_to(_tensor(z), shape) for z in (x, y)]


def has_tensor(args, keywords):
    return any(isinstance(leaf, Tensor) for leaf in leaves([list(args), keywords]))


def wrap(name, original):
    def call(*args, **keywords):
        if not has_tensor(args, keywords):
            return original(*args, **keywords)
        function = CALLS.get(name) or OPS.get(name)
        if function is None:
            pytest.skip(f"no op {name}")
        keywords = {key: value for key, value in keywords.items() if not (key == "out" and value is None)}
        try:
            inspect.signature(function).bind(
                *([None] if name in OPS and function is OPS[name] else []), *args, **keywords
            )
        except TypeError as error:
            if name != "einsum" and set(keywords) - set(inspect.signature(function).parameters):
                pytest.skip(f"{name}: {error}")
        if name not in ("concatenate", "stack", "einsum") and name not in CALLS:
            args = [_array(x) if isinstance(x, (list, tuple)) and has_tensor(x, {}) else x for x in args]
        if name == "einsum" and not isinstance(args[0], str):
            pytest.skip("einsum by lists of axes")
        return function(*args, **keywords)

    call.__name__ = name
    return call


class Room:
    """np.linalg and np.fft: NumPy's on plain arrays, a skip with the name on Tensors."""

    def __init__(self, room, calls):
        self.__dict__.update(
            {
                name: _wrap_in(room.__name__, name, value, calls)
                if callable(value) and not isinstance(value, type)
                else value
                for name, value in vars(room).items()
                if not name.startswith("_")
            }
        )


def _wrap_in(room, name, original, calls):
    def call(*args, **keywords):
        if not has_tensor(args, keywords):
            return original(*args, **keywords)
        if name not in calls:
            pytest.skip(f"no {room.removeprefix('numpy.')}")
        return calls[name](*args, **keywords)

    return call


linalg = Room(_np.linalg, {"norm": _norm})
fft = Room(_np.fft, {})
