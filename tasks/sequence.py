"""Copy, reverse, sort and add strings of digits, by a network that looks back at what it read.

One model does all four; the first symbol of the source says which. Without attention (`--model no-attention`) all that was
read has to fit into one vector.

The functions below are those that tasks/task.py describes; TASK, at the end, names them.
"""

import re

import numpy as np

from tasks import answering, writing
from tasks.task import Task
from tinyaug.data.digits import KINDS, SOURCES, TARGETS, digits

RECIPE = {"steps": 14000, "half_rate": 5000}
MODELS = {"rnn": writing.RNN | RECIPE | {"hidden": 128},
          "transformer": writing.TRANSFORMER | {"steps": 8000, "half_rate": 3000},
          "no-attention": writing.PLAIN | RECIPE | {"hidden": 128}}
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
    """Half are of any length, half of the greatest: long ones are hard, and of additions one in nine would be of them."""
    n = config["batch"]
    pairs = mixed(rng, n // 2, TRAINED, TRAINED)[:n // 2] + mixed(rng, n - n // 2, 1, TRAINED)[:n - n // 2]
    return writing.batch(config, rng, pairs, SOURCES, TARGETS, (12, 12))


def validate(model, config, rng):
    """Solved: of 2,000 fresh strings of every trained length at most 2 are wrong; 200 are looked at first."""
    return writing.solved(lambda n: writing.exact(model, mixed(rng, n, 1, TRAINED), SOURCES, TARGETS), 2000)


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


def prepare(line, config):
    """A line as it is typed: c123, r123, s123 or 12+34, which is turned so that the lowest digits come first."""
    typed = line = line.strip()
    if "+" in line:
        numbers = [number.strip() for number in line.split("+")]
        line = "+" + "+".join(number[::-1] for number in numbers)
    if not re.fullmatch(r"[crs]\d+|\+\d+\+\d+", line, re.ASCII):
        raise ValueError(f"got {typed!r}, expected c, r or s before digits, or two numbers with + between them")
    return line


TASK = Task(
    name="sequence", title="copy, reverse, sort and add strings of digits",
    paper="Bahdanau, Cho, Bengio 2015; Vaswani et al. 2017 (the tasks are usual ones)",
    measures="share of answers right as a whole, by kind and by length (trained on 1 to 10 digits)",
    found=("copied, sorted, added: rnn 100 %, 99.6 %, 100 %, transformer 100 %, 100 %, 99.7 % (3 of 3 seeds each)",
           "without attention 92 %, 98.8 %, 95.4 %; all lose everything beyond 10 digits"),
    minutes=5, **writing.parts(globals()), choices={"score": writing.SCORES}, options=answering.option,
    command=answering.interactive(lambda: TASK, prepare, lambda _: (SOURCES, TARGETS)),
)
