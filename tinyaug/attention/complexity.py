"""What a computation costs, read from its graph (Vaswani et al. 2017, table 1, measured instead of argued).

    work(y)          multiplications of all matrix products below y: grows as n^2 d for attention, n d^2 for recurrence
    longest_path(y)  ops that must wait for one another: what cannot run side by side
    path(x, y)       ops on the shortest way from x to y: how far a signal has to travel between two places
    slope(ns, costs) the power of n by which a cost grows
"""

from math import log, prod

from tinyaug.autograd import Tensor

__all__ = ["work", "longest_path", "path", "slope"]


def _node(x):
    return x.source[0] if isinstance(x.source, tuple) else x.source


def _nodes(y):
    """Every node below y with the Tensors that it made of, oldest first."""
    found, ahead = {}, [_node(y)]
    while ahead:
        node = ahead.pop()
        if node is not None and node.clock not in found:
            found[node.clock] = node
            ahead += [_node(x) for x in node.inputs if isinstance(x, Tensor)]
    return [found[clock] for clock in sorted(found, reverse=True)]      # the newest has the smallest number


def work(y):
    """Multiplications in the matrix products below y. (..., m, k) @ (..., k, n) has m k n, for each pair of matrices."""
    total = 0
    for node in _nodes(y):
        if node.op.__name__ == "matmul":
            a, b = (x.shape for x in node.inputs)
            matrices = max(prod(a[:-2]), prod(b[:-2]))
            total += matrices * a[-2] * a[-1] * b[-1]
    return total


def longest_path(y):
    """The number of ops on the longest way from any leaf to y."""
    depth = {}
    for node in _nodes(y):
        below = [depth[_node(x).clock] for x in node.inputs if isinstance(x, Tensor) and x.source is not None]
        depth[node.clock] = 1 + max(below, default=0)
    return max(depth.values())


def path(x, y):
    """The number of ops on the shortest way from x to y; None where y does not depend on x."""
    away = {}
    for node in _nodes(y):
        ways = [0 if i is x else away.get(_node(i).clock) if i.source is not None else None
                for i in node.inputs if isinstance(i, Tensor)]
        ways = [way for way in ways if way is not None]
        if ways:
            away[node.clock] = 1 + min(ways)
    return away.get(_node(y).clock)


def slope(ns, costs):
    """Least squares of log cost on log n: 2 where a cost grows as n^2."""
    x, y = [log(n) for n in ns], [log(c) for c in costs]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y)) / sum((a - mean_x) ** 2 for a in x)
