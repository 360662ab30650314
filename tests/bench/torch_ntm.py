"""The Neural Turing Machine's copy step by hand in PyTorch eager: what tinyaug is timed against.

The same equations on the same numbers as tinyaug.memory, three times:

    TorchNTM        as a PyTorch user would write it who has seen that heads can be addressed side by side: batched
                    matmul, shifts as slices of a padded tensor
    SeparateHeads   the same a head at a time, with a linear layer of its own for each
    TunedNTM        as an expert would who has a profile: fused multiply-adds, lerp, few and large calls
"""

import torch
import torch.nn.functional as F

EPSILON = 1e-8


class TorchNTM:
    """state: {name: array} as `Module.state()` of MemoryAugmented(LSTM, NTMMemory) gives it."""

    def __init__(self, state, read_heads=1):
        self.parameters = {name: torch.tensor(value, requires_grad=not name.endswith(("start_memory", "start_weights")))
                           for name, value in state.items()}
        self.read_heads = read_heads
        self.slots, self.width = state["memory.start_memory"].shape
        self.heads = state["memory.start_weights"].shape[0]

    def learned(self):
        return [p for p in self.parameters.values() if p.requires_grad]

    def gradients(self):
        """{name of parameter: gradient}"""
        return {name: p.grad for name, p in self.parameters.items() if p.requires_grad}

    def start(self, batch):
        p = self.parameters
        return (p["controller.start_hidden"].expand(batch, -1), p["controller.start_cell"].expand(batch, -1),
                p["memory.start_memory"].expand(batch, -1, -1), p["memory.start_weights"].expand(batch, -1, -1),
                p["memory.start_reads"].expand(batch, -1, -1))

    def step(self, x, state):
        hidden, cell, memory, weights, reads = state
        hidden, cell = self.controller(x, hidden, cell, reads)
        orders, erase, add = self.orders(hidden)
        weights = self.address(*orders, memory, weights)
        read_weights, write_weights = weights.split([self.read_heads, self.heads - self.read_heads], 1)
        reads = read_weights @ memory
        columns = write_weights.transpose(1, 2)
        for head in range(columns.shape[2]):
            memory = memory * (1 - columns[:, :, head:head + 1] @ erase[:, head:head + 1])
        memory = memory + columns @ add
        return self.output(hidden, reads), (hidden, cell, memory, weights, reads)

    def controller(self, x, hidden, cell, reads):
        p = self.parameters
        gates = torch.cat([x, reads.reshape(len(x), -1), hidden], -1) @ p["controller.weight"] + p["controller.bias"]
        i, f, g, o = gates.chunk(4, -1)
        cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(cell), cell

    def orders(self, hidden):
        p, heads, width = self.parameters, self.heads, self.width
        batch, writes = hidden.shape[0], heads - self.read_heads
        control = hidden @ p["control.weight"] + p["control.bias"]
        addressing, writing = control.split([heads * (width + 6), writes * 2 * width], -1)
        orders = addressing.view(batch, heads, -1).split([width, 1, 1, 3, 1], -1)
        erase, add = writing.view(batch, writes, -1).split([width, width], -1)
        return orders, torch.sigmoid(erase), torch.tanh(add)

    def address(self, key, strength, gate, offsets, gamma, memory, weights):
        key, gate = torch.tanh(key), torch.sigmoid(gate)
        strength, gamma = F.softplus(strength), 1 + F.softplus(gamma)
        offsets = torch.softmax(offsets, -1)
        key_length = torch.sqrt((key * key).sum(-1, keepdim=True) + EPSILON)
        row_length = torch.sqrt((memory * memory).sum(-1) + EPSILON)
        cosine = key @ memory.transpose(1, 2) / (key_length * row_length.unsqueeze(1))
        content = torch.softmax(strength * cosine, -1)
        gated = weights + gate * (content - weights)
        ring = torch.cat([gated[..., -1:], gated, gated[..., :1]], -1)
        shifted = (ring[..., 2:] * offsets[..., 0:1] + ring[..., 1:-1] * offsets[..., 1:2]
                   + ring[..., :-2] * offsets[..., 2:3])
        return torch.softmax(gamma * torch.log(shifted + 1e-12), -1)

    def output(self, hidden, reads):
        p = self.parameters
        return torch.cat([hidden, reads.reshape(len(hidden), -1)], -1) @ p["output.weight"] + p["output.bias"]

    def loss(self, x, targets):
        """x: (T, B, D), targets: (L, B, bits), the last L steps count."""
        state = self.start(x.shape[1])
        outputs = []
        for row in x.unbind(0):
            y, state = self.step(row, state)
            outputs.append(y)
        return F.binary_cross_entropy_with_logits(torch.stack(outputs)[-len(targets):], targets)


class SeparateHeads(TorchNTM):
    """Every head on its own: its layer, its weighting, its turn at the memory."""

    def __init__(self, state, read_heads=1):
        super().__init__(state, read_heads)
        writes = self.heads - read_heads
        self.sizes = [self.width + 6] * self.heads + [2 * self.width] * writes
        for name in ("control.weight", "control.bias"):
            joined = self.parameters.pop(name).detach()
            for i, part in enumerate(joined.split(self.sizes, -1)):
                self.parameters[f"{name}.{i}"] = part.clone().requires_grad_()

    def gradients(self):
        found = super().gradients()
        for name in ("control.weight", "control.bias"):
            found[name] = torch.cat([found.pop(f"{name}.{i}") for i in range(len(self.sizes))], -1)
        return found

    def step(self, x, state):
        hidden, cell, memory, weights, reads = state
        hidden, cell = self.controller(x, hidden, cell, reads)
        p, width = self.parameters, self.width
        parts = [F.linear(hidden, p[f"control.weight.{i}"].T, p[f"control.bias.{i}"]) for i in range(len(self.sizes))]
        after = []
        for head, before in zip(parts, weights.split(1, 1)):
            orders = head.unsqueeze(1).split([width, 1, 1, 3, 1], -1)
            after.append(self.address(*orders, memory, before))
        reads = torch.cat([w @ memory for w in after[:self.read_heads]], 1)
        writing = [part.unsqueeze(1).split([width, width], -1) for part in parts[self.heads:]]
        columns = [w.transpose(1, 2) for w in after[self.read_heads:]]
        for column, (erase, _) in zip(columns, writing):
            memory = memory * (1 - column @ torch.sigmoid(erase))
        for column, (_, add) in zip(columns, writing):
            memory = memory + column @ torch.tanh(add)
        return self.output(hidden, reads), (hidden, cell, memory, torch.cat(after, 1), reads)


class TunedNTM(TorchNTM):
    """Fewer and larger calls, where PyTorch has one that does two."""

    def step(self, x, state):
        hidden, cell, memory, weights, reads = state
        hidden, cell = self.controller(x, hidden, cell, reads)
        orders, erase, add = self.orders(hidden)
        weights = self.address(*orders, memory, weights)
        read_weights, write_weights = weights.split([self.read_heads, self.heads - self.read_heads], 1)
        reads = torch.bmm(read_weights, memory)
        columns = write_weights.transpose(1, 2)
        for head in range(columns.shape[2]):
            memory = torch.addcmul(memory, memory, columns[:, :, head:head + 1] * erase[:, head:head + 1], value=-1)
        memory = torch.baddbmm(memory, columns, add)
        return torch.cat([hidden, reads.flatten(1)], 1), (hidden, cell, memory, weights, reads)

    def controller(self, x, hidden, cell, reads):
        p, size = self.parameters, hidden.shape[1]
        gates = torch.addmm(p["controller.bias"], torch.cat([x, reads.flatten(1), hidden], 1), p["controller.weight"])
        i_and_f, g, o = gates.split([2 * size, size, size], 1)
        i, f = torch.sigmoid(i_and_f).chunk(2, 1)
        cell = torch.addcmul(f * cell, i, torch.tanh(g))
        return torch.sigmoid(o) * torch.tanh(cell), cell

    def orders(self, hidden):
        p, heads, width = self.parameters, self.heads, self.width
        batch, writes = hidden.shape[0], heads - self.read_heads
        control = torch.addmm(p["control.bias"], hidden, p["control.weight"])
        addressing, writing = control.split([heads * (width + 6), writes * 2 * width], 1)
        orders = addressing.view(batch, heads, -1).split([width, 1, 1, 3, 1], -1)
        erase, add = writing.view(batch, writes, -1).chunk(2, -1)
        return orders, torch.sigmoid(erase), torch.tanh(add)

    def address(self, key, strength, gate, offsets, gamma, memory, weights):
        key = torch.tanh(key)
        lengths = (key.square().sum(-1, keepdim=True) + EPSILON) * (memory.square().sum(-1) + EPSILON).unsqueeze(1)
        cosine = torch.bmm(key, memory.transpose(1, 2)) * torch.rsqrt(lengths)
        content = torch.softmax(F.softplus(strength) * cosine, -1)
        gated = torch.lerp(weights, content, torch.sigmoid(gate))
        ring = torch.cat([gated[..., -1:], gated, gated[..., :1]], -1)
        last, same, next_ = torch.softmax(offsets, -1).split(1, -1)
        shifted = torch.addcmul(torch.addcmul(ring[..., 2:] * last, ring[..., 1:-1], same), ring[..., :-2], next_)
        return torch.softmax((1 + F.softplus(gamma)) * torch.log(shifted + 1e-12), -1)

    def loss(self, x, targets):
        """The output layer and the loss once, for all time steps together."""
        p, state = self.parameters, self.start(x.shape[1])
        seen = []
        for row in x.unbind(0):
            both, state = self.step(row, state)
            seen.append(both)
        outputs = torch.stack(seen)[-len(targets):] @ p["output.weight"] + p["output.bias"]
        return F.binary_cross_entropy_with_logits(outputs, targets)


class CompiledNTM(TorchNTM):
    """The plain one, its time step through torch.compile."""

    def __init__(self, state, read_heads=1):
        super().__init__(state, read_heads)
        self.step = torch.compile(self.step, dynamic=False)


def training_step(model, x, targets, rate, clip):
    """A function that does forward, backward and RMSProp's update, and returns the model for its gradients."""
    x, targets = torch.tensor(x), torch.tensor(targets)
    optimiser = torch.optim.RMSprop(model.learned(), lr=rate, alpha=0.95, momentum=0.9, eps=1e-8)

    def step():
        optimiser.zero_grad()
        model.loss(x, targets).backward()
        torch.nn.utils.clip_grad_value_(model.learned(), clip)
        optimiser.step()
        return model

    return step
