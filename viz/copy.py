"""The figures of the copy task: how it was learned, what comes out, and how the memory is used."""

import numpy as np

from viz.style import BLUE, INK, ORANGE, panels, save


def all_figures(folder, trace, metrics, length):
    """Draw what the trace and the log allow. returns: the paths"""
    trained = int(trace["trained_length"])
    paths = [learning_curve(folder, metrics, trained)] if any("train" in record for record in metrics) else []
    paths.append(input_and_output(folder, trace, length))
    if "weights" in trace:
        paths.append(memory_use(folder, trace, length))
    return paths


def learning_curve(folder, metrics, trained):
    """Bits a sequence over training: means between log lines, and the validation."""
    figure, ((axes,),) = panels(1, height=3.2, width=6.0)
    train = [(record["step"], record["train"]["bits"]) for record in metrics if "train" in record]
    steps, bits = np.array(train).T
    floor = 1e-3                                    # bits; below it the picture would be all tail
    axes.semilogy(steps, np.maximum(bits, floor), color=BLUE, linewidth=1, label=f"training, lengths 1 to {trained}")
    checks = [(r["step"], r["validation"]["bits"]) for r in metrics if "validation" in r]
    if checks:
        axes.semilogy(*zip(*[(step, max(value, floor)) for step, value in checks]), color=ORANGE, marker="o",
                      markersize=3, label=f"validation, length {trained}")
    axes.axhline(0.1, color=INK, linewidth=0.8, linestyle="--")
    axes.annotate("0.1 bits", (steps[0], 0.1), xytext=(2, 3), textcoords="offset points", color=INK)
    axes.set(xlabel="training step", ylabel="bits a sequence", title="Learning to copy")
    axes.legend(frameon=False)
    return save(figure, folder, "learning-curve")


def input_and_output(folder, trace, length):
    """Inputs, targets and outputs as pictures, one column a step, and where the output is wrong."""
    inputs, target = trace["input"][:length, 0].T, trace["target"][:, 0].T
    output = trace["output"][-length:, 0].T
    wrong = int(((output > 0.5) != (target > 0.5)).sum())
    figure, axes = panels(3, height=1.2, sharex=True)
    for (panel,), picture, name in zip(axes, (inputs, target, output), ("input", "target", "output")):
        panel.imshow(picture, cmap="Greys", vmin=0, vmax=1)
        panel.set(ylabel=name, yticks=[])
    errors = np.argwhere((output > 0.5) != (target > 0.5))
    axes[2][0].plot(errors[:, 1], errors[:, 0], "x", color=ORANGE, markersize=4)
    axes[0][0].set_title(f"{length} vectors of {target.shape[0]} bits; trained on at most "
                         f"{trace['trained_length']}; {wrong} bits wrong")
    axes[2][0].set_xlabel("position in the sequence")
    return save(figure, folder, "input-and-output")


def memory_use(folder, trace, length):
    """Where is written and read at every step, and what the memory holds when all is written."""
    reads = int(trace["read_heads"])
    weights = trace["weights"][:, 0]                              # (T, H, N)
    used = np.flatnonzero(weights.max(axis=(0, 1)) > 0.05)        # slots that a head ever dwelt on
    first, last = (int(used.min()), int(used.max())) if used.size else (0, weights.shape[2] - 1)
    rows = slice(max(0, first - 2), min(weights.shape[2], last + 3))
    extent = (-0.5, weights.shape[0] - 0.5, rows.stop - 0.5, rows.start - 0.5)
    figure, axes = panels(4, ratios=[0.5, 1, 1, 1], height=2.0)
    given = trace["input"][:, 0].T                                # (D, T)
    axes[0][0].imshow(given, cmap="Greys", extent=(-0.5, given.shape[1] - 0.5, given.shape[0] - 0.5, -0.5))
    axes[0][0].set(ylabel="input", yticks=[],
                   title=f"Copying {length} vectors, trained on at most {trace['trained_length']}")
    for (panel,), picture, name in ((axes[1], weights[:, reads:].max(axis=1), "write weighting"),
                                    (axes[2], weights[:, :reads].max(axis=1), "read weighting")):
        image = panel.imshow(picture.T[rows], cmap="magma", vmin=0, vmax=1, extent=extent)
        panel.set(ylabel=f"{name}\nslot")
        figure.colorbar(image, ax=panel, pad=0.01)
    for (panel,) in axes[:3]:
        panel.axvline(length, color=ORANGE, linewidth=0.8)
    axes[2][0].set_xlabel("step; the line marks the delimiter")
    content = trace["memory"][length, 0][rows]                    # (N, W) as the last vector has been written
    limit = np.abs(content).max()
    image = axes[3][0].imshow(content.T, cmap="RdBu_r", vmin=-limit, vmax=limit,
                              extent=(rows.start - 0.5, rows.stop - 0.5, content.shape[1] - 0.5, -0.5))
    axes[3][0].set(ylabel="memory\ncomponent", xlabel="slot, at the delimiter")
    figure.colorbar(image, ax=axes[3][0], pad=0.01)
    return save(figure, folder, "memory-use")
