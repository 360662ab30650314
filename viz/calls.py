"""The figures of the interpreter: the call tree of a run, and how it was learned."""

import numpy as np

from viz.style import BLUE, INK, ORANGE, panels, plt, save


def all_figures(folder, trace, metrics):
    """Draw what the trace and the log allow. returns: the paths"""
    paths = [learning_curve(folder, metrics)] if any("train" in record for record in metrics) else []
    return [*paths, call_tree(folder, trace)]


def learning_curve(folder, metrics):
    """The cross-entropy of a step over training, and the share of problems that are solved."""
    figure, ((axes,), (below,)) = panels(2, height=1.9, width=6.0, sharex=True)
    axes.semilogy(*zip(*[(r["step"], r["train"]["misfit"]) for r in metrics if "train" in r]), color=BLUE, linewidth=1)
    axes.set(ylabel="nats a step", title="Learning from traces")
    checks = [(r["step"], r["validation"]) for r in metrics if "validation" in r]
    names = [name for name in checks[0][1] if name not in ("done", "proof", "frames")] if checks else []
    for name, colour, mark in zip(names, (BLUE, ORANGE, INK), "oxs"):
        below.plot([step for step, _ in checks], [found[name] for _, found in checks], color=colour, marker=mark,
                   markersize=4, label=name)
    below.set(ylim=(-0.05, 1.05), xlabel="training step", ylabel="share solved,\nlongest trained length")
    if names:
        below.legend(frameon=False)
    return save(figure, folder, "learning-curve")


def call_tree(folder, trace):
    """Each program as a bar over the calls that were made while it ran; below it, the programs that it called."""
    depth, program, names = trace["depth"], trace["program"], list(trace["names"])
    count, deepest = len(depth), int(depth.max())
    figure, axes = plt.subplots(figsize=(10, 0.55 * deepest + 1.6), layout="constrained")
    colours = plt.get_cmap("tab20")
    _bar(axes, 0, count, 0, str(trace["root"]), "#dddddd")
    for i in range(count):
        later = np.flatnonzero(depth[i + 1:] <= depth[i])
        end = i + 1 + (int(later[0]) if later.size else count - i - 1)
        name = names[program[i]]
        _bar(axes, i, end, depth[i], name if name != "ACT" else "", colours(int(program[i]) % 20))
    axes.set(xlim=(0, count), ylim=(deepest + 1, 0), yticks=np.arange(deepest + 1) + 0.5,
             xlabel="call; the lowest bars without a name are ACT, which changes the pad", ylabel="depth",
             title=f"{trace['problem']}: the result is {trace['result']}, after {count} calls")
    axes.set_yticklabels(range(deepest + 1))
    return save(figure, folder, "call-tree")


def _bar(axes, start, end, row, name, colour):
    axes.barh(row + 0.5, end - start, left=start, height=0.9, color=colour, edgecolor="white", linewidth=0.8)
    if name:
        upright = end - start < 0.9 * len(name) ** 0.9
        axes.text((start + end) / 2, row + 0.5, name, ha="center", va="center", fontsize=5 if upright else 7, color=INK,
                  rotation=90 if upright and end - start < 3 else 0, clip_on=True)
