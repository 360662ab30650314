"""Sort: real numbers come one by one; then say where the smallest was, the next one, and so on (Graves 2016, section 3.4).

The functions below are those that tasks/task.py describes; TASK, at the end, names them.
"""

import numpy as np

from tasks import pondering, sweep
from tasks.task import Task
from tinyaug import ops
from tinyaug.data.ponder import sort
from tinyaug.halting import Looking
from tinyaug.nn import LSTM, Linear

RECIPE = pondering.THINKING | {
    "steps": 28000, "batch": 64, "validate_every": 1000, "enough": 0.0, "rate": 3e-3, "half_rate": 7000,
    "clip_norm": 1.0, "growing": 3000, "practice": 0, "numbers": 5, "gap": 0.02, "hidden": 48,
    "limit": 4, "halting_bias": -4.0, "time_penalty": 0.0002,
}
NO_PONDERING = 0.0765       # the error of `--ponder none` after as many steps, median of seeds 8 to 10; docs/pondering.md
MODELS = {"lstm": RECIPE | {"forget_bias": 4.5}, "rnn": RECIPE, "ntm": RECIPE | pondering.MEMORY,
          "attention": RECIPE | {"width": 16}}


def check(config):
    """Settings that cannot be."""
    pondering.check(config)
    if config["numbers"] < 2:
        raise ValueError(f"numbers: got {config['numbers']}, expected at least 2")
    if not 0 <= config["gap"] * config["numbers"] <= 2:
        raise ValueError(f"gap: got {config['gap']}, expected 0 to {2 / config['numbers']:.2g}: the numbers have to fit")


class Reader(pondering.Ponderer):
    """A decoder with attention: from its first step on it can look at all numbers, each at its place."""

    def __init__(self, core, classes, width, *, rng):
        super().__init__(core, 1, classes, rng=rng)
        self.read = Linear(2, width, rng=rng)

    def start(self, inputs):
        source = ops.swapaxes(ops.tanh(self.read(inputs)), 0, 1)
        return super().start(inputs)._replace(core=self.core.core.initial_state(inputs.shape[1], source))


def build(config, rng):
    if config["model"] != "attention":
        return pondering.network(config, 2, 1, config["numbers"], rng)
    width = config["width"]
    core = Looking(LSTM(3 + width, config["hidden"], rng=rng), slots=config["numbers"], width=width, rng=rng)
    return Reader(pondering.pondering(config, core, rng), config["numbers"], width, rng=rng)


def draw(config, rng, sequences, length):
    """Inputs (2 length, B, 2) and targets. With attention reading takes no time: (length, B, 2), and an answer at each."""
    inputs, targets = sort(rng, sequences, length, config["numbers"], config["gap"])
    return (inputs[:length], targets[length:]) if config["model"] == "attention" else (inputs, targets)


def batch(config, rng, i):
    """Level k: 2 to k numbers, as many in all sequences of a batch."""
    most, terms = pondering.lesson(config, rng, i, 2, config["numbers"])
    return *draw(config, rng, config["batch"], int(rng.integers(2, most + 1))), terms


def measure(model, config, rng, length, sequences):
    """Of sequences of one length: the share with a wrong place and that of wrong places, and the steps."""
    wrong, due, steps = pondering.answers(model, *draw(config, rng, sequences, length))
    return {"length": length, "error": float(wrong.any(axis=(0, 2)).mean()), "place_error": float(wrong.sum() / due.sum()),
            "steps": float(steps.mean()), "steps_reading": float(steps[:-length].sum(axis=0).mean() / length),
            "steps_answering": float(steps[-length:].mean())}


validate, evaluate = pondering.judged(measure, lambda config: range(2, config["numbers"] + 1), 100, 1000)


def targets(config, result):
    """At most half the error of no pondering."""
    return pondering.bars(error=(result["metrics"]["error"], NO_PONDERING / 2))


def trace(model, config, rng):
    """A sequence, step by step; and of 300 more of that length the position, the steps, and whether the place is wrong."""
    length = config["numbers"]
    inputs, answer = draw(config, rng, 1, length)
    record = pondering.thinking(model, inputs) | {"target": answer}
    wrong, _, steps = pondering.answers(model, *draw(config, rng, 300, length))
    position = np.broadcast_to(np.arange(1, len(steps) + 1)[:, None], steps.shape)
    return record | {"difficulty": position.ravel(), "difficulty_steps": steps.ravel(), "difficulty_wrong": wrong.ravel()}


def figures(folder, trace, metrics):
    from viz import ponder as draw
    answers = int((trace["target"] >= 0).sum())
    reading = len(trace["target"]) - answers
    label = f"position: numbers come at 1 to {reading}, answers at {reading + 1} to {reading + answers}"
    return draw.all_figures(folder / "figures", trace, metrics, "sort", label if reading else "position of the answer")


TASK = Task(
    name="sort", title="say the order of up to five numbers",
    paper="Graves 2016, Adaptive Computation Time for Recurrent Neural Networks, section 3.4",
    measures="share of sequences with a wrong place, of places wrong, and steps, while reading and while answering",
    found=("2.6 to 3.9 % of the sequences wrong (bar reached on 2 of 3 seeds), without pondering 7.1 to 10.1 %",),
    minutes=10, models=MODELS, choices=pondering.CHOICES, build=build, batch=batch, loss=pondering.loss,
    optimiser=pondering.optimiser, rate=pondering.rate, validate=validate, evaluate=evaluate, targets=targets,
    trace=trace, figures=figures, check=check, options=sweep.options, command=sweep.command("sort"),
)
