"""Attention as pictures: which place of the source each symbol of the answer was read from."""

import numpy as np

from viz.style import BLUE, INK, ORANGE, panels, plt, save


def all_figures(folder, trace, metrics, title):
    """Draw what the trace and the log allow. returns: the paths"""
    paths = [learning_curve(folder, metrics, title)] if any("train" in record for record in metrics) else []
    if "attention_0" in trace:
        paths.append(alignments(folder, trace, title))
    return paths


def learning_curve(folder, metrics, title):
    """The loss over training, and of validation the share of answers that are right as a whole, or BLEU."""
    figure, axes = panels(2, height=1.8, width=6.0, sharex=True)
    train = np.array([(r["step"], r["train"].get("nats", r["train"]["loss"])) for r in metrics if "train" in r])
    axes[0][0].semilogy(train[:, 0], np.maximum(train[:, 1], 1e-5), color=BLUE, linewidth=1)
    axes[0][0].set(ylabel="nats a symbol", title=title)
    checks = [(r["step"], r["validation"]) for r in metrics if "validation" in r]
    kind, label, top = ("bleu", "BLEU", 100) if checks and "bleu" in checks[0][1] else ("exact", "right as a whole", 1)
    if checks:
        axes[1][0].plot([step for step, _ in checks], [found[kind] for _, found in checks], color=ORANGE, marker="o",
                        markersize=3)
    axes[1][0].set(xlabel="training step", ylabel=label, ylim=(-0.03 * top, 1.03 * top))
    return save(figure, folder, "learning-curve")


def alignments(folder, trace, title):
    """A matrix for each example: columns the source, rows what was written, dark where the weight is."""
    count = sum(name.startswith("attention_") for name in trace)
    columns = min(2, count)
    rows = -(-count // columns)
    height = max(len(trace[f"output_{i}"]) for i in range(count))
    figure, grid = plt.subplots(rows, columns, figsize=(5.5 * columns, (0.7 + 0.2 * height) * rows), squeeze=False,
                                layout="constrained")
    for axes in grid.ravel()[count:]:
        axes.set_axis_off()
    for i, axes in zip(range(count), grid.ravel()):
        matrix(axes, trace[f"attention_{i}"], trace[f"source_{i}"], trace[f"output_{i}"], trace[f"target_{i}"],
               "free_order" in trace)
    figure.suptitle(title)
    return save(figure, folder, "alignments")


def matrix(axes, weights, source, output, target, free_order=False):
    """One alignment; in orange are symbols of the output that are wrong, in a free order those that the target has not."""
    if not len(output):
        axes.set_axis_off()                             # nothing was written, nothing looked at
        return
    axes.imshow(weights, cmap="Greys", vmin=0, vmax=1)
    words = any(len(symbol) > 1 for symbol in source)
    axes.set_xticks(range(len(source)), ["_" if symbol == " " else symbol for symbol in source], fontsize=8,
                    rotation=60 * words, ha="left" if words else "center")
    axes.set_yticks(range(len(output)), output, fontsize=8)
    axes.tick_params(length=0, top=True, labeltop=True, bottom=False, labelbottom=False)
    for t, label in enumerate(axes.get_yticklabels()):
        good = output[t] in target if free_order else t < len(target) and output[t] == target[t]
        label.set_color(INK if good else ORANGE)
