"""One look for all figures."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

INK, BLUE, ORANGE = "#222222", "#0072b2", "#d55e00"       # apart for the colour-blind too
STYLE = {"font.size": 9, "axes.edgecolor": INK, "axes.labelcolor": INK, "axes.spines.top": False,
         "axes.spines.right": False, "figure.dpi": 150, "savefig.bbox": "tight", "svg.hashsalt": "tinyaug",
         "image.interpolation": "nearest", "image.aspect": "auto"}
plt.rcParams.update(STYLE)          # for good: matplotlib asks for most of it only when something is drawn


def save(figure, folder, name):
    """Write a figure as PNG and SVG. returns: the path of the PNG"""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
    figure.savefig(folder / f"{name}.png")
    plt.close(figure)
    return folder / f"{name}.png"


def panels(rows, height=1.6, width=8.0, ratios=None, sharex=False):
    """A column of axes in the house style."""
    return plt.subplots(rows, 1, figsize=(width, height * rows), squeeze=False, layout="constrained",
                        height_ratios=ratios, sharex=sharex)
