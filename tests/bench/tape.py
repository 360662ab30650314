"""What each technique of the tape gains: the NTM copy step, eager, with all of them, and with each one left out."""

import importlib
from contextlib import contextmanager

from tests.bench.measure import Contender, compare
from tests.bench.ntm import data, eager, sizes
from tests.bench.table import WHOLE
from tinyaug.arrays import host

backward = importlib.import_module("tinyaug.backward")


def run(case, options):
    config = sizes(options)
    inputs, targets = data(config, int(case.removeprefix("batch ")))
    without = {WHOLE: (host, {}), "products of a weight at once": (host, {"products": lambda left, right: left.T @ right}),
               "gradients of small leaves at once": (backward, {"_together": at_once})}
    return compare([Contender(name, during(eager(config, inputs, targets), *changes)) for name, changes in without.items()],
                   options.quick)


def at_once(held, g, shape):
    """As `_together`, but what arrives is added up at once."""
    g = backward.unbroadcast(backward.evaluate(g), shape)
    return g if held is None else held + g


def during(step, place, names):
    """The step, while the names mean something else."""
    def changed():
        with replaced(place, names):
            return step()

    return changed


@contextmanager
def replaced(place, names):
    before = {name: getattr(place, name) for name in names}
    vars(place).update(names)
    try:
        yield
    finally:
        vars(place).update(before)
