"""How well does a query fit a key? A score is a function of both; before the softmax any number will do.

    scores = score(query, keys)          query: (..., Q, D), keys: (..., N, D) -> (..., Q, N)

What has nothing to learn is a function, the rest a Module. A Module's `project` does once what is the same for all queries:
hand `score.project(keys)` to every later call.
"""

from math import sqrt

from tinyaug import ops
from tinyaug.nn import initialise
from tinyaug.nn.layers import Linear
from tinyaug.nn.module import Module, Parameter

__all__ = ["dot", "scaled_dot", "cosine", "project", "Score", "General", "Additive", "Concat", "Location"]

EPSILON = 1e-8     # added to a squared length: a zero row's norm stays away from 0, that of a row of length 1 stays 1


def dot(query, keys):
    """q . k                                                                           Luong 2015, section 3.1, dot"""
    return query @ ops.swapaxes(keys, -1, -2)


def scaled_dot(query, keys):
    """q . k / sqrt(D): random vectors score about 1, however wide they are                  Vaswani 2017 eq. (1)"""
    return dot(query, keys) / sqrt(query.shape[-1])


def cosine(query, keys):
    """Cosine of the angle between each query and each key.

        K[u, v] = u . v / (|u| |v|)                                                          NTM eq. (6)

    Deviation: |v| is sqrt(v . v + epsilon), so a zero row has similarity 0 and not 0/0.
    """
    query_length = ops.norm(query, axis=-1, keepdims=True, epsilon=EPSILON)                 # (..., Q, 1)
    key_length = ops.expand_dims(ops.norm(keys, axis=-1, epsilon=EPSILON), -2)              # (..., 1, N)
    return query @ ops.swapaxes(keys, -1, -2) / (query_length * key_length)


def project(score, keys):
    """The keys as a score wants them: a function, or None, takes them as they are."""
    return score.project(keys) if isinstance(score, Score) else keys


class Score(Module):
    """A score with parameters."""

    def project(self, keys):
        """(..., N, D) -> what `forward` wants as its keys"""
        return keys


class General(Score):
    """q W k: the query in the terms of the keys. Their widths may differ.                Luong 2015, section 3.1, general"""

    def __init__(self, query_size, key_size, *, rng):
        self.weight = Parameter(initialise.glorot(rng, (query_size, key_size)))

    def forward(self, query, keys):
        return dot(query @ self.weight, keys)


class Additive(Score):
    """v . tanh(q W + k U): a small network with one hidden layer, `size` units.

        e_ij = v_a . tanh(W_a s_{i-1} + U_a h_j)                                             Bahdanau 2015, section A.1.2

    keys: as `project` gives them, (..., N, size)
    """

    def __init__(self, query_size, key_size, size, *, rng):
        self.query = Linear(query_size, size, rng=rng, bias=False)
        self.key = Linear(key_size, size, rng=rng, bias=False)
        self.weight = Parameter(initialise.glorot(rng, (size, 1)))

    def project(self, keys):
        return self.key(keys)

    def forward(self, query, keys):
        seen = ops.tanh(ops.expand_dims(self.query(query), -2) + ops.expand_dims(keys, -3))     # (..., Q, N, size)
        return ops.squeeze(seen @ self.weight, axis=-1)


class Concat(Score):
    """v . tanh([q, k] W)                                                              Luong 2015, section 3.1, concat

    The product is taken in two parts, the rows of W that meet the query and those that meet the keys; so this is `Additive`
    with its two matrices in one.
    """

    def __init__(self, query_size, key_size, size, *, rng):
        self.query_size = query_size
        self.joint = Parameter(initialise.glorot(rng, (query_size + key_size, size)))
        self.weight = Parameter(initialise.glorot(rng, (size, 1)))

    def project(self, keys):
        return keys @ self.joint[self.query_size:]

    def forward(self, query, keys):
        seen = ops.tanh(ops.expand_dims(query @ self.joint[:self.query_size], -2) + ops.expand_dims(keys, -3))
        return ops.squeeze(seen @ self.weight, axis=-1)


class Location(Score):
    """q W: where to look by the query alone, whatever is there.                             Luong 2015 eq. (8), location

    raises: ValueError where there are more keys than `longest`: no row of W was made for them
    """

    def __init__(self, query_size, longest, *, rng):
        self.longest = longest
        self.weight = Parameter(initialise.glorot(rng, (query_size, longest)))

    def forward(self, query, keys):
        if keys.shape[-2] > self.longest:
            raise ValueError(f"Location: {keys.shape[-2]} keys, expected at most {self.longest}; "
                             f"build it with longest={keys.shape[-2]}")
        return query @ self.weight[:, :keys.shape[-2]]
