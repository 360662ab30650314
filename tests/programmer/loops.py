"""Pieces that the loop-written transcriptions share."""

import numpy as np


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
