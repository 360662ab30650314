"""Layers without state."""

from tinyaug import ops
from tinyaug.autograd import Tensor
from tinyaug.nn import initialise
from tinyaug.nn.module import Module, Parameter

__all__ = ["Linear", "Embedding", "LayerNorm", "Dropout"]


class Linear(Module):
    """y = x W + b. x: (..., inputs) -> (..., outputs). W starts in Glorot's uniform range, b at zero."""

    def __init__(self, inputs, outputs, *, rng, bias=True, gain=1.0):
        self.weight = Parameter(initialise.glorot(rng, (inputs, outputs), gain))
        self.bias = Parameter(initialise.zeros(outputs)) if bias else None

    def forward(self, x):
        y = x @ self.weight
        return y if self.bias is None else y + self.bias


class Embedding(Module):
    """A row of a table for each index. indices: (...) integers -> (..., width). Rows start as N(0, deviation^2).

    raises: IndexError on the host where an index is outside the table
    """

    def __init__(self, entries, width, *, rng, deviation=0.1):
        self.weight = Parameter(initialise.normal(rng, (entries, width), deviation))

    def forward(self, indices):
        return ops.take(self.weight, indices, axis=0)


class LayerNorm(Module):
    """Each vector with its mean taken off, over its standard deviation, times a gain, plus a bias.

        y = (x - mean(x)) / sqrt(var(x) + epsilon) * gain + bias                    Ba, Kiros, Hinton 2016, eq. (4)

    x: (..., width). epsilon keeps a vector of equal elements finite.
    """

    def __init__(self, width, *, epsilon=1e-5):
        self.gain = Parameter(initialise.constant(width, 1.0))
        self.bias = Parameter(initialise.zeros(width))
        self.epsilon = epsilon

    def forward(self, x):
        left = x - ops.mean(x, axis=-1, keepdims=True)
        variance = ops.mean(left * left, axis=-1, keepdims=True)
        return left / ops.sqrt(variance + self.epsilon) * self.gain + self.bias


class Dropout(Module):
    """Each element is zeroed with probability `rate`, the others grow by 1 / (1 - rate), so that the mean stays.

    The mask is drawn on the host from `rng`. Training or not is an argument, never a hidden switch.

    raises: ValueError where rate is outside 0 <= rate < 1
    """

    def __init__(self, rate, *, rng):
        if not 0 <= rate < 1:
            raise ValueError(f"Dropout: rate {rate}, expected 0 <= rate < 1")
        self.rate = rate
        self.rng = rng

    def forward(self, x, training):
        if not training or self.rate == 0:
            return x
        mask = Tensor((self.rng.random(x.shape) >= self.rate) / (1 - self.rate), dtype=x.dtype)
        return x * mask.to(x.device)
