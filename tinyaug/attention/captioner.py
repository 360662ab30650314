"""Show, attend and tell (Xu et al. 2015): a picture in patches, a sentence about it, and where it looks for each word.

    soft    the context is the mean of the patches by their weights: plain gradients
    hard    the context is one patch, drawn by the weights: REINFORCE for the draw, plain gradients for the rest
    none    no attention: the mean of all patches, the baseline
"""

from typing import Any, NamedTuple

from tinyaug import ops
from tinyaug.attention.attend import attend
from tinyaug.attention.hard import attend_hard
from tinyaug.attention.scores import Additive, project
from tinyaug.autograd import Tensor
from tinyaug.nn import initialise
from tinyaug.nn.cells import LSTM
from tinyaug.nn.layers import Embedding, Linear
from tinyaug.nn.module import Module, Parameter

__all__ = ["Captioner", "CaptionState", "patches"]


def patches(pictures, size):
    """(B, height, width, channels) -> (B, N, size size channels): squares that do not overlap, row by row.

    raises: ValueError where height or width is no multiple of size
    """
    batch, height, width, channels = pictures.shape
    if height % size or width % size:
        raise ValueError(f"patches: pictures of {height} x {width}, expected multiples of the patch size {size}")
    rows, columns = height // size, width // size
    cut = ops.reshape(pictures, (batch, rows, size, columns, size, channels))
    return ops.reshape(ops.transpose(cut, axes=(0, 1, 3, 2, 4, 5)), (batch, rows * columns, size * size * channels))


class CaptionState(NamedTuple):
    """What a captioner carries from word to word."""

    values: Tensor                    # (B, N, H) the patches
    keys: Tensor                      # (B, N, H)
    core: Any                         # of the LSTM
    hidden: Tensor                    # (B, H) its last output


class Captioner(Module):
    """Reads pictures, writes words; attends with the output of the word before, as the paper does.

        a_i = tanh(patch_i W + place_i)
        z_t = attend(h_{t-1}, a)                                                             Xu 2015, section 3.1.2
        h_t = LSTM([word_{t-1}, z_t]),  p(word) = softmax([h_t, z_t] W)

    looks:   "soft", "hard" or "none"
    patch:   side of a patch in pixels; places: how many there are
    depth:   layers that a patch goes through on its own; what is small and simple needs one

    Deviation: the patches go through few layers, where the paper takes those of a network that was trained on ImageNet; the
    output has no layer in between, and the doubly stochastic penalty is left out.
    """

    def __init__(self, symbols, *, patch, channels, places, hidden, embedding, looks="soft", depth=1, rng):
        if looks not in ("soft", "hard", "none"):
            raise ValueError(f"Captioner: looks {looks!r}, expected soft, hard or none")
        self.patch, self.looks = patch, looks
        self.see = Linear(patch * patch * channels, hidden, rng=rng)
        self.deeper = [Linear(hidden, hidden, rng=rng) for _ in range(depth - 1)]
        self.places = Parameter(initialise.normal(rng, (places, hidden), 0.3))
        self.score = None if looks == "none" else Additive(hidden, hidden, hidden, rng=rng)
        self.words = Embedding(symbols, embedding, rng=rng)
        self.core = LSTM(embedding + hidden, hidden, rng=rng)
        self.output = Linear(2 * hidden, symbols, rng=rng)

    def begin(self, pictures):
        """(B, height, width, channels) -> the state from which `step` writes"""
        values = self.see(patches(pictures, self.patch))
        for layer in self.deeper:
            values = layer(ops.relu(values))
        values = ops.tanh(values + self.places)
        core = self.core.initial_state(pictures.shape[0])
        return CaptionState(values, project(self.score, values), core, core.hidden)

    def look(self, state, noise=None, expected=None):
        """z_t (B, H), weights (B, N) or None, and the Glance of a draw or None. noise: (B, 1, N), see `attend_hard`

        expected: (B,) True: the mean by the weights takes the place of the draw (Xu 2015, section 4.1); None: of no draw
        """
        if self.looks == "none":
            return ops.mean(state.values, axis=1), None, None
        query, glance = ops.expand_dims(state.hidden, 1), None
        if self.looks == "soft":
            context, weights = attend(query, state.keys, state.values, self.score)
        else:
            context, glance = attend_hard(query, state.keys, state.values, self.score, noise=noise)
            weights = glance.weights
            if expected is not None:
                context = ops.where(ops.reshape(expected, (-1, 1, 1)), weights @ state.values, context)
        return ops.squeeze(context, axis=1), ops.squeeze(weights, axis=1), glance

    def write(self, words, state, noise=None, expected=None):
        """One word: (B,) -> logits (B, V), weights, Glance, state"""
        seen, weights, glance = self.look(state, noise, expected)
        hidden, core = self.core(ops.concatenate([self.words(words), seen], axis=-1), state.core)
        logits = self.output(ops.concatenate([hidden, seen], axis=-1))
        return logits, weights, glance, state._replace(core=core, hidden=hidden)

    def step(self, words, state):
        """words (B,) written last -> logits (B, V), weights (B, N) or None, state; hard attention takes the likeliest."""
        logits, weights, _, state = self.write(words, state)
        return logits, weights, state

    def forward(self, pictures, shifted, noise=None, expected=None):
        """Logits (B, T, V) of each word given those before it.

        shifted: (B, T); for hard attention noise: (B, T, N), expected: (B,), see `look`
        returns: logits, and of hard attention log-likelihood and entropy of the draws, (B, T) each, else None
        """
        state, logits, logs, entropies = self.begin(pictures), [], [], []
        for t, words in enumerate(ops.unstack(shifted, axis=1)):
            y, _, glance, state = self.write(words, state, None if noise is None else noise[:, t:t + 1], expected)
            logits.append(y)
            if glance is not None:
                logs.append(glance.log_likelihood)
                entropies.append(glance.entropy)
        draws = (ops.concatenate(logs, axis=1), ops.concatenate(entropies, axis=1)) if logs else None
        return ops.stack(logits, axis=1), draws
