"""Letters over a waveform: where in the sound each letter was heard."""

import numpy as np

from viz.attention import learning_curve
from viz.style import BLUE, INK, ORANGE, plt, save


def all_figures(folder, trace, metrics):
    """Draw what the trace and the log allow. returns: the paths"""
    title = "Where each letter was heard"
    paths = [learning_curve(folder, metrics, title)] if any("train" in record for record in metrics) else []
    return [*paths, heard(folder, trace, title)] if "attention_0" in trace else paths


def heard(folder, trace, title):
    """For each utterance the weights, a row a letter, the largest black, and below them the waveform."""
    count = sum(name.startswith("attention_") for name in trace)
    figure, grid = plt.subplots(2 * count, 1, figsize=(8, 4.2 * count), layout="constrained",
                                height_ratios=[3, 1] * count)
    for i in range(count):
        weights, samples, output = (trace[f"{name}_{i}"] for name in ("attention", "samples", "output"))
        top, wave = grid[2 * i], grid[2 * i + 1]
        seconds = len(samples) / int(trace["rate"])
        if not len(output):
            top.set_axis_off()                          # nothing was written, nothing looked at
            wave.plot(samples, color=BLUE, linewidth=0.4)
            continue
        top.imshow(weights, cmap="Greys", vmin=0, vmax=weights.max(), extent=(0, seconds, len(weights) - 0.5, -0.5))
        top.set_yticks(range(len(output)), ["\u2423" if letter == " " else letter for letter in output], fontsize=8)
        right = trace[f"target_{i}"]
        for t, label in enumerate(top.get_yticklabels()):
            label.set_color(INK if t < len(right) and output[t] == right[t] else ORANGE)
        top.set(xlim=(0, seconds), xticks=[])
        wave.plot(np.arange(len(samples)) / int(trace["rate"]), samples, color=BLUE, linewidth=0.4)
        wave.set(xlim=(0, seconds), xlabel="seconds", yticks=[])
    figure.suptitle(title)
    return save(figure, folder, "heard")
