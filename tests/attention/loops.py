"""Attention's equations as loops over plain numbers: one query, one sequence. Matrices are lists of rows, y = x W."""

from math import exp, sqrt, tanh


def softmax(x):
    total = sum(exp(v) for v in x)
    return [exp(v) / total for v in x]


def sigmoid(x):
    return 1 / (1 + exp(-x))


def product(x, W):
    return [sum(x[i] * W[i][j] for i in range(len(x))) for j in range(len(W[0]))]


def inner(a, b):
    return sum(x * y for x, y in zip(a, b))


def dot(q, k):
    return inner(q, k)


def scaled_dot(q, k):
    return inner(q, k) / sqrt(len(q))


def cosine(q, k):
    return inner(q, k) / (sqrt(inner(q, q) + 1e-8) * sqrt(inner(k, k) + 1e-8))


def general(q, k, W):
    return inner(product(q, W), k)


def additive(q, k, W, U, v):
    return inner(v, [tanh(a + b) for a, b in zip(product(q, W), product(k, U))])


def concat(q, k, W, v):
    return inner(v, [tanh(a) for a in product([*q, *k], W)])


def location(q, n, W):
    """a_t = softmax(W_a h_t), before the softmax: the first n places"""
    return product(q, W)[:n]


def attend(scores, values):
    """(6), (5) of Bahdanau: weights and context"""
    weights = softmax(scores)
    return [sum(w * row[j] for w, row in zip(weights, values)) for j in range(len(values[0]))], weights


def local_p(scores, q, W, v, S, D):
    """(9), (10) of Luong: weights over the window only, times the bell"""
    centre = S * sigmoid(inner(v, [tanh(a) for a in product(q, W)]))
    inside = [s for s in range(len(scores)) if abs(s - centre) <= D]
    soft = softmax([scores[s] for s in inside])
    weights = [0.0] * len(scores)
    for s, w in zip(inside, soft):
        weights[s] = w * exp(-(s - centre) ** 2 / (2 * (D / 2) ** 2))
    return weights


def local_m(scores, t, D):
    inside = [s for s in range(len(scores)) if t - D <= s <= t + D]
    soft = softmax([scores[s] for s in inside])
    return [soft[inside.index(s)] if s in inside else 0.0 for s in range(len(scores))]


def multi_head(query, keys, values, p, heads):
    """One query; p: {"query": (W, b), "key": (W, None), "value": (W, b), "out": (W, b)}"""
    def linear(x, name):
        W, b = p[name]
        y = product(x, W)
        return y if b is None else [a + c for a, c in zip(y, b)]
    size = len(query) // heads
    q, ks, vs = linear(query, "query"), [linear(k, "key") for k in keys], [linear(v, "value") for v in values]
    joined = []
    for h in range(heads):
        cut = slice(h * size, (h + 1) * size)
        context, _ = attend([scaled_dot(q[cut], k[cut]) for k in ks], [v[cut] for v in vs])
        joined += context
    return linear(joined, "out")


def lstm(x, h, c, W, b):
    """Blocks in the order i, f, g, o."""
    z, n = [a + d for a, d in zip(product([*x, *h], W), b)], len(h)
    c = [sigmoid(z[n + j]) * c[j] + sigmoid(z[j]) * tanh(z[2 * n + j]) for j in range(n)]
    return [sigmoid(z[3 * n + j]) * tanh(c[j]) for j in range(n)], c
