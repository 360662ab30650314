"""Sequences of symbols as arrays of integers, padded to one length."""

from typing import Any, NamedTuple

import numpy as np

__all__ = ["PADDING", "STOP", "Alphabet", "Pair", "pad", "batch_of"]

PADDING, STOP = 0, 1            # of every alphabet: no symbol, and the end (also what is written before the first)


class Pair(NamedTuple):
    """What is read, what is to be written, and for each symbol of it the places of the source that it comes from."""

    source: Any
    target: Any
    places: Any = None              # [set of indices, or None where no place is the right one]


class Alphabet:
    """Symbols as the integers 2, 3, ...: characters or words, in the order given."""

    def __init__(self, symbols):
        self.symbols = list(symbols)
        self.index = {symbol: i for i, symbol in enumerate(self.symbols, 2)}

    def __len__(self):
        return len(self.symbols) + 2

    def encode(self, sequence):
        """The integers. raises: ValueError that names the first symbol that is none of this alphabet"""
        for symbol in sequence:
            if symbol not in self.index:
                raise ValueError(f"got {symbol!r}, expected one of {' '.join(self.symbols)}")
        return [self.index[symbol] for symbol in sequence]

    def decode(self, integers):
        """The symbols."""
        return [self.symbols[i - 2] for i in integers if i >= 2]


def pad(sequences, length):
    """[[int]] -> (B, length), padded at the end. raises: ValueError where one is longer"""
    longest = max(map(len, sequences))
    if longest > length:
        raise ValueError(f"pad: got a sequence of {longest}, expected at most {length}")
    rows = np.full((len(sequences), length), PADDING)
    for row, sequence in zip(rows, sequences):
        row[:len(sequence)] = sequence
    return rows


def batch_of(sources, targets, step=(4, 4)):
    """Integers of a batch: source (B, N), shifted (B, T) and targets (B, T), where each target ends in STOP.

    step: N and T are rounded up to multiples of these, so that there are few shapes and the recorder has few programs
    """
    n = max(1, max(map(len, sources)))
    t = 1 + max(map(len, targets))
    n, t = -(-n // step[0]) * step[0], -(-t // step[1]) * step[1]
    return (pad(sources, n), pad([[STOP, *target] for target in targets], t),
            pad([[*target, STOP] for target in targets], t))
