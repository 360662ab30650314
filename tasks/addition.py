"""Addition: numbers come one by one; say the sum of all so far (Graves 2016, section 3.3).

A number of three digits asks for three sums of digits, and a carry may run through all of them.

The functions below are those that tasks/task.py describes; TASK, at the end, names them.
"""

import numpy as np

from tasks import pondering, sweep
from tasks.task import Task
from tinyaug.data.ponder import addition

RECIPE = pondering.THINKING | {
    "steps": 36000, "batch": 32, "validate_every": 1000, "enough": 0.0, "rate": 3e-3, "half_rate": 20000,
    "clip_norm": 1.0, "growing": 5000, "practice": 4000, "digits": 3, "numbers": 3, "hidden": 96,
    "limit": 5, "halting_bias": -3.0, "time_penalty": 0.2,
}
MODELS = {"lstm": RECIPE, "rnn": RECIPE, "ntm": RECIPE | pondering.MEMORY}


def check(config):
    """Settings that cannot be."""
    pondering.check(config)
    if not 1 <= config["digits"] <= 9:
        raise ValueError(f"digits: got {config['digits']}, expected 1 to 9")
    if config["numbers"] < 2:
        raise ValueError(f"numbers: got {config['numbers']}, expected at least 2: one number is no sum")


def build(config, rng):
    return pondering.network(config, 10 * config["digits"], config["digits"] + 1, 11, rng)


def draw(config, rng, sequences, length, digits):
    """Sequences of numbers of at most `digits` digits, as wide as those with all."""
    inputs, targets = addition(rng, sequences, length, digits)
    missing = config["digits"] - digits
    targets = np.pad(targets, ((0, 0), (0, 0), (0, missing)), constant_values=10)
    targets[0] = -1
    return np.pad(inputs, ((0, 0), (0, 0), (0, 10 * missing))), targets


def batch(config, rng, i):
    """Level k: numbers of 1 to k digits."""
    digits, terms = pondering.lesson(config, rng, i, 1, config["digits"])
    length = int(rng.integers(2, config["numbers"] + 1))
    return *draw(config, rng, config["batch"], length, digits), terms


def digits_of(inputs):
    """How many digits every number has: (T, B)."""
    return inputs.sum(axis=-1)


def carries_of(inputs):
    """How often a digit is carried when a number is added to the sum before: (T, B). Each carry makes all digits 9 less."""
    powers = 10 ** np.arange(inputs.shape[-1] // 10)
    numbers = inputs.reshape(*inputs.shape[:-1], -1, 10) @ np.arange(10) @ powers
    totals = numbers.cumsum(axis=0)

    def all_digits(x):
        return sum(x // 10 ** k % 10 for k in range(len(powers) + 2))

    return (all_digits(totals - numbers) + all_digits(numbers) - all_digits(totals)) / 9


def measure(model, config, rng, length, sequences):
    """Of sequences of one length: the share with a wrong sum and that of wrong digits, and the steps: mean of those with an
    answer, at the first number, which has none, and at the last by its digits; and how there digits and carries matter."""
    inputs, targets = draw(config, rng, sequences, length, config["digits"])
    wrong, due, steps = pondering.answers(model, inputs, targets)
    last, digits = steps[-1], digits_of(inputs)[-1]
    return {"length": length, "error": float(wrong.any(axis=(0, 2)).mean()), "digit_error": float(wrong.sum() / due.sum()),
            "steps": float(steps[1:].mean()), "steps_first": float(steps[0].mean()),
            **{f"steps_last_{n}": float(last[digits == n].mean()) for n in range(1, config["digits"] + 1)},
            "correlation": pondering.correlation(last, digits),
            "correlation_with_carries": pondering.correlation(last, carries_of(inputs)[-1])}


validate, evaluate = pondering.judged(measure, lambda config: range(2, config["numbers"] + 1), 200, 1000)


def targets(config, result):
    return pondering.bars(error=(result["metrics"]["error"], 0.05))


def trace(model, config, rng):
    """A sequence, step by step; and of 300 more the digits of every number, the steps, and whether the sum is wrong."""
    inputs, answer = draw(config, rng, 1, config["numbers"], config["digits"])
    record = pondering.thinking(model, inputs) | {"target": answer}
    many, answer = draw(config, rng, 300, config["numbers"], config["digits"])
    wrong, _, steps = pondering.answers(model, many, answer)
    return record | {"difficulty": digits_of(many[1:]).ravel(), "difficulty_steps": steps[1:].ravel(),
                     "difficulty_wrong": wrong[1:].any(axis=-1).ravel()}


def figures(folder, trace, metrics):
    from viz import ponder as draw
    return draw.all_figures(folder / "figures", trace, metrics, "addition", "digits of the number that is added")


TASK = Task(
    name="addition", title="say the sum of all numbers so far, of up to three digits each",
    paper="Graves 2016, Adaptive Computation Time for Recurrent Neural Networks, section 3.3",
    measures="share of sequences with a wrong digit, of digits wrong, steps, and their correlation with digits and carries",
    found=("2.0 to 3.3 % of the sequences wrong (3 of 3 seeds), without pondering 3.0 to 3.6 %",),
    minutes=3, models=MODELS, choices=pondering.CHOICES, build=build, batch=batch, loss=pondering.loss,
    optimiser=pondering.optimiser, rate=pondering.rate, validate=validate, evaluate=evaluate, targets=targets,
    trace=trace, figures=figures, check=check, options=sweep.options, command=sweep.command("addition"),
)
