"""Attention as one pure function: look at everything, at each thing to a different extent.

    scores = score(query, keys)                     how well does each key fit?
    weights = softmax(scores)                       at least 0, with the sum 1
    context = sum_j weights_j values_j              what is seen
"""

from math import inf

from tinyaug import ops

__all__ = ["attend", "attention_weights", "masked", "padding_mask", "causal_mask", "positions"]


def attend(query, keys, values, score, mask=None, emphasis=None):
    """Read from the values whose keys fit the query.

        alpha_ij = exp(e_ij) / sum_k exp(e_ik)                                               Bahdanau 2015 eq. (6)
        c_i = sum_j alpha_ij h_j                                                             Bahdanau 2015 eq. (5)

    query:    (..., Q, D)  Q questions
    keys:     (..., N, D)  what they are compared with (widths as the score allows)
    values:   (..., N, V)  what is read
    score:    a function or Module: score(query, keys) -> (..., Q, N), see scores.py
    mask:     truth values that broadcast to (..., Q, N), True where one may look; all of it if None
    emphasis: (..., Q, N)  a factor of the weights after the softmax, see windows.py
    returns:  context (..., Q, V) and weights (..., Q, N)

    Where nothing may be looked at, the weights and the context are zero, and so is the gradient.
    """
    weights = attention_weights(query, keys, score, mask)
    if emphasis is not None:
        weights = weights * emphasis
    return weights @ values, weights


def attention_weights(query, keys, score, mask=None):
    """The first half of `attend`: (..., Q, N), rows sum to 1, or to 0 where nothing may be looked at."""
    return ops.softmax(masked(score(query, keys), mask), axis=-1)


def masked(scores, mask):
    """-inf where one may not look: exactly no weight after a softmax, and exactly no gradient to the score."""
    return scores if mask is None else ops.where(mask, scores, -inf)


def padding_mask(tokens, padding=0):
    """(B, T) integers -> (B, 1, T): True where there is a symbol and not padding, for any number of queries."""
    return ops.expand_dims(tokens != padding, 1)


def positions(x, axis=-1):
    """0, 1, 2, ... along an axis, in the shape, dtype and device of x."""
    ones = ops.ones_like(x)
    return ops.cumsum(ones, axis=axis) - ones


def causal_mask(x):
    """(B, T, D) -> (T, T): True where the key is no later than the query, so that nobody sees what is still to come."""
    at = positions(x[0, :, 0])
    return ops.expand_dims(at, 1) >= ops.expand_dims(at, 0)
