"""Small sequence to sequence models of every kind, and the data that the tests hand them."""

import numpy as np

from tinyaug.attention import (
    Additive,
    Bidirectional,
    Concat,
    Decoder,
    General,
    LocalMonotonic,
    LocalPredictive,
    Location,
    Pyramid,
    Seq2Seq,
    Transformer,
    dot,
)
from tinyaug.memory import MemoryAugmented, NTMMemory
from tinyaug.nn import GRU, LSTM, Embedding

SYMBOLS, STOP = 7, 1
SOURCE = np.array([[3, 5, 2, 6], [4, 2, 0, 0]])               # 0 is padding
TARGET = np.array([[5, 2, 1], [4, 1, 0]])
SHIFTED = np.array([[1, 5, 2], [1, 4, 1]])


def rnn(rng, core=LSTM, score=lambda rng: Additive(4, 4, 3, rng=rng), window=lambda rng: None, deep=False, **options):
    """rng -> Seq2Seq with 4 hidden units; `core` is called as core(inputs, outputs, rng=rng)"""
    encoder = Bidirectional(LSTM(3, 2, rng=rng), LSTM(3, 2, rng=rng))
    if deep:
        encoder = Pyramid([encoder, Bidirectional(LSTM(8, 2, rng=rng), GRU(8, 2, rng=rng))])
    decoder = Decoder(SYMBOLS, core(3 + 4, 4, rng=rng), embedding=3, source_size=4, size=4, score=score(rng),
                      window=window(rng), rng=rng, **options)
    return Seq2Seq(encoder, decoder, embed=Embedding(SYMBOLS, 3, rng=rng))


def turing(inputs, outputs, *, rng):
    """A Neural Turing Machine in the place of the decoder's LSTM."""
    memory = NTMMemory(slots=4, width=3, memory_start="noise", rng=rng)
    return MemoryAugmented(LSTM(inputs + 3, 4, rng=rng), memory, input_size=inputs, output_size=outputs, rng=rng)


def transformer(rng, positions="sinusoidal"):
    return Transformer(SYMBOLS, SYMBOLS, width=4, heads=2, hidden=5, layers=2, longest=9, positions=positions, rng=rng)


MODELS = {
    "additive": rnn,
    "no attention": lambda rng: rnn(rng, score=lambda rng: None),
    "dot, GRU, no input feeding": lambda rng: rnn(rng, core=GRU, score=lambda rng: dot, input_feeding=False),
    "general, local-m": lambda rng: rnn(rng, score=lambda rng: General(4, 4, rng=rng), window=lambda rng: LocalMonotonic(1)),
    "concat, local-p": lambda rng: rnn(rng, score=lambda rng: Concat(4, 4, 3, rng=rng),
                                       window=lambda rng: LocalPredictive(4, 3, 2, rng=rng)),
    "nothing but attention": lambda rng: rnn(rng, summary=False),
    "location": lambda rng: rnn(rng, score=lambda rng: Location(4, 9, rng=rng)),
    "pyramid": lambda rng: rnn(rng, deep=True),
    "a Turing machine decodes": lambda rng: rnn(rng, core=turing),
    "transformer": transformer,
    "transformer, learned positions": lambda rng: transformer(rng, "learned"),
}
