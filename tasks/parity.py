"""Parity: is the number of +1 in a vector odd (Graves 2016, section 3.1)?

The whole vector is there at once, and a network that takes one step has to see its parity at a glance. One that may
take several can take it apart, and the more elements there are to look at, the longer it should think.

The functions below are those that tasks/task.py describes; TASK, at the end, names them.
"""

import numpy as np

from tasks import pondering, sweep
from tasks.task import Task
from tinyaug.data.ponder import parity

RECIPE = pondering.THINKING | {
    "steps": 54000, "batch": 64, "validate_every": 1000, "enough": 0.035, "rate": 3e-3, "half_rate": 25000,
    "clip_norm": 1.0, "growing": 30000, "practice": 4000, "size": 16, "most": 0, "hidden": 64, "limit": 8,
    "enough_correlation": 0.815, "halting_bias": -3.0, "time_penalty": 0.04, "in_order": 0, "bend": 1,
}
GATED = RECIPE | {"steps": 30000, "batch": 128, "limit": 16, "rate": 5e-3, "half_rate": 10000, "growing": 14000,
                  "practice": 3000, "time_penalty": 0.01, "epsilon": 0.001, "enough": 0.035, "enough_correlation": 0.81,
                  "validate_every": 500}
MODELS = {"lstm": GATED, "rnn": RECIPE, "ntm": GATED | pondering.MEMORY}


def check(config):
    """Settings that cannot be."""
    pondering.check(config)
    if config["size"] < 2:
        raise ValueError(f"size: got {config['size']}, expected at least 2")
    if not 0 <= config["most"] <= config["size"]:
        raise ValueError(f"most: got {config['most']}, expected 0 (all) or at most size={config['size']}")
    if config["in_order"] not in (0, 1):
        raise ValueError(f"in_order: got {config['in_order']}, expected 0 or 1")
    if config["bend"] < 1:
        raise ValueError(f"bend: got {config['bend']}, expected at least 1")


def trained(config):
    """The most elements other than 0 that a vector has in training."""
    return config["most"] or config["size"]


def build(config, rng):
    return pondering.network(config, config["size"], 1, 2, rng)


def batch(config, rng, i):
    """Level k: vectors with 1 to k elements, in_order: at the first k places. In practice the answer is due later the more
    there may be, and no step is taken after it: at a single input nothing could be learned from that."""
    most, terms = pondering.lesson(config, rng, i, 2, trained(config), lambda k: -(-k * config["limit"] // trained(config)),
                                   config["bend"])
    if len(terms) > 1 and terms[1] == 0:
        terms = terms[:3 + terms[2:].argmax()]
    places = most if config["in_order"] else config["size"]
    inputs, targets = parity(rng, config["batch"], places, 1, most)
    return np.pad(inputs, ((0, 0), (0, 0), (0, config["size"] - places))), targets, terms


def measure(model, config, rng, least, most, vectors):
    """Share of answers wrong, and steps, on fresh vectors; and how the steps go with the number of elements: their
    correlation over all vectors, that of the mean steps for each number, and that of the steps with the number of +1, which
    are all that has to be counted."""
    wrong, steps, elements, ones = [], [], [], []
    for start in range(0, vectors, 500):
        inputs, targets = parity(rng, min(500, vectors - start), config["size"], least, most)
        mistakes, _, taken = pondering.answers(model, inputs, targets)
        wrong.append(mistakes[0, :, 0])
        steps.append(taken[0])
        elements.append(np.abs(inputs[0]).sum(axis=-1))
        ones.append((inputs[0] == 1).sum(axis=-1))
    steps, elements = np.concatenate(steps), np.concatenate(elements)
    counts = np.unique(elements)
    means = [steps[elements == count].mean() for count in counts]
    return {"error": float(np.concatenate(wrong).mean()), "steps": float(steps.mean()),
            "correlation": pondering.correlation(steps, elements),
            "correlation_of_means": pondering.correlation(means, counts),
            "correlation_with_ones": pondering.correlation(steps, np.concatenate(ones))}


def validate(model, config, rng):
    found = measure(model, config, rng, 1, trained(config), 2000)
    return found | {"done": found["error"] <= config["enough"] and found["correlation"] >= config["enough_correlation"]}


def evaluate(model, config, rng):
    most = trained(config)
    metrics = measure(model, config, rng, 1, most, 10000)
    if most < config["size"]:                           # what it never saw
        metrics["error_unseen"] = measure(model, config, rng, most + 1, config["size"], 10000)["error"]
    rows = [measure(model, config, rng, bits, bits, 1000) for bits in range(1, config["size"] + 1)]
    return {"metrics": metrics, "by_length": [{"length": i, "error": row["error"], "steps": row["steps"]}
                                              for i, row in enumerate(rows, 1)]}


def targets(config, result):
    found = result["metrics"]
    return pondering.bars(error=(found["error"], 0.05), correlation_at_least=(found["correlation"], 0.8))


def trace(model, config, rng):
    """One vector, step by step, and of 2,000 the number of elements, the steps, and whether the answer is wrong."""
    inputs, answer = parity(rng, 1, config["size"], 3 * config["size"] // 4, 3 * config["size"] // 4)
    record = pondering.thinking(model, inputs) | {"target": answer}
    many, answer = parity(rng, 2000, config["size"])
    wrong, _, steps = pondering.answers(model, many, answer)
    return record | {"difficulty": np.abs(many[0]).sum(axis=-1), "difficulty_steps": steps[0],
                     "difficulty_wrong": wrong[0, :, 0]}


def figures(folder, trace, metrics):
    from viz import ponder as draw
    return draw.all_figures(folder / "figures", trace, metrics, "parity", "elements that are not 0")


TASK = Task(
    name="parity", title="tell whether the number of +1 in a vector is odd",
    paper="Graves 2016, Adaptive Computation Time for Recurrent Neural Networks, section 3.1",
    measures="share of vectors wrong, steps, and how both depend on the number of elements that are not 0",
    found=("1.8 to 3.2 % wrong, steps that go with the elements by 0.84 to 0.90 (3 of 3 seeds); without pondering 45 %",),
    minutes=4, models=MODELS, choices=pondering.CHOICES, build=build, batch=batch, loss=pondering.loss,
    optimiser=pondering.optimiser, rate=pondering.rate, validate=validate, evaluate=evaluate, targets=targets,
    trace=trace, figures=figures, check=check, options=sweep.options, command=sweep.command("parity"),
)
