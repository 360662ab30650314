"""The Neural Turing Machine's copy step in NumPy's words, for HIPS autograd and for jax: `np` is their numpy.

The equations of torch_ntm.py once more; p is {name of parameter: array}, of one read and one write head.
"""


def split(x, sizes):
    """The last axis in pieces of those sizes."""
    ends = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
    return [x[..., a:b] for a, b in zip(ends, ends[1:])]


def sigmoid(np, x):
    return 0.5 * np.tanh(0.5 * x) + 0.5


def softmax(np, x):
    parts = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return parts / np.sum(parts, axis=-1, keepdims=True)


def start(np, p, batch):
    names = ("controller.start_hidden", "controller.start_cell", "memory.start_memory", "memory.start_weights",
             "memory.start_reads")
    return tuple(np.zeros((batch,) + (1,) * p[name].ndim, "float32") + p[name] for name in names)


def step(np, p, x, state):
    hidden, cell, memory, weights, reads = state
    batch, width, size = len(x), memory.shape[2], hidden.shape[1]
    gates = np.concatenate([x, np.reshape(reads, (batch, width)), hidden], 1) @ p["controller.weight"]
    i, f, g, o = split(gates + p["controller.bias"], [size] * 4)
    cell = sigmoid(np, f) * cell + sigmoid(np, i) * np.tanh(g)
    hidden = sigmoid(np, o) * np.tanh(cell)
    control = hidden @ p["control.weight"] + p["control.bias"]
    addressing, erase, add = split(control, [2 * (width + 6), width, width])
    key, strength, gate, offsets, gamma = split(np.reshape(addressing, (batch, 2, width + 6)), [width, 1, 1, 3, 1])
    key, strength, gamma = np.tanh(key), np.logaddexp(strength, 0.0), 1 + np.logaddexp(gamma, 0.0)
    gate, offsets = sigmoid(np, gate), softmax(np, offsets)
    erase, add = sigmoid(np, erase)[:, None], np.tanh(add)[:, None]

    key_length = np.sqrt(np.sum(key * key, axis=-1, keepdims=True) + 1e-8)
    row_length = np.sqrt(np.sum(memory * memory, axis=-1) + 1e-8)[:, None]
    cosine = key @ np.swapaxes(memory, 1, 2) / (key_length * row_length)
    gated = weights + gate * (softmax(np, strength * cosine) - weights)
    ring = np.concatenate([gated[..., -1:], gated, gated[..., :1]], -1)
    shifted = ring[..., 2:] * offsets[..., 0:1] + ring[..., 1:-1] * offsets[..., 1:2] + ring[..., :-2] * offsets[..., 2:3]
    weights = softmax(np, gamma * np.log(shifted + 1e-12))
    reads = weights[:, :1] @ memory
    column = np.swapaxes(weights[:, 1:], 1, 2)
    memory = memory * (1 - column @ erase) + column @ add
    y = np.concatenate([hidden, np.reshape(reads, (batch, width))], 1) @ p["output.weight"] + p["output.bias"]
    return y, (hidden, cell, memory, weights, reads)


def cross_entropy(np, logits, targets):
    return np.mean(np.maximum(logits, 0) - logits * targets + np.log1p(np.exp(-np.abs(logits))))


def update(np, p, squares, delta, gradients, rate, clip):
    """RMSProp on every parameter that has a gradient. returns: the new p, squares, delta"""
    p, squares, delta = dict(p), dict(squares), dict(delta)
    for name, g in gradients.items():
        g = np.clip(g, -clip, clip)
        squares[name] = 0.95 * squares[name] + 0.05 * g * g
        delta[name] = 0.9 * delta[name] - rate * g / (np.sqrt(squares[name]) + 1e-8)
        p[name] = p[name] + delta[name]
    return p, squares, delta


def fixed_and_learned(state):
    """Which arrays of a model's state stand still, and which are learned."""
    fixed = {name: x for name, x in state.items() if name.endswith(("start_memory", "start_weights"))}
    return fixed, {name: x for name, x in state.items() if name not in fixed}


def with_autograd(state, x, targets, rate, clip):
    """A training step by HIPS autograd; returns its gradients."""
    import autograd
    import autograd.numpy as np
    fixed, learned = fixed_and_learned(state)
    zeros = {name: 0 * w for name, w in learned.items()}
    now = [learned, zeros, zeros]

    def loss(learned):
        p = {**fixed, **learned}
        memory, outputs = start(np, p, x.shape[1]), []
        for row in x:
            y, memory = step(np, p, row, memory)
            outputs.append(y)
        return cross_entropy(np, np.stack(outputs[-len(targets):]), targets)

    gradient = autograd.grad(loss)

    def train():
        gradients = gradient(now[0])
        now[:] = update(np, *now, gradients, rate, clip)
        return gradients

    return train


def with_jax(state, x, targets, rate, clip):
    """A training step by jax: a scan over time, and all of it compiled; returns its gradients."""
    import jax
    import jax.numpy as np
    fixed, learned = fixed_and_learned({name: np.asarray(w) for name, w in state.items()})
    zeros = {name: 0 * w for name, w in learned.items()}
    now = [learned, zeros, zeros]
    x, targets = np.asarray(x), np.asarray(targets)

    def loss(learned):
        p = {**fixed, **learned}
        _, outputs = jax.lax.scan(lambda memory, row: step(np, p, row, memory)[::-1], start(np, p, x.shape[1]), x)
        return cross_entropy(np, outputs[-len(targets):], targets)

    @jax.jit
    def compiled(p, squares, delta):
        gradients = jax.grad(loss)(p)
        return gradients, update(np, p, squares, delta, gradients, rate, clip)

    def train():
        gradients, now[:] = jax.block_until_ready(compiled(*now))
        return gradients

    return train
