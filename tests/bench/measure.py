"""How a fair benchmark is made: equal gradients first, then blocks of steps, interleaved.

Whoever takes part is a Contender. `compare` runs each once, from the same weights on the same data, and refuses to time
anybody whose gradients differ. Only then the clock starts: a block of steps of A, one of B, one of C, and again, so that
whatever else the machine does in the meantime slows all of them alike.
"""

import gc
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

TOLERANCE = 1e-3     # of the largest element of each gradient: PyTorch's own float32 error here is 1e-6 to 1e-4
BLOCK = 4            # steps at least; one step alone would be timed with the caches full of somebody else's numbers
LASTING = 50.0       # ms that a block lasts at least, for the same reason
WARM_UP = 6          # steps, until caches, allocators and compilers have settled; a recorded program writes itself out once
ROUNDS = 15          # blocks of each contender, or as many as fit in SECONDS, but
FEWEST = 5
SECONDS = 15.0


class Contender(NamedTuple):
    """Somebody who does the work.

    step: does it once: forward, backward and, where the workload has one, the update
    read: what step returned -> {name of parameter: gradient}; None for a model with other equations, whose gradients
          cannot be the same and are not compared
    """

    name: str
    step: Callable[[], Any]
    read: Callable[[Any], dict] | None = dict


class Unequal(Exception):
    """A contender does not compute what the first one does."""


def compare(contenders, quick=False, seconds=SECONDS):
    """Show that the contenders' gradients are equal, then time their steps.

    seconds: about how long; there are FEWEST rounds in any case
    quick:   to see that everything runs; the times then mean nothing
    returns: {"unit", "times": {name: [ms a step, one number a block]}, "gradients": {name: largest relative error}}
    raises:  Unequal
    """
    errors = check([c for c in contenders if c.read is not None])
    times = interleave({c.name: c.step for c in contenders}, *((1, 2, 0, 0) if quick else (BLOCK, ROUNDS, seconds, LASTING)))
    return {"unit": "ms a step", "block": BLOCK, "times": times, "gradients": errors, "tolerance": TOLERANCE}


def check(contenders):
    """The first step of each against that of the first contender. raises: Unequal, with who, where and by how much"""
    expected, errors = None, {}
    for contender in contenders:
        found = {name: as_numpy(g) for name, g in contender.read(contender.step()).items()}
        expected = expected or found
        if found.keys() != expected.keys():
            raise Unequal(f"{contender.name} has gradients of {sorted(found)}, {contenders[0].name} of {sorted(expected)}")
        errors[contender.name] = 0.0
        for name, g in found.items():
            error = relative_error(g, expected[name])
            if not error <= TOLERANCE:
                raise Unequal(f"{contender.name}: the gradient of {name} is {error:.2g} of its largest element away from "
                              f"that of {contenders[0].name}, expected at most {TOLERANCE:g}")
            errors[contender.name] = max(errors[contender.name], error)
    return errors


def relative_error(found, expected):
    """Largest difference, relative to the largest element; infinite for another shape or NaN."""
    if found.shape != expected.shape or not np.isfinite(found).all():
        return float("inf")
    return float(abs(found.astype(np.float64) - expected).max() / max(abs(expected).max(), 1e-30))


def as_numpy(g):
    """A gradient of any framework as a NumPy array of its own: the next step may overwrite it."""
    return np.array(g.detach().numpy() if hasattr(g, "detach") else g)


def interleave(steps, block, rounds, seconds, lasting=0.0):
    """{name: milliseconds a step, one number a block}. The rounds go on until `rounds`, or FEWEST and `seconds`.

    block, lasting: steps and milliseconds that a block has at least
    """
    sizes = {}
    for name, step in steps.items():
        timed(step, WARM_UP)
        sizes[name] = max(block, math.ceil(lasting / max(1000 * timed(step, 1), 1e-3)))
    gc.collect()
    gc.freeze()                          # the collector does not walk what the imports have left
    times = {name: [] for name in steps}
    start = time.perf_counter()
    for done in range(rounds):
        if done >= FEWEST and time.perf_counter() - start > seconds:
            break
        for name, step in steps.items():
            times[name].append(1000 * timed(step, sizes[name]))
    return times


def timed(step, block):
    """Seconds a step, over one block. The collector waits, as in timeit and in our training loop, whoever is timed."""
    gc.collect()
    gc.disable()
    try:
        start = time.perf_counter()
        for _ in range(block):
            step()
        return (time.perf_counter() - start) / block
    finally:
        gc.enable()
