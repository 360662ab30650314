"""Problems whose answer is an order of what was given: sorting, convex hulls, shortest tours. Exact solvers, and a reader.

Answers are indices; a hull runs counter-clockwise from its smallest index, a tour starts at point 0 in the smaller of
its two directions, so that each problem has one right answer.
"""

from itertools import combinations

import numpy as np

from tinyaug.data.files import lines

__all__ = ["convex_hull", "hull_area", "from_left", "distances", "tour_length", "nearest_tour", "shortest_tour",
           "read_hulls"]


def convex_hull(points):
    """Indices of the corners of the convex hull (Andrew 1979, the monotone chain). points: (N, 2)"""
    order = sorted(range(len(points)), key=lambda i: tuple(points[i]))

    def chain(indices):
        corners = []
        for i in indices:
            while len(corners) > 1 and _turn(points[corners[-2]], points[corners[-1]], points[i]) <= 0:
                corners.pop()
            corners.append(i)
        return corners[:-1]

    corners = chain(order) + chain(order[::-1])
    first = corners.index(min(corners))
    return corners[first:] + corners[:first]


def _turn(a, b, c):
    """Positive where a, b, c turns left."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def hull_area(points, corners):
    """Area of the polygon with these corners in this order; None where two of its sides cross, or it has under three."""
    if len(corners) < 3 or len(set(corners)) < len(corners):
        return None
    p = [points[i] for i in corners]
    sides = [(p[i], p[(i + 1) % len(p)]) for i in range(len(p))]
    for (i, (a, b)), (j, (c, d)) in combinations(enumerate(sides), 2):
        apart = j - i not in (1, len(p) - 1)
        if apart and _turn(a, b, c) * _turn(a, b, d) < 0 and _turn(c, d, a) * _turn(c, d, b) < 0:
            return None
    return abs(sum(a[0] * b[1] - a[1] * b[0] for a, b in sides)) / 2


def from_left(points, corners):
    """A closed path, one list of indices, from its leftmost point on and counter-clockwise: one name for one polygon.

    Whoever sees the points and not their numbers can know where it begins.
    """
    x, y = points[corners].T
    area = x @ np.roll(y, -1) - y @ np.roll(x, -1)
    path = list(corners) if area > 0 else list(corners)[::-1]
    first = int(np.argmin(points[path][:, 0]))
    return path[first:] + path[:first]


def distances(points):
    """(..., N, 2) -> (..., N, N)"""
    return np.sqrt(((points[..., :, None, :] - points[..., None, :, :]) ** 2).sum(-1))


def tour_length(distance, tour):
    """Length of the closed tours (B, N) by distances (B, N, N)."""
    return distance[np.arange(len(tour))[:, None], tour, np.roll(tour, -1, axis=1)].sum(-1)


def nearest_tour(distance):
    """The baseline: from point 0 always on to the nearest one that is left. distance: (N, N) -> indices"""
    tour = [0]
    while len(tour) < len(distance):
        tour.append(min(set(range(len(distance))) - {*tour}, key=distance[tour[-1]].__getitem__))
    return tour


def shortest_tour(distance):
    """The shortest closed tours (Held and Karp 1962), exact. distance: (B, N, N) -> (B, N) indices, N at most 14

        C(S, j) = min over i in S, i != j, of C(S - {j}, i) + d(i, j)      from point 0 through all of S, ending in j
    """
    batch, n, _ = distance.shape
    rows, others = np.arange(batch), range(1, n)
    cost = {(frozenset([j]), j): distance[:, 0, j] for j in others}
    before = {}
    for size in range(2, n):
        for chosen in map(frozenset, combinations(others, size)):
            for j in chosen:
                ways = [i for i in chosen if i != j]
                totals = np.stack([cost[chosen - {j}, i] + distance[:, i, j] for i in ways])
                best = totals.argmin(0)
                cost[chosen, j], before[chosen, j] = totals[best, rows], np.array(ways, np.int8)[best]
    whole = frozenset(others)
    last = np.array(list(others))[np.stack([cost[whole, j] + distance[:, j, 0] for j in others]).argmin(0)]
    tours = np.zeros((batch, n), int)
    for b in rows:
        left, j = whole, int(last[b])
        for at in range(n - 1, 0, -1):
            tours[b, at] = j
            if at > 1:
                left, j = left - {j}, int(before[left, j][b])
    turned = np.concatenate([tours[:, :1], tours[:, :0:-1]], axis=1)
    return np.where((tours[:, 1] < tours[:, -1])[:, None], tours, turned)


def read_hulls(path):
    """[(points (N, 2), corners)] of `x1 y1 ... output i1 ... i1`, indices from 1, the first one again at the end.

    raises: ValueError `file:line: expected ..., got ...`
    """
    found = []
    for number, line in lines(path):
        left, word, right = line.partition("output")
        try:
            values, corners = [float(x) for x in left.split()], [int(i) - 1 for i in right.split()]
            points = np.array(values).reshape(-1, 2)
            good = word and corners[0] == corners[-1] and all(0 <= i < len(points) for i in corners)
        except (ValueError, IndexError):
            good = False
        if not good:
            raise ValueError(f"{path}:{number}: expected `x1 y1 ... output i1 ... i1`, got {line.strip()[:40]!r}")
        found.append((points, corners[:-1]))
    if not found:
        raise ValueError(f"{path}: expected problems, a line each, got none")
    return found
