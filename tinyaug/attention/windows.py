"""Local attention: look around one place (Luong, Pham, Manning 2015, section 3.2).

A window says where: `window(query, step, lengths, n)` returns the mask and the emphasis that `attend` takes.

    query:   (B, 1, D)
    step:    (B, 1, 1) the output position t
    lengths: (B,) the source lengths S
    n:       keys, padding included
    returns: mask (B, 1, n) and emphasis (B, 1, n) or None
"""

from tinyaug import ops
from tinyaug.attention.attend import positions
from tinyaug.nn import initialise
from tinyaug.nn.layers import Linear
from tinyaug.nn.module import Module, Parameter

__all__ = ["LocalMonotonic", "LocalPredictive"]


class LocalMonotonic(Module):
    """local-m: output t looks at sources t - D .. t + D; where none of them exists, at nothing.

        p_t = t,  a_t(s) = align(h_t, h_s) for s in [p_t - D, p_t + D]                       Luong 2015, section 3.2

    reach: D
    """

    def __init__(self, reach):
        self.reach = reach

    def forward(self, query, step, lengths, n):
        at = _places(query, n)
        return _near(at, step, self.reach), None


class LocalPredictive(Module):
    """local-p: the query says where; around that place a bell of width D / 2.

        p_t = S sigmoid(v_p . tanh(W_p h_t))                                                 Luong 2015 eq. (9)
        a_t(s) = align(h_t, h_s) exp(-(s - p_t)^2 / (2 sigma^2)),  sigma = D / 2             Luong 2015 eq. (10)

    reach: D; size: of the hidden layer. The window's borders have no gradient, the bell has: through it p_t is learned.
    As in the paper the weights are not scaled to the sum 1 again.
    """

    def __init__(self, query_size, size, reach, *, rng):
        self.reach = reach
        self.hidden = Linear(query_size, size, rng=rng, bias=False)
        self.weight = Parameter(initialise.glorot(rng, (size, 1)))

    def centre(self, query, lengths):
        """p_t: (B, 1, 1)"""
        share = ops.sigmoid(ops.tanh(self.hidden(query)) @ self.weight)
        return ops.reshape(lengths, (-1, 1, 1)) * share

    def forward(self, query, step, lengths, n):
        at, centre = _places(query, n), self.centre(query, lengths)
        sigma = self.reach / 2
        bell = ops.exp(-ops.square(at - centre) / (2 * sigma * sigma))
        return _near(at, centre, self.reach), bell


def _places(query, n):
    """0 .. n - 1 for every sequence: (B, 1, n)"""
    return positions(ops.broadcast_to(query[:, :, :1], (*query.shape[:2], n)))


def _near(at, centre, reach):
    return abs(at - centre) <= reach
