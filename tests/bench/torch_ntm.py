"""The Neural Turing Machine's copy step by hand in PyTorch eager, with vectorised shifts: what tinyaug is timed against.

The same equations on the same numbers as tinyaug.memory, written as a PyTorch user would: F.linear, batched matmul,
shifts as slices of a padded tensor.
"""

import torch
import torch.nn.functional as F

EPSILON = 1e-8


class TorchNTM:
    """parameters: {name: array} as `Module.state()` of MemoryAugmented(LSTM, NTMMemory) gives them."""

    def __init__(self, state, read_heads=1):
        self.parameters = {name: torch.tensor(value, requires_grad=not name.endswith(("start_memory", "start_weights")))
                           for name, value in state.items()}
        self.read_heads = read_heads
        self.slots, self.width = state["memory.start_memory"].shape
        self.heads = state["memory.start_weights"].shape[0]

    def start(self, batch):
        p = self.parameters
        return (p["controller.start_hidden"].expand(batch, -1), p["controller.start_cell"].expand(batch, -1),
                p["memory.start_memory"].expand(batch, -1, -1), p["memory.start_weights"].expand(batch, -1, -1),
                p["memory.start_reads"].expand(batch, -1, -1))

    def step(self, x, state):
        p, heads, width = self.parameters, self.heads, self.width
        hidden, cell, memory, weights, reads = state
        batch = x.shape[0]
        gates = torch.cat([x, reads.reshape(batch, -1), hidden], -1) @ p["controller.weight"] + p["controller.bias"]
        i, f, g, o = gates.chunk(4, -1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        hidden = torch.sigmoid(o) * torch.tanh(cell)
        control = hidden @ p["control.weight"] + p["control.bias"]
        writes = heads - self.read_heads
        addressing, writing = control.split([heads * (width + 6), writes * 2 * width], -1)
        key, strength, gate, offsets, gamma = addressing.view(batch, heads, -1).split([width, 1, 1, 3, 1], -1)
        erase, add = writing.view(batch, writes, -1).split([width, width], -1)
        key, add = torch.tanh(key), torch.tanh(add)
        strength, gamma = F.softplus(strength), 1 + F.softplus(gamma)
        gate, erase = torch.sigmoid(gate), torch.sigmoid(erase)
        offsets = torch.softmax(offsets, -1)

        key_length = torch.sqrt((key * key).sum(-1, keepdim=True) + EPSILON)
        row_length = torch.sqrt((memory * memory).sum(-1) + EPSILON)
        cosine = key @ memory.transpose(1, 2) / (key_length * row_length.unsqueeze(1))
        content = torch.softmax(strength * cosine, -1)
        gated = weights + gate * (content - weights)
        ring = torch.cat([gated[..., -1:], gated, gated[..., :1]], -1)
        shifted = (ring[..., 2:] * offsets[..., 0:1] + ring[..., 1:-1] * offsets[..., 1:2]
                   + ring[..., :-2] * offsets[..., 2:3])
        weights = torch.softmax(gamma * torch.log(shifted + 1e-12), -1)
        read_weights, write_weights = weights.split([self.read_heads, writes], 1)
        reads = read_weights @ memory
        columns = write_weights.transpose(1, 2)
        for head in range(writes):
            memory = memory * (1 - columns[:, :, head:head + 1] @ erase[:, head:head + 1])
        memory = memory + columns @ add
        y = torch.cat([hidden, reads.reshape(batch, -1)], -1) @ p["output.weight"] + p["output.bias"]
        return y, (hidden, cell, memory, weights, reads)

    def loss(self, x, targets):
        """x: (T, B, D), targets: (L, B, bits), the last L steps count."""
        state = self.start(x.shape[1])
        outputs = []
        for row in x.unbind(0):
            y, state = self.step(row, state)
            outputs.append(y)
        return F.binary_cross_entropy_with_logits(torch.stack(outputs)[-len(targets):], targets)
