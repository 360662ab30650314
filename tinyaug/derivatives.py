"""Derivatives of functions: grad, value_and_grad, jacobian, hvp. They nest to any order."""

from __future__ import annotations

from contextlib import contextmanager

from tinyaug.arrays import array_module
from tinyaug.autograd import is_tracking, tracking
from tinyaug.backward import backpropagate, zeros
from tinyaug.tensor import OPS, Tensor, as_array, as_tensor, wrap

__all__ = ["gradients", "grad", "value_and_grad", "jacobian", "hvp"]

_depth = 0                 # how many functions are being differentiated at this moment, one inside the other


def gradients(output, inputs, cotangent=None, create_graph=False, retain_graph=False):
    """d sum(output * cotangent) / d input for each of `inputs`: Tensors, zeros where output does not depend on it.

    The other arguments and errors are those of `Tensor.backward`, but no `grad` is touched.
    """
    found = backpropagate([output], [cotangent], inputs, retain_graph or create_graph, create_graph)
    found = [array_module(output.data).zeros(x.shape, dtype=x.dtype) if g is None else g for x, g in zip(inputs, found)]
    return [g if isinstance(g, Tensor) else wrap(array_module(g).array(g), False, None) for g in found]


def value_and_grad(function, argnums=0):
    """args -> (function(*args), gradient with respect to the arguments `argnums`). Nests to any order.

    function: returns a Tensor of one element, or a plain number, whose gradient is 0 like that of all that does not
              depend on the arguments
    argnums:  a position, or a tuple of positions for a tuple of gradients
    """
    positions = argnums if isinstance(argnums, tuple) else (argnums,)

    def differentiated(*args, **keywords):
        args = list(args)
        outer = _is_outer(*[args[i] for i in positions])
        for i in positions:
            args[i] = _variable(args[i])
        with _inside():
            value = as_tensor(function(*args, **keywords))
        inputs = [args[i] for i in positions]
        if not value.requires_grad:
            found = [wrap(zeros(x.data, x.shape), False, None) for x in inputs]
        else:
            found = gradients(value, inputs, create_graph=outer)
        return value if outer else value.detach(), tuple(found) if isinstance(argnums, tuple) else found[0]

    return differentiated


def _is_outer(*inputs):
    """True where somebody may differentiate the gradient that is about to be taken, so that it must leave a graph."""
    return is_tracking() and (_depth > 0 or any(isinstance(x, Tensor) and x.requires_grad for x in inputs))


def _variable(x):
    """The Tensor to differentiate by: a fresh leaf, or a fresh copy in the graph where x is part of one."""
    x = as_tensor(x)
    return OPS["positive"](x) if x.requires_grad and is_tracking() else Tensor(x.data, True, x.dtype)


@contextmanager
def _inside():
    """While a function is being differentiated."""
    global _depth
    _depth += 1
    try:
        with tracking(True):
            yield
    finally:
        _depth -= 1


def grad(function, argnums=0):
    """args -> gradient of a function of one number. `grad(grad(f))` is the second derivative, and so on."""
    both = value_and_grad(function, argnums)
    return lambda *args, **keywords: both(*args, **keywords)[1]


def jacobian(function, argnum=0):
    """args -> J with shape output.shape + input.shape: one backward pass for each element of the output."""

    def differentiated(*args):
        args = list(args)
        outer = _is_outer(args[argnum])
        args[argnum] = x = _variable(args[argnum])
        with _inside():
            y = as_tensor(function(*args))
        if not y.requires_grad or not y.size:
            return wrap(zeros(x.data, y.shape + x.shape), False, None)
        picks = array_module(y.data).eye(y.size, dtype=y.dtype)
        rows = [gradients(y, [x], picks[i].reshape(y.shape), create_graph=outer, retain_graph=True)[0]
                for i in range(y.size)]
        return OPS["reshape"](OPS["stack"](rows), y.shape + x.shape)

    return differentiated


def hvp(function, x, vector):
    """Hessian times vector, d/dx (df/dx . vector), without forming the Hessian."""
    vector = as_array(vector, as_tensor(x).dtype)
    return grad(lambda x: OPS["sum"](OPS["multiply"](grad(function)(x), vector)))(x)
