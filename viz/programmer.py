"""The figures of the arithmetic task: a program as a chain, its distributions, and what is averaged."""

import numpy as np

from viz.style import BLUE, INK, ORANGE, panels, plt, save


def all_figures(folder, trace, metrics):
    """Draw what the trace and the log allow. returns: the paths"""
    paths = [learning_curve(folder, metrics)] if any("validation" in record for record in metrics) else []
    return [*paths, program(folder, trace), distributions(folder, trace), averages(folder, trace)]


def steps_of(trace):
    """How many steps the program has."""
    return len(trace["instruction"])


def names_of(trace):
    """x1, x2, ..., t1, t2, ..."""
    return [f"x{i + 1}" for i in range(len(trace["numbers"]))] + [f"t{i + 1}" for i in range(steps_of(trace))]


def learning_curve(folder, metrics):
    """Share of expressions with an exact answer and a correct program, and how undecided the programs are."""
    figure, ((axes,), (below,)) = panels(2, height=2.0, width=6.0, sharex=True)
    checks = [(record["step"], record["validation"]) for record in metrics if "validation" in record]
    steps = [step for step, _ in checks]
    for name, colour, mark in (("exact", BLUE, "o"), ("correct_program", ORANGE, "x")):
        axes.plot(steps, [found[name] for _, found in checks], color=colour, marker=mark, markersize=4,
                  label=name.replace("_", " "))
    axes.axhline(0.99, color=INK, linewidth=0.8, linestyle="--")
    axes.set(ylim=(0, 1.05), ylabel="share of expressions", title="Learning to write programs")
    axes.legend(frameon=False)
    train = [(record["step"], record["train"]["entropy"]) for record in metrics if "train" in record]
    below.plot(*zip(*train), color=BLUE, linewidth=1)
    below.set(xlabel="training step", ylabel="entropy of a\nprogram, nats")
    return save(figure, folder, "learning-curve")


def program(folder, trace):
    """The chosen program as a chain of operations on inputs and on outputs of earlier ones (the article's first)."""
    count, names = len(trace["numbers"]), names_of(trace)
    values = [*trace["numbers"], *(trace[f"outputs_{t}"][row[0]] for t, row in enumerate(trace["instruction"]))]
    figure, axes = plt.subplots(figsize=(8, 3.2), layout="constrained")
    at = {i: (0, -i) for i in range(count)} | {count + t: (2.0 * (t + 1), (-2.4, -0.6)[t % 2])
                                                  for t in range(steps_of(trace))}
    for t, (operation, *arguments) in enumerate(trace["instruction"]):
        for side, argument in enumerate(arguments):
            axes.annotate("", at[count + t], at[int(argument)], arrowprops={
                "arrowstyle": "->", "color": (BLUE, ORANGE)[side], "shrinkA": 22, "shrinkB": 34})
        axes.text(*at[count + t], f"{names[count + t]}\n{trace['operations'][operation]}\n{values[count + t]:.4g}",
                  ha="center", va="center", color=INK,
                  bbox={"boxstyle": "round,pad=0.4", "facecolor": "#eef3f8", "edgecolor": INK})
    for i in range(count):
        axes.text(*at[i], f"{names[i]} = {values[i]:.4g}", ha="center", va="center", color=INK,
                  bbox={"boxstyle": "square,pad=0.3", "facecolor": "white", "edgecolor": INK})
    axes.plot([], [], color=BLUE, label="first argument")
    axes.plot([], [], color=ORANGE, label="second argument")
    axes.legend(frameon=False, loc="upper right")
    axes.set(xlim=(-0.8, 2.0 * steps_of(trace) + 0.9), ylim=(-count + 0.4, 0.6),
             title=f"{trace['expression']}\n{trace['program']}; the answer is {float(trace['answer']):.4g}")
    axes.axis("off")
    return save(figure, folder, "program")


def distributions(folder, trace):
    """At each step, the distribution over operations and over both arguments: opacity is probability (the second)."""
    names, operations = names_of(trace), list(trace["operations"])
    count = steps_of(trace)
    figure, axes = plt.subplots(1, 3, figsize=(8, 2.6), layout="constrained", width_ratios=[len(operations), 6, 6])
    for panel, kind, ticks in zip(axes, ("operation", "left", "right"), (operations, names[:-1], names[:-1])):
        grid = np.full((count, len(ticks)), np.nan)
        for step in range(count):
            weights = trace[f"{kind}_{step}"]
            grid[step, :len(weights)] = weights
        image = panel.imshow(grid, cmap="Blues", vmin=0, vmax=1)
        for (row, column), value in np.ndenumerate(grid):
            if value > 0.005:
                panel.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=7,
                           color="white" if value > 0.5 else INK)
        panel.set_xticks(range(len(ticks)), ticks, rotation=35, ha="right")
        panel.set_yticks(range(count), [f"t{step + 1}" for step in range(count)])
        panel.set_title({"operation": "operation", "left": "first argument", "right": "second argument"}[kind])
    figure.colorbar(image, ax=axes, pad=0.01, label="probability")
    figure.suptitle(str(trace["expression"]))
    return save(figure, folder, "distributions")


def averages(folder, trace, temperatures=(1.0, 3.0, 10.0)):
    """What every operation came to at the last step, and their mean (the third), at three temperatures.

    At a temperature the probabilities are p^(1/temperature), made to sum to 1: what softmax does to scores. It is turned at
    this step alone.
    """
    step = steps_of(trace) - 1
    outputs, weights, operations = trace[f"outputs_{step}"], trace[f"operation_{step}"], list(trace["operations"])
    figure, axes = plt.subplots(1, len(temperatures), figsize=(8, 2.8), layout="constrained", sharey=True)
    for panel, temperature in zip(axes, temperatures):
        warm = np.maximum(weights, 1e-12) ** (1 / temperature)
        warm /= warm.sum()
        mean = float(warm @ outputs)
        for row, (value, weight) in enumerate(zip(outputs, warm)):
            panel.barh(row, value, color=BLUE, alpha=max(float(weight), 0.08), edgecolor=INK, linewidth=0.6)
            panel.annotate(f"{value:.4g}  (p {weight:.2f})", (max(value, 0), row), xytext=(3, 0),
                           textcoords="offset points", va="center", fontsize=7, color=INK)
        panel.axvline(mean, color=ORANGE, linestyle="--")
        panel.set(title=f"temperature {temperature:g}: mean {mean:.4g}", xlabel=f"value of t{step + 1}")
        low, high = min(0.0, outputs.min()), max(0.0, outputs.max())
        panel.set_xlim(low - 0.1 * (high - low), high + 0.75 * (high - low))
    axes[0].set_yticks(range(len(operations)), operations)
    figure.suptitle(f"{trace['expression']}: all operations of the last step, and their mean")
    return save(figure, folder, "averages")
