"""Pointer networks: the output is a place of the input (Vinyals, Fortunato, Jaitly 2015).

Attention's weights are the answer themselves: no context is read, and there is no fixed set of symbols.
"""

from typing import Any, NamedTuple

from tinyaug import ops
from tinyaug.attention.attend import attend, masked
from tinyaug.attention.scores import project
from tinyaug.attention.transformer import Encoder
from tinyaug.autograd import Tensor
from tinyaug.nn import initialise
from tinyaug.nn.layers import Linear
from tinyaug.nn.module import Module, Parameter

__all__ = ["Pointer", "PointerState", "SetEncoder"]


class SetEncoder(Module):
    """Reads things that have no order: a Transformer's encoder without positions. Each has one vector in every order.

    inputs: (B, N, H), mask: (B, N) or None -> (B, N, H) and a summary (B, H), their mean

    Deviation: Vinyals 2015 reads points with an LSTM, for which each order of the same points is another input. Attention
    over the points is the encoder of Kool, van Hoof, Welling 2019.
    """

    def __init__(self, width, heads, layers, *, rng):
        self.layers = Encoder(width, heads, 2 * width, layers, rng=rng)
        self.input_size = self.output_size = width

    def forward(self, inputs, mask=None):
        if mask is None:
            values = self.layers(inputs)
            return values, ops.mean(values, axis=1)
        values = self.layers(inputs, ops.expand_dims(mask, 1))
        real = ops.expand_dims(ops.astype(mask, values.dtype), -1)
        return values, ops.sum(values * real, axis=1) / ops.sum(real, axis=1)


class PointerState(NamedTuple):
    """What a pointer network carries from step to step."""

    points: Tensor                    # (B, N, E) what may be pointed at, embedded
    values: Tensor                    # (B, N, H) the encoder's vectors
    keys: Tensor                      # (B, N, .) as the score's `project` gives them
    glances: Any                      # (B, N, .) the same for the glimpse
    core: Any                         # of the decoder's core
    free: Tensor                      # (B, N) True where one may point
    first: Tensor                     # (B, E) what the decoder sees before it has pointed


class Pointer(Module):
    """Reads points with an encoder, points at one of them at each step.

        u_j = v . tanh(W_1 e_j + W_2 d_i),  p(C_i = j) = softmax(u)_j                        Vinyals 2015, section 2.3

    encoder: maps (B, N, E) to vectors (B, N, H) and a summary (B, H), as `Bidirectional` and `SetEncoder` do
    core:    a Core of E + H inputs: the point of the last step, and the summary
    score:   from the core's output to the encoder's vectors
    glimpse: a score with which the decoder first looks at everything, to point with what it saw beside its own output; None:
             without (Vinyals, Bengio, Kudlur 2016, eq. 8)
    once:    True: nothing is pointed at twice
    """

    def __init__(self, inputs, embedding, encoder, core, score, *, glimpse=None, once=False, rng):
        self.embed = Linear(inputs, embedding, rng=rng)
        self.encoder, self.core, self.score, self.glimpse, self.once = encoder, core, score, glimpse, once
        self.start = Parameter(initialise.normal(rng, embedding, 0.1))
        self.combine = None if glimpse is None else Linear(core.output_size + encoder.output_size, core.output_size, rng=rng)

    def begin(self, points, free=None):
        """points (B, N, D), free (B, N): True where one may point -> the state from which `step` points"""
        embedded = self.embed(points)
        free = ops.ones_like(embedded[:, :, 0]) > 0 if free is None else free
        values, summary = self.encoder(embedded)
        first = ops.broadcast_to(self.start, (points.shape[0], *self.start.shape))
        core = self.core.initial_state(points.shape[0])
        keys, glances = project(self.score, values), project(self.glimpse, values)
        return summary, PointerState(embedded, values, keys, glances, core, free, first)

    def step(self, places, state):
        """places (B,): where it pointed last, or None at first -> logits (B, N), weights (B, N), state"""
        summary, s = state
        if places is None:
            seen, free = s.first, s.free
        else:
            chosen = ops.astype(ops.one_hot(places, classes=s.points.shape[1]), s.points.dtype)              # (B, N)
            seen = ops.squeeze(ops.expand_dims(chosen, 1) @ s.points, axis=1)
            free = ops.logical_and(s.free, chosen == 0) if self.once else s.free
        y, core = self.core(ops.concatenate([seen, summary], axis=-1), s.core)
        query, mask = ops.expand_dims(y, 1), ops.expand_dims(free, 1)
        if self.glimpse is not None:
            context, _ = attend(query, s.glances, s.values, self.glimpse, mask)
            query = ops.tanh(self.combine(ops.concatenate([query, context], axis=-1)))
        logits = ops.squeeze(masked(self.score(query, s.keys), mask), axis=1)
        return logits, ops.softmax(logits, axis=-1), (summary, s._replace(core=core, free=free))

    def forward(self, points, targets, free=None):
        """Logits (B, T, N) of each place, given the right ones before it. targets: (B, T) integers"""
        state, logits, place = self.begin(points, free), [], None
        for following in ops.unstack(targets, axis=1):
            scores, _, state = self.step(place, state)
            logits.append(scores)
            place = following
        return ops.stack(logits, axis=1)

    def point(self, points, steps, free=None):
        """The likeliest place at each step: (B, steps) integers and the weights (B, steps, N)."""
        state, places, weights, place = self.begin(points, free), [], [], None
        for _ in range(steps):
            logits, looked, state = self.step(place, state)
            place = ops.argmax(logits, axis=-1)
            places.append(place)
            weights.append(looked)
        return ops.stack(places, axis=1), ops.stack(weights, axis=1)
