"""Graves 2016 (arXiv 1603.08983), section 2, as loops over plain numbers: one sequence. Letters are the paper's."""

from math import exp, tanh


def affine(row, weight, bias):
    return [sum(row[i] * weight[i][j] for i in range(len(row))) + bias[j] for j in range(len(bias))]


def halt(h, epsilon, limit):
    """N and R, and p^1 .. p^N, from halting probabilities h[0], h[1], ..."""
    total, n = 0.0, 0
    while n < limit:
        n += 1
        total += h[n - 1]
        if total >= 1 - epsilon:
            break
    R = 1 - sum(h[:n - 1])
    return n, R, h[:n - 1] + [R]


def act_rnn(v, inputs, epsilon, limit):
    """ACT over a simple recurrent network with parameters v, by their dotted names. returns: (y, N, R) of every input"""
    s, results = v["core.start_hidden"], []
    for x in inputs:
        states, h = [], []
        for n in range(limit):
            seen = x + [1.0 if n == 0 else 0.0] + (states[-1] if states else s)
            states.append([tanh(z) for z in affine(seen, v["core.linear.weight"], v["core.linear.bias"])])
            h.append(1 / (1 + exp(-affine(states[-1], v["halting.weight"], v["halting.bias"])[0])))
        N, R, p = halt(h, epsilon, limit)
        s = [sum(p[n] * states[n][j] for n in range(N)) for j in range(len(s))]
        results.append((s, N, R))
    return results


def ponder_net(halting):
    """PonderNet's p^n from lambda^1 .. lambda^N; the last takes the rest."""
    p, left = [], 1.0
    for chance in halting[:-1]:
        p.append(chance * left)
        left *= 1 - chance
    return [*p, left]
