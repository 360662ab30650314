"""The Neural Turing Machine paper's numbered equations as loops over plain numbers: one head, one sequence.

arXiv 1410.5401, section 3. Letters are the paper's: M the memory, a list of N rows; w a weighting over the rows.
Indices of the shift weighting s run over -1, 0, 1 in the paper; here s[k] is that of offset k - len(s) // 2.
"""

from math import exp, log1p, sqrt, tanh


def sigmoid(x):
    return 1 / (1 + exp(-x))


def softplus(x):
    return log1p(exp(x))


def softmax(x):
    total = sum(exp(v) for v in x)
    return [exp(v) / total for v in x]


def read(w, M):
    """(2)  r = sum_i w(i) M(i)"""
    return [sum(w[i] * M[i][j] for i in range(len(M))) for j in range(len(M[0]))]


def erase(M, w, e):
    """(3)  M~(i) = M(i) (1 - w(i) e)"""
    return [[M[i][j] * (1 - w[i] * e[j]) for j in range(len(e))] for i in range(len(M))]


def add(M, w, a):
    """(4)  M(i) = M~(i) + w(i) a"""
    return [[M[i][j] + w[i] * a[j] for j in range(len(a))] for i in range(len(M))]


def content(k, beta, M):
    """(5)  w_c(i) = exp(beta K[k, M(i)]) / sum_j exp(beta K[k, M(j)])"""
    powers = [exp(beta * similarity(k, row)) for row in M]
    return [p / sum(powers) for p in powers]


def similarity(u, v):
    """(6)  K[u, v] = u . v / (|u| |v|), with the 1e-8 under each root that our Deviation names"""
    dot = sum(a * b for a, b in zip(u, v))
    return dot / (sqrt(sum(a * a for a in u) + 1e-8) * sqrt(sum(b * b for b in v) + 1e-8))


def interpolated(g, w_c, before):
    """(7)  w_g = g w_c + (1 - g) w_{t-1}"""
    return [g * c + (1 - g) * b for c, b in zip(w_c, before)]


def shifted(w_g, s):
    """(8)  w~(i) = sum_j w_g(j) s(i - j), indices modulo N"""
    n, half = len(w_g), len(s) // 2
    result = [0.0] * n
    for i in range(n):
        for offset in range(-half, half + 1):
            result[i] += w_g[(i - offset) % n] * s[offset + half]
    return result


def sharpened(w, gamma):
    """(9)  w(i) = w~(i)^gamma / sum_j w~(j)^gamma"""
    return [v ** gamma / sum(u ** gamma for u in w) for v in w]


def addressed(order, before, M):
    """(5) to (9), as figure 2 of the paper draws it."""
    w = content(order["key"], order["strength"], M)
    w = interpolated(order["gate"], w, before)
    return sharpened(shifted(w, order["shift"]), order["sharpening"])


def cut(control, heads, write_heads, width, shifts):
    """The flat control vector as a dict for each head, in the order of NTMMemory's layout."""
    control = list(control)

    def take(size):
        taken, control[:] = control[:size], control[size:]
        return taken

    orders = [{"key": [tanh(v) for v in take(width)], "strength": softplus(take(1)[0]), "gate": sigmoid(take(1)[0]),
               "shift": softmax(take(shifts)), "sharpening": 1 + softplus(take(1)[0])} for _ in range(heads)]
    for order in orders[heads - write_heads:]:
        order["erase"] = [sigmoid(v) for v in take(width)]
        order["add"] = [tanh(v) for v in take(width)]
    assert not control
    return orders


def step(control, M, weights, read_heads, write_heads, shifts=3):
    """One step of the memory for one sequence: reads, the new memory and the weightings of all heads."""
    orders = cut(control, read_heads + write_heads, write_heads, len(M[0]), shifts)
    weights = [addressed(order, before, M) for order, before in zip(orders, weights)]
    reads = [read(w, M) for w in weights[:read_heads]]
    writes = list(zip(weights, orders))[read_heads:]
    for w, order in writes:
        M = erase(M, w, order["erase"])
    for w, order in writes:
        M = add(M, w, order["add"])
    return reads, M, weights
