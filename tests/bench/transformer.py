"""A Transformer block, the layer norm before each part (Xiong et al. 2020): forward and backward, batch 8, 4 heads.

    x = x + attention(norm(x))
    x = x + W_2 gelu(W_1 norm(x))

PyTorch has two ways to attend, its fused scaled_dot_product_attention and a softmax written out; both take part.
"""

from math import sqrt

import numpy as np
import torch
import torch.nn.functional as F

from tests.bench.measure import Contender, compare
from tests.bench.plain import eager_and_recorded, torch_step
from tinyaug import ops
from tinyaug.nn import LayerNorm, Linear
from tinyaug.nn.module import Module


class Block(Module):
    """x: (B, T, D) -> (B, T, D)"""

    def __init__(self, width, heads, *, rng):
        self.heads = heads
        self.before, self.between = LayerNorm(width), LayerNorm(width)
        # no bias here: softmax does not see that of the keys, whose gradient is 0, so rounding could not be compared
        self.queries, self.keys, self.values = (Linear(width, width, rng=rng, bias=False) for _ in range(3))
        self.out = Linear(width, width, rng=rng)
        self.up, self.down = Linear(width, 4 * width, rng=rng), Linear(4 * width, width, rng=rng)

    def forward(self, x):
        x = x + self.attend(self.before(x))
        return x + self.down(ops.gelu(self.up(self.between(x))))

    def attend(self, x):
        batch, length, width = x.shape
        q, k, v = (ops.swapaxes(ops.reshape(part(x), (batch, length, self.heads, -1)), 1, 2)      # (B, heads, T, size)
                   for part in (self.queries, self.keys, self.values))
        weights = ops.softmax(q @ ops.swapaxes(k, -1, -2) / sqrt(width / self.heads), axis=-1)
        return self.out(ops.reshape(ops.swapaxes(weights @ v, 1, 2), (batch, length, width)))


PARTS = "queries", "keys", "values"


class TorchBlock:
    """The same in PyTorch, with our weights; queries, keys and values come from one product, as is usual there."""

    def __init__(self, ours, fused):
        self.heads, self.fused = ours.heads, fused
        state = ours.state()
        state["joined.weight"] = np.concatenate([state.pop(f"{part}.weight") for part in PARTS], -1)
        self.leaves = {name: torch.tensor(np.ascontiguousarray(x.T), requires_grad=True) for name, x in state.items()}

    def __call__(self, x):
        x = x + self.attend(self.normal(x, "before"))
        return x + self.linear(F.gelu(self.linear(self.normal(x, "between"), "up"), approximate="tanh"), "down")

    def linear(self, x, name):
        return F.linear(x, self.leaves[name + ".weight"], self.leaves.get(name + ".bias"))

    def normal(self, x, name):
        return F.layer_norm(x, x.shape[-1:], self.leaves[name + ".gain"], self.leaves[name + ".bias"])

    def attend(self, x):
        parts = self.linear(x, "joined").chunk(3, -1)
        q, k, v = (part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in parts)
        if self.fused:
            mixed = F.scaled_dot_product_attention(q, k, v)
        else:
            mixed = torch.softmax(q @ k.transpose(-1, -2) / sqrt(q.shape[-1]), -1) @ v
        return self.linear(mixed.transpose(1, 2).flatten(2), "out")

    def gradients(self, found):
        found = {name: g.T if g.ndim == 2 else g for name, g in found.items()}
        parts = found.pop("joined.weight").chunk(3, -1)
        return found | {f"{part}.weight": g for part, g in zip(PARTS, parts)}


def run(case, options):
    length, width = (int(word[1:]) for word in case.split())
    if options.quick:
        length, width = 3, 8
    rng = np.random.default_rng(0)
    x, c = rng.normal(size=(2, 8, length, width)).astype(np.float32)
    ours = Block(width, 4, rng=rng)
    mine = eager_and_recorded(lambda x, c: ops.sum(ours(x) * c), {"x": x}, ours, constants=[c])
    theirs = [contender(name, TorchBlock(ours, fused), x, c)
              for name, fused in (("PyTorch SDPA", True), ("PyTorch explicit", False))]
    return compare([*theirs, *mine], options.quick)


def contender(name, block, x, c):
    x, c = torch.tensor(x, requires_grad=True), torch.tensor(c)
    return Contender(name, torch_step(lambda: (block(x) * c).sum(), block.leaves | {"x": x}), block.gradients)
