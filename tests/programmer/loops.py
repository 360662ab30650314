"""Pieces that the loop-written transcriptions share."""

import numpy as np

from tinyaug.programmer.tables import OPERATIONS, STEPS, Selection, Table


def soft(x):
    """Softmax of one vector."""
    e = np.exp(x - x.max())
    return e / e.sum()


def lstm(w, name, x, hidden, cell):
    """One step of an LSTM for one row. w: {name: array} of all parameters"""
    gates = np.concatenate([x, hidden]) @ w[f"{name}.weight"] + w[f"{name}.bias"]
    i, f, g, o = np.split(gates, 4)
    cell = cell / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
    return np.tanh(cell) / (1 + np.exp(-o)), cell


def small_world(rng, batch=2, rows=4, columns=2):
    """A table a question, as arrays, with two numbers to compare with."""
    values = rng.integers(-5, 6, (batch, rows, columns)).astype(float)
    limits = rng.uniform(-3, 3, (batch, 2))[:, :, None, None]
    match = rng.integers(0, 2, (batch, rows)).astype(float)
    return Table(values, (values[:, None] > limits).astype(float), (values[:, None] < limits).astype(float), match)


def random_scores(rng, batch=2, columns=2):
    """Scores of all steps, as arrays."""
    return [Selection(*[rng.normal(size=(batch, size)) for size in (len(OPERATIONS), columns, 2)]) for _ in range(STEPS)]
