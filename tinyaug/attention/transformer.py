"""The Transformer: attention alone, no recurrence (Vaswani et al. 2017).

    encoder layer:  x + attention(x, x, x),                                        then x + network(x)
    decoder layer:  x + causal attention(x, x, x),  x + attention(x, source, source),  x + network(x)

Every place is computed at once, so the longest chain of ops does not grow with the length; but nothing says where a place
is, so positions are added to the embeddings.

Deviation: the layer norm stands before each part and once at the end, not after each sum: it trains without a long warm-up
(Xiong et al. 2020). No dropout: what is drawn here is never seen twice.
"""

from math import cos, sin, sqrt
from typing import Any, NamedTuple

from tinyaug import ops
from tinyaug.attention.attend import causal_mask
from tinyaug.attention.multihead import MultiHead
from tinyaug.autograd import Tensor
from tinyaug.nn import initialise
from tinyaug.nn.layers import Embedding, LayerNorm, Linear
from tinyaug.nn.module import Constant, Module, Parameter

__all__ = ["sinusoids", "Positions", "PositionWise", "EncoderLayer", "DecoderLayer", "Encoder", "Transformer",
           "TransformerState"]


def sinusoids(length, width):
    """A table of waves, one place a row; a shift by k places is a rotation of each pair of columns.

        PE(pos, 2i) = sin(pos / 10000^(2i / D)),  PE(pos, 2i + 1) = cos(the same)            Vaswani 2017, section 3.5

    returns: length rows of `width` numbers
    """
    def wave(at, column):
        angle = at / 10000 ** (column // 2 * 2 / width)
        return cos(angle) if column % 2 else sin(angle)
    return [[wave(at, column) for column in range(width)] for at in range(length)]


class Positions(Module):
    """Adds to each place of (B, T, D) a vector of that place: fixed waves, or learned.

    raises: ValueError for another kind, and where a sequence is longer than `longest`
    """

    def __init__(self, longest, width, kind="sinusoidal", *, rng):
        if kind not in ("sinusoidal", "learned"):
            raise ValueError(f"Positions: kind {kind!r}, expected sinusoidal or learned")
        self.longest = longest
        if kind == "learned":
            self.table = Parameter(initialise.normal(rng, (longest, width), 0.1))
        else:
            self.table = Constant(sinusoids(longest, width))

    def forward(self, x):
        if x.shape[1] > self.longest:
            raise ValueError(f"Positions: {x.shape[1]} places, expected at most {self.longest}; "
                             f"build it with longest={x.shape[1]}")
        return x + self.table[:x.shape[1]]


class PositionWise(Module):
    """The same small network at every place.

        FFN(x) = max(0, x W_1 + b_1) W_2 + b_2                                               Vaswani 2017 eq. (2)
    """

    def __init__(self, width, hidden, *, rng):
        self.up, self.down = Linear(width, hidden, rng=rng), Linear(hidden, width, rng=rng)

    def forward(self, x):
        return self.down(ops.relu(self.up(x)))


class EncoderLayer(Module):
    """x: (B, T, D), mask: what broadcasts to (B, T, T) -> (B, T, D) and weights (B, R, T, T)"""

    def __init__(self, width, heads, hidden, *, rng):
        self.before_look, self.before_network = LayerNorm(width), LayerNorm(width)
        self.look, self.network = MultiHead(width, heads, rng=rng), PositionWise(width, hidden, rng=rng)

    def forward(self, x, mask=None):
        y = self.before_look(x)
        seen, weights = self.look(y, y, y, mask)
        x = x + seen
        return x + self.network(self.before_network(x)), weights


class DecoderLayer(Module):
    """x: (B, T, D), source: (B, N, D), mask of the source (B, 1, N) -> (B, T, D) and weights over the source (B, R, T, N)"""

    def __init__(self, width, heads, hidden, *, rng):
        self.before_back, self.before_source, self.before_network = (LayerNorm(width) for _ in range(3))
        self.back, self.source = (MultiHead(width, heads, rng=rng) for _ in range(2))
        self.network = PositionWise(width, hidden, rng=rng)

    def forward(self, x, source, mask=None):
        y = self.before_back(x)
        x = x + self.back(y, y, y, causal_mask(y))[0]
        seen, weights = self.source(self.before_source(x), source, source, mask)
        x = x + seen
        return x + self.network(self.before_network(x)), weights


class Encoder(Module):
    """Layers on one another. x: (B, T, D), mask: (B, 1, T) or None -> (B, T, D)"""

    def __init__(self, width, heads, hidden, layers, *, rng):
        self.layers = [EncoderLayer(width, heads, hidden, rng=rng) for _ in range(layers)]
        self.norm = LayerNorm(width)

    def forward(self, x, mask=None):
        for layer in self.layers:
            x, _ = layer(x, mask)
        return self.norm(x)


class TransformerState(NamedTuple):
    """What decoding carries from step to step."""

    source: Tensor                    # (B, N, D)
    mask: Any                         # (B, 1, N) or None
    written: Any                      # (B, t) the symbols so far; None before the first


class Transformer(Module):
    """Reads symbols (B, N), writes symbols (B, T).

    source_symbols: how many there are; None: the source is vectors of `width`, and brings its mask
    longest: of source and target; padding: the source symbol that is none

    Embeddings are drawn with deviation 1 / sqrt(D) and scaled by sqrt(D), section 3.4.

    Deviation: source, target and output have matrices of their own; the paper shares one.
    """

    def __init__(self, source_symbols, symbols, *, width, heads, hidden, layers, longest, positions="sinusoidal", padding=0,
                 rng):
        self.width, self.padding, self.symbols = width, padding, symbols
        self.embed = None if source_symbols is None else Embedding(source_symbols, width, rng=rng, deviation=width ** -0.5)
        self.embed_target = Embedding(symbols, width, rng=rng, deviation=width ** -0.5)
        self.places = Positions(longest, width, positions, rng=rng)
        self.encoder = Encoder(width, heads, hidden, layers, rng=rng)
        self.decoder = [DecoderLayer(width, heads, hidden, rng=rng) for _ in range(layers)]
        self.norm = LayerNorm(width)
        self.output = Linear(width, symbols, rng=rng)

    def read(self, source, mask=None):
        """Symbols (B, N) or vectors (B, N, D), mask (B, N) -> (B, N, D) and the mask (B, 1, N) or None"""
        if self.embed is not None:
            mask = source != self.padding if mask is None else mask
            source = self.embed(source) * sqrt(self.width)
        mask = None if mask is None else ops.expand_dims(mask, 1)
        return self.encoder(self.places(source), mask), mask

    def write(self, shifted, source, mask):
        """The decoder: symbols (B, T) -> h (B, T, D) and the last layer's weights over the source, all heads (B, R, T, N)"""
        x = self.places(self.embed_target(shifted) * sqrt(self.width))
        for layer in self.decoder:
            x, weights = layer(x, source, mask)
        return self.norm(x), weights

    def forward(self, source, shifted, mask=None):
        """Logits (B, T, V) for each symbol given those before it, and weights (B, T, N), the mean over heads."""
        h, weights = self.write(shifted, *self.read(source, mask))
        return self.output(h), ops.mean(weights, axis=1)

    def begin(self, source, mask=None):
        """The state from which `step` writes."""
        return TransformerState(*self.read(source, mask), None)

    def step(self, symbols, state):
        """symbols (B,) written last -> logits (B, V), weights (B, N), state. All that was written is read again."""
        written = ops.expand_dims(symbols, 1)
        if state.written is not None:
            written = ops.concatenate([state.written, written], axis=1)
        h, weights = self.write(written, state.source, state.mask)
        return self.output(h[:, -1]), ops.mean(weights[:, :, -1], axis=1), state._replace(written=written)
