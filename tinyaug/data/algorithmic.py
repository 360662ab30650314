"""Sequences that a program could answer: the tasks of the Neural Turing Machine paper (Graves et al. 2014, section 4)."""

import numpy as np

__all__ = ["copy"]


def copy(rng, batch, length, bits=8):
    """Random vectors to be repeated after a delimiter (section 4.1).

    returns: inputs (2 * length + 1, B, bits + 1): the vectors, then the delimiter on a channel of its own, then
             nothing while the answer is given; targets (length, B, bits), wanted in the last `length` steps
    """
    targets = rng.integers(0, 2, (length, batch, bits)).astype(np.float32)
    inputs = np.zeros((2 * length + 1, batch, bits + 1), dtype=np.float32)
    inputs[:length, :, :bits] = targets
    inputs[length, :, bits] = 1.0
    return inputs, targets
