"""The figures of adaptive computation time: how it was learned, one input thought through, and what takes how long."""

import numpy as np

from viz.style import BLUE, INK, ORANGE, panels, plt, save

PALE = "#9ecae1"


def all_figures(folder, trace, metrics, task, difficulty):
    """Draw what the trace and the log allow. difficulty: what trace["difficulty"] counts. returns: the paths"""
    paths = [learning_curve(folder, metrics, task)] if any("train" in record for record in metrics) else []
    paths.append(one_input(folder, trace))
    if len(trace["steps"]) > 1:
        paths.append(a_sequence(folder, trace))
    return [*paths, by_difficulty(folder, trace, difficulty)]


def learning_curve(folder, metrics, task):
    """Cross-entropy of a sequence and steps at an input, over training; and the error at validations."""
    figure, ((upper,), (lower,)) = panels(2, height=2.0, width=6.0, sharex=True)
    steps = [record["step"] for record in metrics if "train" in record]
    train = [record["train"] for record in metrics if "train" in record]
    upper.semilogy(steps, [max(row["error"], 1e-4) for row in train], color=BLUE, linewidth=1, label="training, nats")
    checks = [(r["step"], max(r["validation"]["error"], 1e-4)) for r in metrics if "validation" in r]
    if checks:
        upper.semilogy(*zip(*checks), color=ORANGE, marker="o", markersize=3, label="validation, share wrong")
    upper.set(ylabel="error", title=f"Learning: {task}")
    upper.legend(frameon=False)
    lower.plot(steps, [row["steps"] for row in train], color=BLUE, linewidth=1)
    lower.set(xlabel="training step", ylabel="steps at an input", ylim=(0, None))
    return save(figure, folder, "learning-curve")


def one_input(folder, trace):
    """The input that took the most steps: states, halting probabilities, budget, weights, and the answer as it forms."""
    t = int(trace["steps"][:, 0].argmax())
    epsilon = float(trace["epsilon"])                          # 0 where halting has no budget
    n = int(trace["steps"][t, 0]) if epsilon else trace["outputs"].shape[1]
    weights, halting = trace["weights"][t, :n, 0], trace["halting"][t, :n, 0]
    figure, axes = panels(5 if epsilon else 4, width=max(4.5, 1.5 + 0.75 * n), height=1.7,
                          ratios=[1.6, *[1] * (4 if epsilon else 3)], sharex=True)
    rows = iter(axes[:, 0])
    at = np.arange(1, n + 1)
    _states(next(rows), trace["outputs"][t, :n, 0], trace["output"][t, 0], at)
    _bars(next(rows), at, halting, BLUE, "halting\nprobability")
    if epsilon:
        _budget(next(rows), at, halting, epsilon)
    panel = next(rows)
    _bars(panel, at, weights, [BLUE] * (n - 1) + [ORANGE] if epsilon else BLUE, "weight in\nthe mean")
    if epsilon:
        panel.set_title(f"the last is the remainder, 1 - {weights[:-1].sum():.2f} = {weights[-1]:.2f}", fontsize=8,
                        loc="left")
    _answer(next(rows), trace, t, at)
    axes[-1][0].set(xticks=[*at, n + 1], xticklabels=[*at, "mean"], xlabel=f"step at input {t + 1}")
    axes[0][0].set_title(f"{n} steps at one input, and the mean of their states", fontsize=9)
    return save(figure, folder, "one-input")


def _states(panel, states, mean, at):
    limit = np.abs(states).max()
    picture = np.concatenate([states, mean[None]]).T
    panel.imshow(picture, cmap="RdBu_r", vmin=-limit, vmax=limit, extent=(0.5, len(at) + 1.5, len(mean) - 0.5, -0.5))
    for edge in at:
        panel.axvline(edge + 0.5, color="white", linewidth=2 if edge < len(at) else 6)
    panel.set(ylabel="state\n(hidden units)", yticks=[])


def _bars(panel, at, values, color, name):
    panel.bar(at, values, color=color, width=0.6)
    for x, value in zip(at, values):
        panel.text(x, value + 0.03, f"{value:.2f}", ha="center", color=INK, fontsize=8)
    panel.set(ylabel=name, ylim=(0, 1.25), yticks=[0, 1])


def _budget(panel, at, halting, epsilon):
    """What was used before each step and what it adds; who crosses the line stops, and gets what is left to 1."""
    before = np.cumsum(halting) - halting
    panel.bar(at, before, color=PALE, width=0.6, label="used before")
    panel.bar(at[:-1], halting[:-1], bottom=before[:-1], color=BLUE, width=0.6, label="halting probability")
    panel.bar(at[-1:], 1 - before[-1:], bottom=before[-1:], color=ORANGE, width=0.6, label="remainder")
    panel.axhline(1 - epsilon, color=INK, linewidth=0.8, linestyle="--")
    panel.text(0.55, 1.03, f"1 - epsilon = {1 - epsilon:g}", fontsize=8, color=INK)
    for x, value in zip(at, before + halting):
        panel.text(x, min(value, 1) / 2, f"{value:.2f}", ha="center", va="center", fontsize=8, color=INK,
                   bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.8})
    panel.legend(frameon=False, fontsize=7, ncols=3, loc="lower right", bbox_to_anchor=(1, 1))
    panel.set(ylabel="budget:\nsum so far", ylim=(0, 1.2), yticks=[0, 1])


def _answer(panel, trace, t, at):
    """How sure of the right answer: were it to answer after each step alone, and by the mean."""
    due = trace["target"][t, 0] >= 0
    if not due.any():
        panel.text(0.5, 0.5, "no answer is due here", transform=panel.transAxes, ha="center")
        return
    places, right = np.flatnonzero(due), trace["target"][t, 0][due]
    each = trace["step_probabilities"][t, :len(at), 0][:, places, right].min(axis=1)
    whole = trace["probabilities"][t, 0][places, right].min()
    _bars(panel, [*at, len(at) + 1], [*each, whole], [PALE] * len(at) + [BLUE], "probability of\nthe right answer")


def a_sequence(folder, trace):
    """Every step at every input, in order: the mark of a new input, the states, the halting probabilities."""
    steps = np.maximum(1, np.rint(trace["steps"][:, 0])).astype(int) if trace["epsilon"] else np.full(
        len(trace["steps"]), trace["outputs"].shape[1])
    states = np.concatenate([trace["outputs"][t, :n, 0] for t, n in enumerate(steps)])
    halting = np.concatenate([trace["halting"][t, :n, 0] for t, n in enumerate(steps)])
    starts = np.cumsum(steps) - steps
    figure, axes = panels(3, height=1.3, width=min(14, 3 + 0.14 * len(states)), ratios=[0.8, 1.6, 1], sharex=True)
    axes[0][0].bar(starts + (steps - 1) / 2, steps, width=steps - 0.3, color=BLUE)
    axes[0][0].set(ylabel="steps", title=f"{len(steps)} inputs, {len(states)} steps")
    limit = np.abs(states).max()
    axes[1][0].imshow(states.T, cmap="RdBu_r", vmin=-limit, vmax=limit)
    axes[1][0].set(ylabel="state", yticks=[])
    axes[2][0].bar(np.arange(len(halting)), halting, color=PALE)
    axes[2][0].plot(starts, np.zeros(len(starts)), "^", color=ORANGE, markersize=5, clip_on=False)
    axes[2][0].set(ylabel="halting\nprobability", ylim=(0, 1.05), xlabel="step; a triangle marks the first at each input")
    for (panel,) in axes:
        for start in starts[1:]:
            panel.axvline(start - 0.5, color=INK, linewidth=0.5)
    return save(figure, folder, "a-sequence")


def by_difficulty(folder, trace, difficulty):
    """Steps and error of many inputs, by how hard they are."""
    hard, steps, wrong = (trace[name] for name in ("difficulty", "difficulty_steps", "difficulty_wrong"))
    levels = np.unique(hard)
    groups = [steps[hard == level] for level in levels]
    figure, ((upper,), (lower,)) = panels(2, height=2.2, width=6.0, sharex=True)
    upper.fill_between(levels, [np.percentile(g, 5) for g in groups], [np.percentile(g, 95) for g in groups], color=PALE,
                       alpha=0.5, linewidth=0, label="5 % to 95 %")
    upper.plot(levels, [g.mean() for g in groups], color=BLUE, marker="o", markersize=3, label="mean")
    upper.set(ylabel="steps", ylim=(0, None))
    upper.set_title(f"{len(hard):,} inputs: steps {steps.mean():.1f}, wrong {100 * wrong.mean():.1f} %", fontsize=9)
    upper.legend(frameon=False)
    lower.bar(levels, [100 * wrong[hard == level].mean() for level in levels], color=ORANGE)
    lower.set(xlabel=difficulty, ylabel="wrong, %", ylim=(0, max(5, 105 * max(wrong[hard == n].mean() for n in levels))))
    return save(figure, folder, "by-difficulty")


def sweep(folder, rows, task):
    """Error and steps by time penalty, and correlation where it is measured: a point a seed, a line through the medians."""
    names = {"error": ("wrong, %", 100), "steps": ("steps at an input", 1),
             "correlation": ("correlation of steps\nwith difficulty", 1)}
    shown = {name: how for name, how in names.items() if name in rows[0]}
    penalties = sorted({row["time_penalty"] for row in rows})
    at = {penalty: i for i, penalty in enumerate(penalties)}
    figure, axes = plt.subplots(1, len(shown), figsize=(3.5 * len(shown), 2.8), layout="constrained")
    for panel, (name, (label, scale)) in zip(axes, shown.items()):
        panel.plot([at[row["time_penalty"]] for row in rows], [scale * row[name] for row in rows], "o", color=PALE)
        panel.plot(range(len(penalties)), [scale * np.median([row[name] for row in rows if row["time_penalty"] == penalty])
                                           for penalty in penalties], color=BLUE, marker="_", markersize=12)
        panel.set(xlabel="time penalty", ylabel=label, xticks=range(len(penalties)),
                  xticklabels=[f"{penalty:g}" for penalty in penalties])
        panel.set_ylim(bottom=min(0.0, panel.get_ylim()[0]) if name == "correlation" else 0)
    figure.suptitle(f"{task}: {len(rows)} runs; the line is the median of the seeds", fontsize=9)
    return save(figure, folder, "sweep")
