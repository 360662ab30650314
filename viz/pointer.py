"""Pointers on the plane: what was given, in which order it was pointed at, and how sure the network was."""

import numpy as np

from viz.attention import learning_curve
from viz.style import BLUE, INK, ORANGE, plt, save


def all_figures(folder, trace, metrics):
    """Draw what the trace and the log allow. returns: the paths"""
    kind = str(trace["problem"])
    title = {"sort": "Sorting by pointing", "hull": "Convex hulls by pointing", "tour": "Short tours by pointing"}[kind]
    paths = [learning_curve(folder, metrics, title)] if any("train" in record for record in metrics) else []
    return [*paths, pointers(folder, trace, kind, title)]


def pointers(folder, trace, kind, title):
    """For each example the points with the answer drawn through them, and beside them the weight of each place a step."""
    count = len(trace["inputs"])
    figure, grid = plt.subplots(count, 2, figsize=(8, 3.4 * count), squeeze=False, layout="constrained")
    for row, inputs, places, right, weights in zip(grid, *(trace[k] for k in ("inputs", "places", "targets", "weights"))):
        steps = _steps(kind, places)
        plane(row[0], kind, inputs, steps, _steps(kind, right))
        image = row[1].imshow(weights[:len(steps)], cmap="magma", vmin=0, vmax=1)
        row[1].set(xlabel="place in the input" + (" (0: the end)" if kind == "hull" else ""), ylabel="step",
                   xticks=range(0, weights.shape[1], 1 + weights.shape[1] // 16),
                   yticks=range(0, len(steps), 1 + len(steps) // 16))
        figure.colorbar(image, ax=row[1], pad=0.01)
    figure.suptitle(title)
    return save(figure, folder, "pointers")


def _steps(kind, places):
    """The places up to the end of the answer."""
    places = [int(place) for place in places if place >= 0]
    return places[:places.index(0) + 1] if kind == "hull" and 0 in places else places


def plane(axes, kind, inputs, steps, right):
    """The points by number; the answer in blue, the right one in grey below it."""
    if kind == "sort":
        values = inputs[:, 0]
        axes.bar(range(len(steps)), values[steps], color=[BLUE if a == b else ORANGE for a, b in zip(steps, right)])
        axes.set(xlabel="step", ylabel="number pointed at", xticks=range(len(steps)), ylim=(0, 1))
        for step, place in enumerate(steps):
            axes.annotate(str(place), (step, values[place]), ha="center", va="bottom", color=INK)
        return
    for path, colour, width in ((right, "#bbbbbb", 5), (steps, BLUE, 1.5)):
        corners = inputs[[place for place in path if kind == "tour" or place > 0], :2]
        closed = np.concatenate([corners, corners[:1]])
        axes.plot(closed[:, 0], closed[:, 1], color=colour, linewidth=width)
    for place, point in enumerate(inputs):
        if kind == "tour" or place > 0:
            axes.plot(point[0], point[1], "o", color=INK, markersize=4)
            axes.annotate(str(place), point[:2], xytext=(4, 4), textcoords="offset points", color=INK)
    axes.set(xlim=(-0.05, 1.08), ylim=(-0.05, 1.08), aspect="equal", xlabel="x", ylabel="y")
