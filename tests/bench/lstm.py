"""An LSTM over T = 100 steps, 32 inputs, 100 hidden: forward and backward, gradients of weights, start and inputs."""

import numpy as np
import torch

from tests.bench.measure import Contender, compare
from tests.bench.plain import eager_and_recorded
from tests.bench.torch_lstm import gradients, load
from tinyaug import ops
from tinyaug.nn import LSTM, unroll


def run(case, options):
    length, inputs, hidden = (5, 3, 4) if options.quick else (100, 32, 100)
    batch = int(case.removeprefix("batch "))
    rng = np.random.default_rng(0)
    x, c = (rng.normal(size=(length, batch, size)).astype(np.float32) for size in (inputs, hidden))
    ours = LSTM(inputs, hidden, rng=rng)
    mine = eager_and_recorded(lambda x, c: ops.sum(unroll(ours, x)[0] * c), {"x": x}, ours, constants=[c])
    fused = load(torch.nn.LSTM(inputs, hidden), ours, "_l0")
    cell = load(torch.nn.LSTMCell(inputs, hidden), ours)
    return compare([contender("LSTMCell loop", cell, loop, "", ours, x, c),
                    contender("nn.LSTM", fused, at_once, "_l0", ours, x, c), *mine], options.quick)


def loop(cell, x, hidden, state):
    """One call of the cell a time step."""
    outputs = []
    for row in x.unbind(0):
        hidden, state = cell(row, (hidden, state))
        outputs.append(hidden)
    return torch.stack(outputs)


def at_once(lstm, x, hidden, state):
    """The fused layer: all time steps in one call into C++."""
    return lstm(x, (hidden.unsqueeze(0), state.unsqueeze(0)))[0]


def contender(name, module, forward, layer, ours, x, c):
    leaves = {"x": torch.tensor(x, requires_grad=True),
              **{name: torch.tensor(getattr(ours, name).numpy(), requires_grad=True)
                 for name in ("start_hidden", "start_cell")}}
    c, batch = torch.tensor(c), x.shape[1]

    def step():
        module.zero_grad()
        for leaf in leaves.values():
            leaf.grad = None
        hidden, state = (leaves[name].expand(batch, -1) for name in ("start_hidden", "start_cell"))
        (forward(module, leaves["x"], hidden, state) * c).sum().backward()

    def read(_):
        return {name: leaf.grad for name, leaf in leaves.items()} | gradients(module, layer)

    return Contender(name, step, read)
