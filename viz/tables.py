"""The figures of the tables task: what was chosen at each step, and which rows of the table that left."""

import numpy as np

from viz.style import BLUE, INK, ORANGE, panels, plt, save


def all_figures(folder, trace, metrics):
    """Draw what the trace and the log allow. returns: the paths"""
    paths = [learning_curve(folder, metrics)] if any("validation" in record for record in metrics) else []
    return [*paths, choices(folder, trace) if "cells" in trace else selections(folder, trace)]


def learning_curve(folder, metrics):
    """Share of right answers at each validation, and of those, of soft programs that say the same; below, the loss."""
    figure, ((axes,), (below,)) = panels(2, height=2.0, width=6.0, sharex=True)
    checks = [(record["step"], record["validation"]) for record in metrics if "validation" in record]
    labels = {"exact": "right answers", "accuracy": "right answers", "soft_agrees": "soft answers that agree"}
    names = [name for name in labels if name in checks[0][1]]
    for name, colour, mark in zip(names, (BLUE, ORANGE), "ox"):
        axes.plot([step for step, _ in checks], [found[name] for _, found in checks], color=colour, marker=mark,
                  markersize=4, label=labels[name])
    if "exact" in names:
        axes.axhline(0.99, color=INK, linewidth=0.8, linestyle="--")
    axes.set(ylim=(0, 1.05), ylabel="share", title="Learning to ask tables")
    axes.legend(frameon=False, loc="lower right")
    train = [(record["step"], record["train"]["misfit"]) for record in metrics if "train" in record]
    below.semilogy(*zip(*train), color=BLUE, linewidth=1)
    below.set(xlabel="training step", ylabel="loss, nats a question")
    return save(figure, folder, "learning-curve")


def selections(folder, trace):
    """Operations, columns and numbers a step as colour; below, the table, and the rows that are selected after each step."""
    steps, operations = len(trace["operation"]), list(trace["operations"])
    values, columns = trace["values"], [f"c{j + 1}" for j in range(trace["values"].shape[1])]
    figure = plt.figure(figsize=(9, 6.5), layout="constrained")
    grid = figure.add_gridspec(2, 3, height_ratios=[1, 1.9], width_ratios=[len(operations), max(4, len(columns)), 4])
    for j, (kind, ticks) in enumerate((("operation", operations), ("column", columns), ("pivot", ["n1", "n2"]))):
        panel = figure.add_subplot(grid[0, j])
        image = panel.imshow(trace[kind], cmap="Blues", vmin=0, vmax=1)
        panel.set_xticks(range(len(ticks)), ticks, rotation=45)
        panel.set_yticks(range(steps), [f"step {t + 1}" for t in range(steps)] if j == 0 else [""] * steps)
        panel.set_title({"operation": "operation", "column": "column", "pivot": "number"}[kind])
    figure.colorbar(image, ax=figure.axes, pad=0.01, label="probability")
    left = figure.add_subplot(grid[1, 0])
    limit = np.abs(values).max()
    left.imshow(values, cmap="RdBu_r", vmin=-2 * limit, vmax=2 * limit)
    for (row, column), value in np.ndenumerate(values):
        left.text(column, row, f"{value:g}", ha="center", va="center", fontsize=7, color=INK)
    left.set_xticks(range(len(columns)), columns)
    left.set(ylabel="row", title="the table")
    right = figure.add_subplot(grid[1, 1:])
    right.imshow(trace["rows"].T, cmap="Blues", vmin=0, vmax=1.3)
    right.set_xticks(range(steps + 1), ["start", *(f"{t + 1}: {trace['operations'][trace['operation'][t].argmax()]}"
                                                   for t in range(steps))], rotation=20)
    right.set(title="rows that are selected after each step")
    limits = ", ".join(f"n{i + 1} = {x:.2f}" for i, x in enumerate(trace["limits"]))
    figure.suptitle(f"{trace['question']}\n{limits}; answer {float(trace['answer']):g}\n{trace['sql']}", fontsize=8)
    return save(figure, folder, "selections")


def choices(folder, trace, shown=14):
    """A question about a table of the world: the likeliest choices of each step; the table, and the rows that were taken."""
    figure = plt.figure(figsize=(9, 6.0), layout="constrained")
    grid = figure.add_gridspec(2, 3, height_ratios=[1, 2])
    for step, title in enumerate(("select rows", "take of them", "answer")):
        panel, names, chances = figure.add_subplot(grid[0, step]), trace[f"choices_{step}"], trace[f"probabilities_{step}"]
        panel.barh(range(len(names)), chances, color=BLUE)
        panel.set_yticks(range(len(names)), [_short(name) for name in names], fontsize=7)
        panel.invert_yaxis()
        panel.set(xlim=(0, 1), title=title, xlabel="probability")
    axes = figure.add_subplot(grid[1, :])
    axes.axis("off")
    taken = np.flatnonzero(trace["taken"])
    first = max(0, min(len(trace["cells"]) - shown, (int(taken[0]) if len(taken) else 0) - shown // 2))
    rows = range(first, min(len(trace["cells"]), first + shown))
    colours = [["#9ecae1" if trace["taken"][i] else "#deebf7" if trace["selected"][i] else "white"] * len(trace["names"])
               for i in rows]
    drawn = axes.table([[_short(cell) for cell in trace["cells"][i]] for i in rows], cellColours=colours,
                       colLabels=[_short(name) for name in trace["names"]], loc="center", cellLoc="left")
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(7)
    axes.set_title(f"pale: selected; darker: taken (rows {first + 1} to {first + len(rows)} of {len(trace['cells'])})",
                   fontsize=8)
    figure.suptitle(f"{trace['question']}\nsaid: {_short(trace['said'], 60)}; right: {_short(trace['answer'], 60)}",
                    fontsize=9)
    return save(figure, folder, "choices")


def _short(text, most=22):
    text = " ".join(str(text).split())
    return text if len(text) <= most else text[:most - 2] + ".."
