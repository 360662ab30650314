"""Sequence to sequence with additive attention (Bahdanau et al. 2015): forward and backward of one training step.

An LSTM reads 20 vectors, another one writes 20 and looks back at every step; 64 hidden, 32 symbols. PyTorch's encoder is
the fused nn.LSTM, which needs no loop; its decoder is a loop over LSTMCell, as attention asks for.
"""

import numpy as np
import torch
import torch.nn.functional as F

from tests.bench.measure import Contender, compare
from tests.bench.plain import eager_and_recorded
from tests.bench.torch_lstm import gradients, load
from tinyaug import ops
from tinyaug.nn import LSTM, Linear, unroll
from tinyaug.nn.module import Module


class Seq2Seq(Module):
    """source (T, B, D), shifted (L, B, D) -> logits (L, B, V)

        e_j = v . tanh(W s + U h_j)        alpha = softmax(e)        c = sum_j alpha_j h_j
    """

    def __init__(self, inputs, hidden, outputs, *, rng):
        self.encoder, self.decoder = LSTM(inputs, hidden, rng=rng), LSTM(inputs + hidden, hidden, rng=rng)
        self.query, self.key = Linear(hidden, hidden, rng=rng), Linear(hidden, hidden, rng=rng, bias=False)
        self.score = Linear(hidden, 1, rng=rng, bias=False)
        self.output = Linear(2 * hidden, outputs, rng=rng)

    def forward(self, source, shifted):
        encoded, state = unroll(self.encoder, source)
        values = ops.swapaxes(encoded, 0, 1)                                         # (B, T, H)
        keys = self.key(values)
        outputs = []
        for y in ops.unstack(shifted, axis=0):
            query = ops.expand_dims(self.query(state.hidden), 1)                     # (B, 1, H)
            weights = ops.softmax(self.score(ops.tanh(query + keys)), axis=1)        # (B, T, 1)
            context = ops.squeeze(ops.swapaxes(weights, 1, 2) @ values, axis=1)      # (B, H)
            hidden, state = self.decoder(ops.concatenate([y, context], axis=-1), state)
            outputs.append(ops.concatenate([hidden, context], axis=-1))
        return self.output(ops.stack(outputs, axis=0))


class TorchSeq2Seq:
    """The same in PyTorch, with our weights."""

    def __init__(self, ours):
        encoder, decoder = ours.encoder, ours.decoder
        self.encoder = load(torch.nn.LSTM(encoder.input_size, encoder.output_size), encoder, "_l0")
        self.decoder = load(torch.nn.LSTMCell(decoder.input_size, decoder.output_size), decoder)
        layers = "query", "key", "score", "output", "encoder.start"
        self.leaves = {name: torch.tensor(p.numpy().T.copy(), requires_grad=True)
                       for name, p in ours.named_parameters() if name.startswith(layers)}

    def loss(self, source, shifted, targets):
        p, batch = self.leaves, source.shape[1]
        start = tuple(p[f"encoder.start_{name}"].expand(1, batch, -1).contiguous() for name in ("hidden", "cell"))
        encoded, (hidden, cell) = self.encoder(source, start)
        hidden, cell = hidden[0], cell[0]
        values = encoded.transpose(0, 1)
        keys = F.linear(values, p["key.weight"])
        outputs = []
        for y in shifted.unbind(0):
            query = F.linear(hidden, p["query.weight"], p["query.bias"]).unsqueeze(1)
            weights = torch.softmax(F.linear(torch.tanh(query + keys), p["score.weight"]), 1)
            context = torch.bmm(weights.transpose(1, 2), values).squeeze(1)
            hidden, cell = self.decoder(torch.cat([y, context], 1), (hidden, cell))
            outputs.append(torch.cat([hidden, context], 1))
        logits = F.linear(torch.stack(outputs), p["output.weight"], p["output.bias"])
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def gradients(self):
        return ({name: p.grad.T if p.grad.ndim == 2 else p.grad for name, p in self.leaves.items()}
                | gradients(self.encoder, "_l0", "encoder.") | gradients(self.decoder, "", "decoder."))

    def zero_grad(self):
        self.encoder.zero_grad()
        self.decoder.zero_grad()
        for p in self.leaves.values():
            p.grad = None


def run(case, options):
    length, symbols, hidden = (3, 5, 4) if options.quick else (20, 32, 64)
    batch = int(case.removeprefix("batch "))
    rng = np.random.default_rng(0)
    source, shifted = rng.normal(size=(2, length, batch, symbols)).astype(np.float32)
    targets = rng.integers(0, symbols, (length, batch))
    model = Seq2Seq(symbols, hidden, symbols, rng=rng)
    mine = eager_and_recorded(lambda source, shifted, targets: ops.cross_entropy(model(source, shifted), targets),
                              {}, model, constants=[source, shifted, targets])
    theirs = TorchSeq2Seq(model)
    data = [torch.tensor(x) for x in (source, shifted, targets)]

    def step():
        theirs.zero_grad()
        theirs.loss(*data).backward()
        return theirs

    return compare([Contender("PyTorch eager", step, lambda theirs: theirs.gradients()), *mine], options.quick)
