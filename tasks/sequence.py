"""Copy, reverse, sort and add strings of digits, by a network that looks back at what it read.

One model does all four; the first symbol of the source says which. Without attention (`--model no-attention`) all that was
read has to fit into one vector.

The functions below are those that tasks/task.py describes; TASK, at the end, names them.
"""

import numpy as np

from tasks import writing
from tasks.task import Task
from tinyaug.data.digits import KINDS, SOURCES, TARGETS, digits

MODELS = {model: recipe | {"steps": 10000, "half_rate": 4000} for model, recipe in writing.MODELS.items()}
TRAINED = 10                                # digits at most
LENGTHS = (5, 10, 12, 15, 20)               # of which the last three were never trained


def build(config, rng):
    return writing.build(config, rng, SOURCES, TARGETS)


def mixed(rng, n, shortest, longest):
    """Pairs of every kind; addition, by far the hardest, as often as all others together."""
    share = -(-n // (2 * len(KINDS) - 2))
    return [pair for kind in KINDS
            for pair in digits(rng, (len(KINDS) - 1) * share if kind == "addition" else share, kind, shortest, longest)]


def batch(config, rng, i):
    return writing.batch(config, rng, mixed(rng, config["batch"], 1, TRAINED)[-config["batch"]:], SOURCES, TARGETS, (12, 12))


def validate(model, config, rng):
    """Solved: of 800 fresh strings of every trained length at most 2 are wrong; 200 are looked at first."""
    found = {"exact": writing.exact(model, mixed(rng, 200, 1, TRAINED), SOURCES, TARGETS)}
    if found["exact"] == 1.0:
        found["exact"] = writing.exact(model, mixed(rng, 800, 1, TRAINED), SOURCES, TARGETS)
        found["done"] = found["exact"] >= 0.9975
    return found


def evaluate(model, config, rng):
    metrics = {f"exact_{kind}": writing.exact(model, digits(rng, 1000, kind, 1, TRAINED), SOURCES, TARGETS)
               for kind in KINDS}
    metrics |= {f"places_{kind}": writing.measure(model, digits(rng, 500, kind, 1, TRAINED), SOURCES, TARGETS)["places"]
                for kind in ("copy", "reverse") if config["model"] != "no-attention"}
    rows = [{"length": length, **{kind: writing.exact(model, digits(rng, 200, kind, length, length), SOURCES, TARGETS)
                                  for kind in KINDS}} for length in LENGTHS]
    return {"metrics": metrics, "by_length": rows}


def targets(config, result):
    exact = {f"exact_{kind}": (result["metrics"][f"exact_{kind}"], 0.99) for kind in KINDS}
    return writing.at_least(**exact) | writing.at_most(seconds=(result["seconds"], 900.0))


def trace(model, config, rng):
    pairs = [digits(rng, 1, kind, length, length)[0] for kind, length in zip(KINDS, (10, 10, 10, 10))]
    return writing.examples(model, pairs, SOURCES, TARGETS) | {"trained_length": np.array(TRAINED)}


def figures(folder, trace, metrics):
    return writing.figures(folder, trace, metrics, "Copy, reverse, sort and add")


def prepare(line):
    """A line as it is typed: c123, r123, s123 or 12+34, which is turned so that the lowest digits come first."""
    line = line.strip()
    if "+" in line:
        return "+" + "+".join(number.strip()[::-1] for number in line.split("+"))
    if line[:1] not in ("c", "r", "s"):
        raise ValueError(f"got {line!r}, expected c, r or s before digits, or two numbers with + between them")
    return line


TASK = Task(
    name="sequence", title="copy, reverse, sort and add strings of digits",
    paper="Bahdanau, Cho, Bengio 2015; Vaswani et al. 2017 (the tasks are usual ones)",
    measures="share of answers right as a whole, by kind and by length (trained on 1 to 10 digits)",
    minutes=5, models=MODELS, build=build, batch=batch, loss=writing.loss, optimiser=writing.optimiser,
    rate=writing.rate, validate=validate, evaluate=evaluate, targets=targets, trace=trace, figures=figures,
    check=writing.check, choices={"score": writing.SCORES}, options=writing.option,
    command=writing.interactive(lambda: TASK, prepare, SOURCES, TARGETS),
)
