"""PyTorch's LSTM layers with our weights, and their gradients under our names."""

import torch


def load(theirs, ours, layer=""):
    """Give an LSTMCell (layer "") or nn.LSTM (layer "_l0") the weights of our LSTM; both order the blocks i, f, g, o.

    PyTorch adds two biases; the second one is held at 0 and asks for no gradient.
    """
    inputs = ours.input_size
    weight, bias = (torch.tensor(p.numpy()) for p in (ours.weight, ours.bias))
    with torch.no_grad():
        getattr(theirs, "weight_ih" + layer).copy_(weight[:inputs].T)
        getattr(theirs, "weight_hh" + layer).copy_(weight[inputs:].T)
        getattr(theirs, "bias_ih" + layer).copy_(bias)
        getattr(theirs, "bias_hh" + layer).zero_()
    getattr(theirs, "bias_hh" + layer).requires_grad_(False)
    return theirs


def gradients(theirs, layer="", prefix=""):
    weights = [getattr(theirs, name + layer).grad.T for name in ("weight_ih", "weight_hh")]
    return {prefix + "weight": torch.cat(weights), prefix + "bias": getattr(theirs, "bias_ih" + layer).grad}
