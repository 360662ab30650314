"""Translate: dates as people write them to ISO 8601, and numbers to English words.

Characters in, characters or words out. Where each symbol of the answer comes from is known, so it can be counted how often
attention looks there. A tenth of all dates and numbers is held out for testing.

The functions below are those that tasks/task.py describes; TASK, at the end, names them.
"""

from tasks import writing
from tasks.task import Task
from tinyaug.data.dates import SOURCES, TARGETS, dates, numerals

KINDS = {"dates": dates, "numbers": numerals}


def build(config, rng):
    return writing.build(config, rng, SOURCES, TARGETS)


def batch(config, rng, i):
    """All dates or all numbers, so that neither is padded to the length of the other."""
    kind = list(KINDS)[int(rng.integers(len(KINDS)))]
    step = {"dates": (32, 11), "numbers": (8, 12)}[kind]
    return writing.batch(config, rng, KINDS[kind](rng, config["batch"]), SOURCES, TARGETS, step)


def validate(model, config, rng):
    """Solved: of 800 that training may draw, dates and numbers, at most 2 are wrong; 200 are looked at first."""
    def share(n):
        pairs = [draw(rng, n // 2) for draw in KINDS.values()]
        return sum(writing.exact(model, some, SOURCES, TARGETS) for some in pairs) / 2

    found = {"exact": share(200)}
    if found["exact"] == 1.0:
        found["exact"] = share(800)
        found["done"] = found["exact"] >= 0.9975
    return found


def evaluate(model, config, rng):
    metrics = {}
    for kind, draw in KINDS.items():
        found = writing.measure(model, draw(rng, 2000, testing=True), SOURCES, TARGETS)
        metrics |= {f"{name}_{kind}": value for name, value in found.items() if name != "places" or value}
    return {"metrics": metrics}


def targets(config, result):
    metrics = result["metrics"]
    bars = {f"exact_{kind}": (metrics[f"exact_{kind}"], 0.99) for kind in KINDS}
    if config["model"] != "no-attention":
        bars |= {f"places_{kind}": (metrics.get(f"places_{kind}", 0.0), 0.95) for kind in KINDS}
    return writing.at_least(**bars) | writing.at_most(seconds=(result["seconds"], 900.0))


def trace(model, config, rng):
    pairs = dates(rng, 2, testing=True) + numerals(rng, 2, testing=True)
    return writing.examples(model, pairs, SOURCES, TARGETS)


def figures(folder, trace, metrics):
    return writing.figures(folder, trace, metrics, "Dates to ISO 8601, numbers to words")


TASK = Task(
    name="translate", title="dates in free form to ISO 8601, numbers to words",
    paper="Bahdanau, Cho, Bengio 2015, Neural Machine Translation by Jointly Learning to Align and Translate",
    measures="share of unseen dates and numbers right as a whole; how often attention is largest at the true source",
    minutes=2, models=writing.MODELS, build=build, batch=batch, loss=writing.loss, optimiser=writing.optimiser,
    rate=writing.rate, validate=validate, evaluate=evaluate, targets=targets, trace=trace, figures=figures,
    check=writing.check, choices={"score": writing.SCORES}, options=writing.option,
    command=writing.interactive(lambda: TASK, str.lower, SOURCES, TARGETS),
)
