"""Layers and cores."""

from tinyaug.nn.cells import GRU, LSTM, RNN, FeedForward, HiddenState, LSTMState, Readout, Stack, unroll
from tinyaug.nn.layers import Dropout, Embedding, LayerNorm, Linear
from tinyaug.nn.module import Constant, Module, Parameter, active, flatten_state

__all__ = ["GRU", "LSTM", "RNN", "Constant", "Dropout", "Embedding", "FeedForward", "HiddenState", "LSTMState", "LayerNorm",
           "Linear", "Module", "Parameter", "Readout", "Stack", "active", "flatten_state", "unroll"]
