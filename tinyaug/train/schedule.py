"""Schedules of the learning rate: plain functions from the step, counted from 1, to the rate.

    rate = warm_up(1_000, cosine(1e-3, steps=20_000))
    optimiser.set_rate(rate(i))
"""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[int], float]


def constant(rate: float) -> Schedule:
    """The same rate at every step."""
    return lambda step: rate


def warm_up(steps: int, then: Schedule) -> Schedule:
    """Linear from then(1) / steps at step 1 to then(steps) at step `steps`, and `then` from there on."""
    _positive("warm_up: steps", steps)
    return lambda step: then(step) * min(1.0, step / steps)


def cosine(rate: float, steps: int, last: float = 0.0) -> Schedule:
    """Half a cosine from `rate` at step 1 to `last` at step `steps`, and `last` after it.

        last + (rate - last) (1 + cos(pi t)) / 2      Loshchilov & Hutter 2017 eq. (5), without restarts
    """
    _positive("cosine: steps - 1", steps - 1)

    def at(step: int) -> float:
        t = min(1.0, (step - 1) / (steps - 1))
        return last + (rate - last) * (1 + math.cos(math.pi * t)) / 2

    return at


def step_decay(rate: float, every: int, factor: float = 0.5) -> Schedule:
    """`rate` for the first `every` steps, and `factor` times as much after each further `every`."""
    _positive("step_decay: every", every)
    return lambda step: rate * factor ** ((step - 1) // every)


def inverse_square_root(rate: float, steps: int) -> Schedule:
    """Linear up to `rate` at step `steps`, then as 1 / sqrt(step).

        rate min(step / steps, sqrt(steps / step))    Vaswani et al. 2017 eq. (3), scaled to peak at `rate`
    """
    _positive("inverse_square_root: steps", steps)
    return lambda step: rate * min(step / steps, math.sqrt(steps / step))


def _positive(what: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{what}: got {value}, expected at least 1")
