"""What a network looks at to judge a sentence: the things in their boxes, larger where the weight is."""

from matplotlib.patches import Rectangle

from viz.attention import learning_curve
from viz.style import INK, ORANGE, plt, save

COLOURS = {"black": "#222222", "blue": "#0099ff", "yellow": "#f0d000"}
MARKS = {"circle": "o", "square": "s", "triangle": "^"}


def all_figures(folder, trace, metrics):
    """Draw what the trace and the log allow. returns: the paths"""
    title = "What is looked at to judge a sentence"
    paths = [learning_curve(folder, metrics, title)] if any("train" in record for record in metrics) else []
    return [*paths, judged(folder, trace, title)] if "attention_0" in trace else paths


def judged(folder, trace, title):
    """A row for each sentence, a column for each look; the number is the weight where it is above a tenth."""
    rows, looks = len(trace["said"]), len(trace["attention_0"])
    figure, grid = plt.subplots(rows, looks, figsize=(4.5 * looks, 2.0 * rows), squeeze=False, layout="constrained")
    for i, row in enumerate(grid):
        said, true = trace["said"][i], trace["true"][i]
        for look, axes in enumerate(row):
            boxes(axes, trace[f"things_{i}"], trace[f"attention_{i}"][look])
            if look == 0:
                axes.set_title(f"{trace[f'sentence_{i}']}\nlook 1 (said {str(bool(said)).lower()}, is "
                               f"{str(bool(true)).lower()})", loc="left", color=INK if said == true else ORANGE, fontsize=8)
            else:
                axes.set_title(f"look {look + 1}", fontsize=8)
    figure.suptitle(title)
    return save(figure, folder, "judged")


def boxes(axes, things, weights):
    """Three boxes side by side, y downwards as in NLVR; what is not looked at is pale."""
    for box in range(3):
        axes.add_patch(Rectangle((110 * box, 0), 105, 105, facecolor="#eeeeee", edgecolor="none"))
    for (box, colour, kind, x, y, size), weight in zip(things, weights):
        x, y, size = 110 * int(box) + int(x) + int(size) / 2, int(y) + int(size) / 2, int(size)
        axes.plot(x, y, MARKS[kind], color=COLOURS[colour], markersize=size / 3, alpha=0.2 + 0.8 * float(weight),
                  markeredgecolor=INK, markeredgewidth=0.5)
        if weight > 0.1:
            axes.annotate(f"{weight:.0%}", (x, y), xytext=(0, 6), textcoords="offset points", ha="center", fontsize=7,
                          color=ORANGE)
    axes.set(xlim=(-3, 330), ylim=(125, -5), xticks=[], yticks=[], aspect="equal")
    for side in axes.spines.values():
        side.set_visible(False)
