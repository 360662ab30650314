"""Where to read and write: the four steps of the Neural Turing Machine's addressing (Graves et al. 2014, section 3.3).

    content_weights -> interpolate -> shift -> sharpen

Each is a pure function from weightings to weightings. A weighting is a distribution over the N slots of a memory;
R heads address side by side, so a weighting is (B, R, N).
"""

from tinyaug import ops
from tinyaug.attention.attend import attention_weights
from tinyaug.attention.scores import cosine as cosine_similarity

__all__ = ["cosine_similarity", "content_weights", "interpolate", "shift", "sharpen"]


def content_weights(key, strength, memory):
    """Attend to the rows that look like the key: attention with the cosine as its score.

        w_c(i) = exp(strength K[key, M(i)]) / sum_j exp(strength K[key, M(j)])               NTM eq. (5)

    key: (B, R, W), strength: (B, R, 1) positive, memory: (B, N, W) -> (B, R, N), rows sum to 1
    """
    return attention_weights(key, memory, lambda key, memory: strength * cosine_similarity(key, memory))


def interpolate(weights, before, gate):
    """Between the content weighting and that of the step before.

        w_g = g w_c + (1 - g) w_{t-1}                                                        NTM eq. (7)

    weights, before: (B, R, N), gate: (B, R, 1) in 0 .. 1 -> (B, R, N)
    """
    return before + gate * (weights - before)


def shift(weights, offsets):
    """Rotate a weighting: circular convolution with a distribution over offsets.

        w~(i) = sum_j w_g(j) s(i - j mod N)                                                  NTM eq. (8)

    weights: (B, R, N)  gated weighting w_g, rows sum to 1
    offsets: (B, R, S)  shift weighting s over -S//2 .. S//2, rows sum to 1
    returns: (B, R, N)  rows sum to 1
    raises:  ValueError where S is even or larger than N

    Deviation: S is any odd width; the paper's experiments use 3.
    """
    return ops.circular_convolution(weights, offsets)


def sharpen(weights, sharpening):
    """Undo the blur that shifting leaves.

        w(i) = w~(i)^gamma / sum_j w~(j)^gamma                                               NTM eq. (9)

    weights: (B, R, N), sharpening: (B, R, 1) at least 1 -> (B, R, N), rows sum to 1

    It is computed as softmax(gamma log(w~)): the same function, but a large gamma cannot make every power underflow
    to 0 and the sum with them.

    Deviation: log(w~ + 1e-12), since log 0 has no finite gradient; next to a weight of 1e-6 it changes nothing.
    """
    return ops.softmax(sharpening * ops.log(weights + 1e-12), axis=-1)
