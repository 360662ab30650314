"""Sequence to sequence: one network reads, another one writes and looks back at every step.

    y_t, s_t = core([embedded symbol, feed_{t-1}], s_{t-1})
    c_t = attend(y_t, keys, values)
    h~_t = tanh(W_c [c_t, y_t])                                                              Luong 2015 eq. (5)
    p(symbol) = softmax(W_s h~_t)                                                            Luong 2015 eq. (6)

The core is any Core, the score any score. What is fed: h~ of the step before ("input feeding", section 3.3), and at the
first step, in its place, tanh of a linear map of the source's summary, or of a learned vector. Without input feeding that is
fed at every step.

Deviation: where Bahdanau's decoder attends with the state before the step, this one attends with the output of the step.
"""

from typing import Any, NamedTuple

from tinyaug import ops
from tinyaug.attention.attend import attend
from tinyaug.attention.scores import project
from tinyaug.autograd import Tensor
from tinyaug.nn import initialise
from tinyaug.nn.layers import Embedding, Linear
from tinyaug.nn.module import Module, Parameter

__all__ = ["Source", "DecoderState", "Decoder", "Seq2Seq", "sequence_loss"]


class Source(NamedTuple):
    """What was read."""

    keys: Tensor                      # (B, N, .) as the score's `project` gives them
    values: Tensor                    # (B, N, H)
    mask: Any                         # (B, 1, N), True where there is something; None: everywhere
    lengths: Any                      # (B,) how many of the N are real; None where no window asks for it
    summary: Tensor                   # (B, H)


class DecoderState(NamedTuple):
    """What a decoder carries from step to step."""

    core: Any                         # of the core
    feed: Tensor                      # (B, A) what the next step sees beside its symbol
    step: Tensor                      # (B, 1, 1) how many symbols were written


class Decoder(Module):
    """Writes a sequence of symbols.

    symbols: how many there are; core: a Core whose input is embedding + size wide
    source_size: width of the source's vectors; size: of h~
    score:   of attention, from the core's output to the source's vectors; None: no attention, the baseline
    window:  see windows.py; None: global attention
    summary: False: it begins with a learned vector, so that all it knows of the source has come through attention
    deviation: of the symbols' vectors at first; of thousands of words 1.0, for each gets few steps of its own
    """

    def __init__(self, symbols, core, *, embedding, source_size, size, score, window=None, input_feeding=True, summary=True,
                 deviation=0.1, rng):
        if core.input_size != embedding + size:
            raise ValueError(f"Decoder: core has input_size {core.input_size}, expected {embedding + size} "
                             f"(embedding {embedding} + feed {size})")
        self.symbols, self.input_feeding = symbols, input_feeding
        self.core, self.score, self.window = core, score, window
        self.embedding = Embedding(symbols, embedding, rng=rng, deviation=deviation)
        self.start = Linear(source_size, size, rng=rng) if summary else Parameter(initialise.normal(rng, size, 0.1))
        self.combine = Linear(core.output_size + (source_size if score else 0), size, rng=rng)
        self.output = Linear(size, symbols, rng=rng)

    def initial_state(self, source):
        if isinstance(self.start, Linear):
            feed = ops.tanh(self.start(source.summary))
        else:
            feed = ops.broadcast_to(ops.tanh(self.start), (source.summary.shape[0], *self.start.shape))
        step = ops.reshape(ops.zeros_like(feed[:, 0]), (-1, 1, 1))
        return DecoderState(self.core.initial_state(feed.shape[0]), feed, step)

    def forward(self, embedded, state, source):
        """One step up to h~: embedded (B, E) -> h~ (B, A), weights (B, N) or None, state."""
        y, core = self.core(ops.concatenate([embedded, state.feed], axis=-1), state.core)
        seen, weights = self.look(y, state.step, source)
        attentional = ops.tanh(self.combine(seen))
        feed = attentional if self.input_feeding else state.feed
        return attentional, weights, DecoderState(core, feed, state.step + 1)

    def look(self, y, step, source):
        """The output of the core with what it sees of the source beside it."""
        if self.score is None:
            return y, None
        query, mask, emphasis = ops.expand_dims(y, 1), source.mask, None                     # (B, 1, H)
        if self.window is not None:
            near, emphasis = self.window(query, step, source.lengths, source.values.shape[1])
            mask = near if mask is None else ops.logical_and(near, mask)
        context, weights = attend(query, source.keys, source.values, self.score, mask, emphasis)
        return ops.concatenate([ops.squeeze(context, axis=1), y], axis=-1), ops.squeeze(weights, axis=1)


class Seq2Seq(Module):
    """Reads symbols with an encoder, writes symbols with a decoder.

    encoder: maps inputs (B, N, D) and a mask (B, N) to vectors (B, N, H) and a summary (B, H), as `Bidirectional` does;
             or to vectors, their mask and a summary, as `Pyramid` does
    embed:   source symbols (B, N) -> (B, N, D); None where the source is vectors
    padding: the symbol that is none; only symbols are masked, vectors bring `mask`
    """

    def __init__(self, encoder, decoder, *, embed=None, padding=0):
        self.embed, self.encoder, self.decoder, self.padding = embed, encoder, decoder, padding

    def read(self, source, mask=None):
        """(B, N) symbols or (B, N, D) vectors -> Source. mask: (B, N), True where there is something"""
        if self.embed is not None:
            mask = source != self.padding if mask is None else mask
            source = self.embed(source)
        values, *inner, summary = self.encoder(source, mask)
        mask = inner[0] if inner else mask
        keys = project(self.decoder.score, values)
        if mask is None:
            lengths = ops.sum(ops.ones_like(values[:, :, 0]), axis=1)
            return Source(keys, values, None, lengths, summary)
        lengths = ops.sum(ops.astype(mask, values.dtype), axis=1)
        return Source(keys, values, ops.expand_dims(mask, 1), lengths, summary)

    def forward(self, source, shifted, mask=None, own=None):
        """Logits for each symbol, given those before it ("teacher forcing").

        shifted: (B, T) the symbols before each one
        own:     (B, T) True where the model's own likeliest symbol of the step before stands in the place of the given one:
                 scheduled sampling, Bengio 2015. Its choice counts as constant.
        returns: logits (B, T, V) and weights (B, T, N), or None without attention
        """
        source = self.read(source, mask)
        state, outputs, weights, chosen = self.decoder.initial_state(source), [], [], None
        given = ops.unstack(self.decoder.embedding(shifted), axis=1)
        for t, embedded in enumerate(given):
            if own is not None and t > 0:
                embedded = ops.where(own[:, t:t + 1], self.decoder.embedding(chosen), embedded)
            y, looked, state = self.decoder(embedded, state, source)
            outputs.append(y)
            weights.append(looked)
            if own is not None:
                chosen = ops.argmax(self.decoder.output(y), axis=-1)
        logits = self.decoder.output(ops.stack(outputs, axis=1))
        return logits, None if weights[0] is None else ops.stack(weights, axis=1)

    def begin(self, source, mask=None):
        """The state from which `step` writes."""
        read = self.read(source, mask)
        return read, self.decoder.initial_state(read)

    def step(self, symbols, state):
        """symbols (B,) written last -> logits (B, V), weights (B, N) or None, state."""
        read, inner = state
        y, weights, inner = self.decoder(self.decoder.embedding(symbols), inner, read)
        return self.decoder.output(y), weights, (read, inner)


def sequence_loss(logits, targets, padding=0):
    """Mean cross-entropy of the symbols that are not padding, in nats. logits: (B, T, V), targets: (B, T)"""
    real = ops.astype(targets != padding, logits.dtype)
    return ops.sum(ops.cross_entropy(logits, targets, reduction="none") * real) / ops.sum(real)
