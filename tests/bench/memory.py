"""Peak memory of training the NTM at T = 120: ru_maxrss above what the imports took, one process a contender.

Frameworks import parts of themselves when they are first used, so a step of a tiny model belongs to the imports.

A case is "NAME, batch B". The peak of a process cannot be reset, so there is one for each, started by a small parent:
a child's peak begins at its parent's.
"""

import resource

from tests.bench.measure import Contender
from tests.bench.ntm import data, eager, in_segments, recorded, sizes, theirs

OURS = {"tinyaug eager": eager, "tinyaug recorded": recorded, "tinyaug in segments": in_segments}
STEPS = 7       # the first ones make buffers, programs and the optimiser's state, the others show what is kept


def run(case, options):
    name, batch = case.split(", batch ")
    train(name, sizes(options, max_length=1, slots=4, hidden=4), 1)
    imported = peak()
    train(name, sizes(options, max_length=4 if options.quick else 120), int(batch))
    return {"unit": "MB above imports", "times": {name: [peak() - imported]}, "imports": imported}


def train(name, config, batch):
    step = contender(name, config, *data(config, batch)).step
    for _ in range(STEPS):
        step()


def peak():
    """MB that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def contender(name, config, inputs, targets):
    if name == "PyTorch eager":
        return theirs("TorchNTM", name, config, inputs, targets)
    return Contender(name, OURS[name](config, inputs, targets))
