"""Logic: apply a list of gates to two bits, one after the other (Graves 2016, section 3.2).

Every input is a program of up to ten gates, each of which needs what the one before it gave.
All of it is there at once, and a network that takes one step has to run it at a glance.

The functions below are those that tasks/task.py describes; TASK, at the end, names them.
"""

import numpy as np

from tasks import pondering, sweep
from tasks.task import Task
from tinyaug.data.ponder import logic

RECIPE = pondering.THINKING | {
    "steps": 130000, "batch": 32, "validate_every": 1000, "enough": 0.01, "rate": 3e-3, "half_rate": 30000,
    "clip_norm": 1.0, "growing": 24000, "practice": 6000, "gates": 10, "train_length": 3, "max_length": 10, "hidden": 80,
    "limit": 13, "halting_bias": -3.0, "time_penalty": 0.005, "newest": 0.5,
}
MODELS = {"lstm": RECIPE, "rnn": RECIPE, "ntm": RECIPE | pondering.MEMORY}


def check(config):
    """Settings that cannot be."""
    pondering.check(config)
    for key in ("gates", "train_length", "max_length"):
        if config[key] < 1:
            raise ValueError(f"{key}: got {config[key]}, expected at least 1")


def build(config, rng):
    return pondering.network(config, 2 + 10 * config["gates"], 1, 2, rng)


def draw(config, rng, sequences, length, gates):
    """Sequences with at most `gates` gates an input, as wide as those with all."""
    inputs, targets = logic(rng, sequences, length, gates)
    return np.pad(inputs, ((0, 0), (0, 0), (0, 10 * (config["gates"] - gates)))), targets


def batch(config, rng, i):
    """Level k: 1 to k gates at an input. In practice the answer is due after a step to look, and more for more gates."""
    gates, terms = pondering.lesson(config, rng, i, 1, config["gates"],
                                    lambda k: 1 - (-k * (config["limit"] - 1) // config["gates"]))
    length = int(rng.integers(1, min(config["train_length"], config["max_length"]) + 1))
    return *draw(config, rng, config["batch"], length, gates), terms


def gates_of(inputs):
    """How many gates every input has: (T, B)."""
    return inputs[..., 2:].sum(axis=-1)


def measure(model, config, rng, length, sequences):
    """Of sequences of one length: the share with a wrong answer and that of wrong answers, and the steps."""
    inputs, targets = draw(config, rng, sequences, length, config["gates"])
    wrong, _, steps = pondering.answers(model, inputs, targets)
    return {"length": length, "error": float(wrong.any(axis=(0, 2)).mean()), "answer_error": float(wrong.mean()),
            "steps": float(steps.mean()), "correlation": pondering.correlation(steps, gates_of(inputs))}


validate, evaluate = pondering.judged(measure, lambda config: range(1, config["max_length"] + 1), 100, 500)


def targets(config, result):
    return pondering.bars(error=(result["metrics"]["error"], 0.02))


def trace(model, config, rng):
    """A sequence, step by step; and of 200 more the gates of every input, the steps, and whether the answer is wrong."""
    inputs, answer = draw(config, rng, 1, config["max_length"], config["gates"])
    record = pondering.thinking(model, inputs) | {"target": answer}
    many, answer = draw(config, rng, 200, config["max_length"], config["gates"])
    wrong, _, steps = pondering.answers(model, many, answer)
    return record | {"difficulty": gates_of(many).ravel(), "difficulty_steps": steps.ravel(),
                     "difficulty_wrong": wrong.ravel()}


def figures(folder, trace, metrics):
    from viz import ponder as draw
    return draw.all_figures(folder / "figures", trace, metrics, "logic", "gates of an input")


TASK = Task(
    name="logic", title="apply up to ten gates to two bits, at each of up to ten inputs",
    paper="Graves 2016, Adaptive Computation Time for Recurrent Neural Networks, section 3.2",
    measures="share of sequences with a wrong answer, of answers wrong, steps, and their correlation with the gates",
    found=("0.8 to 1.2 % of the sequences wrong (3 of 3 seeds), without pondering 43 to 57 %",),
    minutes=21, models=MODELS, choices=pondering.CHOICES, build=build, batch=batch, loss=pondering.loss,
    optimiser=pondering.optimiser, rate=pondering.rate, validate=validate, evaluate=evaluate, targets=targets,
    trace=trace, figures=figures, check=check, options=sweep.options, command=sweep.command("logic"),
)
