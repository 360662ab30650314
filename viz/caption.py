"""Where a captioner looks for each word: the picture, dimmed where the weight is small."""

import numpy as np

from viz.attention import learning_curve
from viz.style import plt, save


def all_figures(folder, trace, metrics):
    """Draw what the trace and the log allow. returns: the paths"""
    title = "Where it looks for each word"
    paths = [learning_curve(folder, metrics, title)] if any("train" in record for record in metrics) else []
    return [*paths, looks(folder, trace, title)] if "attention_0" in trace else paths


def looks(folder, trace, title):
    """A row for each picture: the picture itself, then once a word, bright where the weight is."""
    count = len(trace["pictures"])
    words = max(len(trace[f"output_{i}"]) for i in range(count))
    figure, grid = plt.subplots(count, words + 1, figsize=(1.5 * (words + 1), 2.1 * count), squeeze=False,
                                layout="constrained")
    for axes in grid.ravel():
        axes.set_axis_off()
    pictures = trace["pictures"]
    if pictures.shape[-1] == 1:                             # white on black: as ink on paper
        pictures = 1 - np.repeat(np.clip(pictures, 0, 1), 3, axis=-1)
    for i, (row, picture) in enumerate(zip(grid, pictures)):
        row[0].imshow(picture, aspect="equal")
        row[0].set_title("picture")
        for axes, word, weights in zip(row[1:], trace[f"output_{i}"], trace[f"attention_{i}"]):
            size = picture.shape[0] // weights.shape[0]
            light = np.kron(weights / weights.max(), np.ones((size, size)))[..., None]
            axes.imshow(np.clip(0.9 - (0.9 - picture) * (0.1 + 0.9 * light), 0, 1), aspect="equal")
            axes.imshow(light[..., 0], cmap="Oranges", alpha=0.35, vmin=0, vmax=1, aspect="equal")
            axes.set_title(f"{word} {weights.max():.0%}")
    figure.suptitle(title)
    return save(figure, folder, "looks")
