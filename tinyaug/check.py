"""Gradient checks, for the ops of the package and for those that you add.

    from tinyaug.check import check
    check(my_op, *arrays)            # silent if the gradient is right; else CheckError says how to repeat it

A vjp g -> J^T g is compared with central differences: along random directions d and for a random cotangent g,

    <J^T g, d>  =  <g, (f(x + eps d) - f(x - eps d)) / (2 eps)>

and, where that fails, element by element, to name the worst one. Float64, eps 1e-6, atol 1e-5, rtol 1e-3.
"""

from __future__ import annotations

import numpy as np

from tinyaug.arrays import using_dtype
from tinyaug.autograd import Tensor
from tinyaug.derivatives import gradients

__all__ = ["CheckError", "check", "check_second", "numeric_gradient"]

EPS, ATOL, RTOL = 1e-6, 1e-5, 1e-3
DIRECTIONS = 3        # one alone may happen to be almost at right angles to the error


class CheckError(AssertionError):
    """A gradient that does not match its finite differences."""


def _floats(arrays):
    """The positions of the floating arrays."""
    return [i for i, x in enumerate(arrays) if np.asarray(x).dtype.kind == "f"]


def _outputs(result):
    return list(result) if isinstance(result, tuple) else [result]


def _weighted(function, arrays, keywords, cotangents):
    """sum over the outputs of <cotangent, output>, as a number."""
    outputs = _outputs(function(*[Tensor(x) if np.asarray(x).dtype.kind == "f" else x for x in arrays], **keywords))
    return sum(float(np.sum(g * y.numpy())) for g, y in zip(cotangents, outputs) if g is not None)


def numeric_gradient(function, arrays, which, cotangents, keywords=None, eps=EPS):
    """d <cotangents, function(*arrays)> / d arrays[which], by central differences, one element at a time."""
    x = arrays[which]
    result = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        values = []
        for step in (eps, -eps):
            moved = x.copy()
            moved[index] += step
            values.append(_weighted(function, [*arrays[:which], moved, *arrays[which + 1:]], keywords or {}, cotangents))
        result[index] = (values[0] - values[1]) / (2 * eps)
    return result


def check(function, *arrays, rng=None, eps=EPS, atol=ATOL, rtol=RTOL, **keywords):
    """Check the gradient of `function` at `arrays` with respect to every floating array among them.

    function: Tensors (and plain integer arrays) in, a Tensor or a tuple of Tensors out
    raises:   CheckError with everything needed to repeat the comparison
    """
    rng = np.random.default_rng(0) if rng is None else rng
    with using_dtype(np.float64):
        arrays = [np.asarray(x, dtype=np.float64) if np.asarray(x).dtype.kind == "f" else x for x in arrays]
        tensors = [Tensor(x, requires_grad=True) if i in _floats(arrays) else x for i, x in enumerate(arrays)]
        outputs = _outputs(function(*tensors, **keywords))
        cotangents = [rng.normal(size=y.shape) if y.dtype.kind == "f" else None for y in outputs]
        analytic = _analytic(outputs, cotangents, [tensors[i] for i in _floats(arrays)])
        for i, gradient in zip(_floats(arrays), analytic):
            for _ in range(DIRECTIONS):
                direction = rng.normal(size=arrays[i].shape)
                ends = [_weighted(function, [*arrays[:i], arrays[i] + step * direction, *arrays[i + 1:]], keywords,
                                  cotangents) for step in (eps, -eps)]
                numeric = (ends[0] - ends[1]) / (2 * eps)
                along = float(np.sum(gradient * direction))
                if not abs(along - numeric) <= atol + rtol * abs(numeric):
                    _fail(function, arrays, i, gradient, along, numeric, direction, cotangents, keywords, eps)


def _analytic(outputs, cotangents, inputs):
    """Gradients of the weighted sum of all outputs; a test of several outputs uses all of them at once."""
    total = [np.zeros(x.shape) for x in inputs]
    for y, g in zip(outputs, cotangents):
        if g is not None and y.requires_grad:
            for t, gradient in zip(total, gradients(y, inputs, g, retain_graph=True)):
                t += gradient.numpy()
    return total


def _fail(function, arrays, i, gradient, along, numeric, direction, cotangents, keywords, eps):
    elementwise = numeric_gradient(function, arrays, i, cotangents, keywords, eps)
    error = np.abs(elementwise - gradient)
    worst = np.unravel_index(np.argmax(error), error.shape) if error.size else ()
    worst = tuple(int(k) for k in worst)
    name = getattr(function, "__name__", repr(function))
    with np.printoptions(precision=6, threshold=50, linewidth=100):
        raise CheckError("\n".join([
            f"{name}: gradient of input {i} is wrong",
            f"  along a random direction: analytic {along:.8g}, numeric {numeric:.8g}",
            f"  worst element {worst}: analytic {gradient[worst]:.8g}, numeric {elementwise[worst]:.8g}",
            *(f"  input {k}: {_show(x)}" for k, x in enumerate(arrays)),
            *([f"  keywords: {keywords}"] if keywords else []),
            f"  direction: {_show(direction)}",
            *(f"  cotangent: {_show(g)}" for g in cotangents if g is not None),
            f"  central difference with eps = {eps}"]))


def _show(x):
    x = np.asarray(x)
    return f"{x.dtype}{list(x.shape)} {np.array2string(x, separator=', ', prefix='  ')}"


def check_second(function, *arrays, rng=None, **keywords):
    """Check the second derivative: the gradient of x -> <J(x)^T g, v>, for random g and v, as `check` does.

    raises: CheckError as `check`
    """
    rng = np.random.default_rng(1) if rng is None else rng
    with using_dtype(np.float64):
        inputs = [np.asarray(x, dtype=np.float64) if np.asarray(x).dtype.kind == "f" else x for x in arrays]
        outputs = _outputs(function(*[Tensor(x) if np.asarray(x).dtype.kind == "f" else x for x in inputs], **keywords))
        cotangents = [rng.normal(size=y.shape) if y.dtype.kind == "f" else None for y in outputs]
        directions = {i: rng.normal(size=inputs[i].shape) for i in _floats(inputs)}

        def first(*xs):
            leaves = [xs[i] if xs[i].requires_grad else Tensor(xs[i].data, requires_grad=True) for i in directions]
            called = list(xs)
            for i, leaf in zip(directions, leaves):
                called[i] = leaf
            total = Tensor(0.0)
            for y, g in zip(_outputs(function(*called, **keywords)), cotangents):
                if g is None or not y.requires_grad:
                    continue
                for gradient, v in zip(gradients(y, leaves, g, create_graph=True), directions.values()):
                    total = total + (gradient * v).sum()
            return total

        first.__name__ = f"second derivative of {getattr(function, '__name__', function)}"
        check(first, *inputs, rng=rng)
