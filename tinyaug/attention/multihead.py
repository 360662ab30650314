"""Several attentions side by side (Vaswani et al. 2017, section 3.2.2)."""

from tinyaug import ops
from tinyaug.attention.attend import attend
from tinyaug.attention.scores import scaled_dot
from tinyaug.nn.layers import Linear
from tinyaug.nn.module import Module

__all__ = ["MultiHead"]


class MultiHead(Module):
    """Each of R heads looks with projections of its own, narrow enough that all together cost as much as one.

        head_i = Attention(Q W_i^Q, K W_i^K, V W_i^V)
        MultiHead(Q, K, V) = [head_1, ..., head_R] W^O                                       Vaswani 2017, section 3.2.2

    query: (B, Q, D), keys, values: (B, N, D) -> (B, Q, D) and the weights of every head (B, R, Q, N)
    mask:  (B, Q, N) or what broadcasts to it, the same for all heads
    raises: ValueError where width is no multiple of heads

    The R matrices W_i are one matrix, its columns cut into R parts. Keys have no bias: the softmax would not see it.
    """

    def __init__(self, width, heads, *, rng):
        if heads < 1 or width % heads:
            raise ValueError(f"MultiHead: width {width} over {heads} heads; expected a multiple of the heads")
        self.heads = heads
        self.query, self.value, self.out = (Linear(width, width, rng=rng) for _ in range(3))
        self.key = Linear(width, width, rng=rng, bias=False)

    def forward(self, query, keys, values, mask=None):
        if mask is not None and mask.ndim == 3:
            mask = ops.expand_dims(mask, 1)                                                  # (B, 1, Q, N)
        seen, weights = attend(self._cut(self.query(query)), self._cut(self.key(keys)), self._cut(self.value(values)),
                               scaled_dot, mask)
        return self.out(self._join(seen)), weights

    def _cut(self, x):
        """(B, T, D) -> (B, R, T, D / R)"""
        batch, length, width = x.shape
        return ops.swapaxes(ops.reshape(x, (batch, length, self.heads, width // self.heads)), 1, 2)

    def _join(self, x):
        """(B, R, T, D / R) -> (B, T, D)"""
        batch, heads, length, size = x.shape
        return ops.reshape(ops.swapaxes(x, 1, 2), (batch, length, heads * size))
