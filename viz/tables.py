"""The figures of the tables task: what was chosen at each step, and which rows of the table that left."""

import numpy as np

from viz.style import BLUE, INK, panels, plt, save


def all_figures(folder, trace, metrics):
    """Draw what the trace and the log allow. returns: the paths"""
    paths = [learning_curve(folder, metrics)] if any("validation" in record for record in metrics) else []
    return [*paths, selections(folder, trace)]


def learning_curve(folder, metrics):
    """Share of right answers at each validation."""
    figure, ((axes,),) = panels(1, height=3.0, width=6.0)
    checks = [(record["step"], record["validation"]["exact"]) for record in metrics if "validation" in record]
    axes.plot(*zip(*checks), color=BLUE, marker="o", markersize=3)
    axes.axhline(0.99, color=INK, linewidth=0.8, linestyle="--")
    axes.set(ylim=(0, 1.05), xlabel="training step", ylabel="share of right answers", title="Learning to ask tables")
    return save(figure, folder, "learning-curve")


def selections(folder, trace):
    """Operations, columns and numbers a step as colour; below, the table, and the rows that are selected after each step."""
    steps, operations = len(trace["program"]), list(trace["operations"])
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
