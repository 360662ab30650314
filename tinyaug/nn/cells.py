"""Cores: one step of a recurrent network.

A Core has `initial_state(batch)` and, called as `core(x, state)`, returns `(y, state)`. State is a NamedTuple of
Tensors, handed in and returned, never kept on the module. `input_size` and `output_size` are its widths.
"""

from typing import NamedTuple

from tinyaug import ops
from tinyaug.autograd import Tensor
from tinyaug.nn import initialise
from tinyaug.nn.layers import Linear
from tinyaug.nn.module import Module, Parameter

__all__ = ["LSTM", "LSTMState", "GRU", "RNN", "FeedForward", "Readout", "Stack", "HiddenState", "unroll", "repeat_for_batch"]


def repeat_for_batch(row, batch):
    """A start value (...) as the same start for every sequence: (B, ...)."""
    return ops.broadcast_to(row, (batch, *row.shape))


class HiddenState(NamedTuple):
    """State of a core that remembers one vector."""

    hidden: Tensor                    # (B, H)


class LSTMState(NamedTuple):
    """State of an LSTM."""

    hidden: Tensor                    # (B, H)
    cell: Tensor                      # (B, H)


class LSTM(Module):
    """Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000).

        i, f, g, o = [x, h] W + b
        c' = sigmoid(f) c + sigmoid(i) tanh(g)
        h' = sigmoid(o) tanh(c')

    x: (B, D) -> (B, H). W: (D + H, 4H), blocks in the order i, f, g, o. The start of h and c is learned.
    forget_bias: added to f at the start of training, so that the cell begins by remembering
    """

    state_notes = {"hidden": "learned vector", "cell": "learned vector"}

    def __init__(self, input_size, output_size, *, rng, forget_bias=1.0):
        self.input_size, self.output_size = input_size, output_size
        self.weight = Parameter(initialise.glorot(rng, (input_size + output_size, 4 * output_size)))
        bias = initialise.zeros(4 * output_size)
        bias[output_size:2 * output_size] = forget_bias
        self.bias = Parameter(bias)
        self.start_hidden = Parameter(initialise.zeros(output_size))
        self.start_cell = Parameter(initialise.zeros(output_size))

    def initial_state(self, batch):
        return LSTMState(repeat_for_batch(self.start_hidden, batch), repeat_for_batch(self.start_cell, batch))

    def forward(self, x, state):
        gates = ops.concatenate([x, state.hidden], axis=-1) @ self.weight + self.bias
        size = self.output_size
        input_and_forget, candidate, output_gate = ops.split(gates, [2 * size, 3 * size], axis=-1)
        input_gate, forget_gate = ops.split(ops.sigmoid(input_and_forget), 2, axis=-1)
        cell = forget_gate * state.cell + input_gate * ops.tanh(candidate)
        hidden = ops.sigmoid(output_gate) * ops.tanh(cell)
        return hidden, LSTMState(hidden, cell)


class GRU(Module):
    """Gated recurrent unit (Cho et al. 2014, eqs. 5-8).

        r = sigmoid([x, h] W_r + b_r)      reset
        z = sigmoid([x, h] W_z + b_z)      update
        n = tanh([x, r h] W_n + b_n)       candidate
        h' = z h + (1 - z) n

    x: (B, D) -> (B, H)
    """

    state_notes = {"hidden": "learned vector"}

    def __init__(self, input_size, output_size, *, rng):
        self.input_size, self.output_size = input_size, output_size
        self.gates = Linear(input_size + output_size, 2 * output_size, rng=rng)
        self.candidate = Linear(input_size + output_size, output_size, rng=rng)
        self.start_hidden = Parameter(initialise.zeros(output_size))

    def initial_state(self, batch):
        return HiddenState(repeat_for_batch(self.start_hidden, batch))

    def forward(self, x, state):
        gates = ops.sigmoid(self.gates(ops.concatenate([x, state.hidden], axis=-1)))
        reset, update = ops.split(gates, 2, axis=-1)
        candidate = ops.tanh(self.candidate(ops.concatenate([x, reset * state.hidden], axis=-1)))
        hidden = update * state.hidden + (1 - update) * candidate
        return hidden, HiddenState(hidden)


class RNN(Module):
    """Simple recurrent network (Elman 1990): h' = tanh([x, h] W + b). x: (B, D) -> (B, H)."""

    state_notes = {"hidden": "learned vector"}

    def __init__(self, input_size, output_size, *, rng):
        self.input_size, self.output_size = input_size, output_size
        self.linear = Linear(input_size + output_size, output_size, rng=rng)
        self.start_hidden = Parameter(initialise.zeros(output_size))

    def initial_state(self, batch):
        return HiddenState(repeat_for_batch(self.start_hidden, batch))

    def forward(self, x, state):
        hidden = ops.tanh(self.linear(ops.concatenate([x, state.hidden], axis=-1)))
        return hidden, HiddenState(hidden)


class FeedForward(Module):
    """A core that remembers nothing: y = tanh(x W + b). With a memory beside it, all that it knows is in the memory.

    x: (B, D) -> (B, H); the state is ()
    """

    def __init__(self, input_size, output_size, *, rng):
        self.input_size, self.output_size = input_size, output_size
        self.linear = Linear(input_size, output_size, rng=rng)

    def initial_state(self, batch):
        return ()

    def forward(self, x, state):
        return ops.tanh(self.linear(x)), ()


class Readout(Module):
    """A linear layer in the place of a core, y = x W + b: the last of a Stack. x: (B, D) -> (B, H); the state is ()."""

    def __init__(self, input_size, output_size, *, rng):
        self.input_size, self.output_size = input_size, output_size
        self.linear = Linear(input_size, output_size, rng=rng)

    def initial_state(self, batch):
        return ()

    def forward(self, x, state):
        return self.linear(x), ()


class Stack(Module):
    """Cores on top of one another, each fed by the one below; a Core again, with the tuple of their states.

    raises: ValueError where one core's output is not as wide as the next one's input
    """

    def __init__(self, cores):
        for below, above in zip(cores, cores[1:]):
            if below.output_size != above.input_size:
                raise ValueError(f"Stack: a core of output_size {below.output_size} under one of input_size "
                                 f"{above.input_size}; expected equal sizes")
        self.cores = list(cores)
        self.input_size, self.output_size = cores[0].input_size, cores[-1].output_size

    def initial_state(self, batch):
        return tuple(core.initial_state(batch) for core in self.cores)

    def forward(self, x, state):
        states = []
        for core, before in zip(self.cores, state):
            x, after = core(x, before)
            states.append(after)
        return x, tuple(states)


def unroll(core, inputs, state=None, trace=None):
    """Run a core over a sequence.

    inputs: (T, B, D) -> outputs (T, B, H) and the last state; state: where to start, the core's own start if None
    trace:  a list that gets every state, for figures
    """
    if state is None:
        state = core.initial_state(inputs.shape[1])
    outputs = []
    for x in ops.unstack(inputs, axis=0):
        y, state = core(x, state)
        outputs.append(y)
        if trace is not None:
            trace.append(state)
    return ops.stack(outputs, axis=0), state
