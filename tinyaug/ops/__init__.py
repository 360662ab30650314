"""The ops, under NumPy's names where NumPy has them. Importing this gives Tensor its operators and methods."""

from tinyaug.autograd import OPS, Tensor, stop_gradient
from tinyaug.ops.arithmetic import (
    absolute,
    add,
    astype,
    clip,
    cos,
    divide,
    exp,
    expm1,
    log,
    log1p,
    logaddexp,
    maximum,
    minimum,
    multiply,
    negative,
    positive,
    power,
    reciprocal,
    sign,
    sin,
    sqrt,
    square,
    subtract,
    where,
)
from tinyaug.ops.compare import (
    argmax,
    argmin,
    argsort,
    equal,
    greater,
    greater_equal,
    isfinite,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    not_equal,
    one_hot,
    ones_like,
    zeros_like,
)
from tinyaug.ops.convolution import avg_pool2d, circular_convolution, conv1d, conv2d, max_pool2d
from tinyaug.ops.index import getitem, scatter_add, sort, take, take_along_axis, tril, triu
from tinyaug.ops.loss import binary_cross_entropy_with_logits, cross_entropy, huber, mean_squared_error
from tinyaug.ops.matrix import einsum, matmul, outer, tensordot
from tinyaug.ops.nonlinear import elu, gelu, log_softmax, oneplus, relu, sigmoid, softmax, softplus, tanh
from tinyaug.ops.reduce import cumprod, cumsum, logsumexp, max, mean, min, norm, prod, std, sum, var
from tinyaug.ops.shape import (
    broadcast_to,
    concatenate,
    expand_dims,
    flip,
    moveaxis,
    pad,
    repeat,
    reshape,
    roll,
    split,
    squeeze,
    stack,
    swapaxes,
    tile,
    transpose,
    unstack,
)

__all__ = [*OPS, "stop_gradient"]


def _swapped(function):
    return lambda self, other: function(other, self)


def _reshape(self, *shape):
    """x.reshape(2, 3) or x.reshape((2, 3))."""
    return reshape(self, shape=shape[0] if len(shape) == 1 else shape)


def _transpose(self, *axes):
    """x.transpose(), x.transpose(1, 0) or x.transpose((1, 0))."""
    return transpose(self, axes=axes[0] if len(axes) == 1 else axes or None)


_operators = {"add": add, "sub": subtract, "mul": multiply, "truediv": divide, "pow": power, "matmul": matmul,
              "and": logical_and, "or": logical_or}
for _name, _function in _operators.items():
    setattr(Tensor, f"__{_name}__", _function)
    setattr(Tensor, f"__r{_name}__", _swapped(_function))
for _name, _function in {"neg": negative, "pos": positive, "abs": absolute, "invert": logical_not, "lt": less,
                         "le": less_equal, "gt": greater, "ge": greater_equal, "eq": equal, "ne": not_equal}.items():
    setattr(Tensor, f"__{_name}__", _function)
for _function in (sum, mean, max, min, prod, var, std, cumsum, cumprod, swapaxes, squeeze, clip, repeat, take, astype,
                  argmax, argmin, argsort):
    setattr(Tensor, _function.__name__, _function)
Tensor.reshape = _reshape
Tensor.transpose = _transpose
Tensor.T = property(transpose, doc="axes reversed")
