"""Several steps of a core at one input: what every form of pondering shares.

A pondering core is a Core over any Core. At each input it runs the inner core a number of times and goes on from a
weighted mean of what came out. The forms differ in how many steps they take and in the weights: see act.py, fixed.py
and ponder_net.py.
"""

from typing import Any, NamedTuple

from tinyaug import ops
from tinyaug.autograd import Tensor, recorder
from tinyaug.nn import initialise
from tinyaug.nn.cells import repeat_for_batch
from tinyaug.nn.module import Constant, Module, flatten_state

__all__ = ["PonderState", "Pondering", "Thought", "average"]


class PonderState(NamedTuple):
    """State of a pondering core."""

    core: Any                         # the inner core's, averaged over the steps
    steps: Tensor                     # (B,)  taken at the last input
    ponder_cost: Tensor               # (B,)  of all inputs so far, summed


class Thought(NamedTuple):
    """What went on at one input, N steps: the numbers that losses and figures look at."""

    output: Tensor                    # (B, H)     y, the mean of the outputs
    outputs: Tensor                   # (N, B, H)  y^n, of every step
    halting: Tensor                   # (N, B)     h^n, of every step
    weights: Tensor                   # (N, B)     p^n; sum to 1 over the steps, 0 after an example has halted
    steps: Tensor                     # (B,)       a constant for the gradient, but for PonderNet
    remainder: Tensor                 # (B,)       the weight of the last step
    ponder_cost: Tensor               # (B,)       what thinking for so long costs by this form's rule


class Pondering(Module):
    """Base of the forms. A form defines `ponder`.

        x^n = [x, 1] at the first step, [x, 0] at the others             so the core can tell a new input from more time
        y^n, s^n = core(x^n, s^(n-1)),  s^0 from the input before
        y = sum_n p^n y^n,  s = sum_n p^n s^n                            Graves 2016, section 2

    x: (B, D) -> (B, H), where the inner core has input_size D + 1 and output_size H

    raises: ValueError for a limit below 1; TypeError where the core's state holds integers, of which there is no mean

    Deviation: the core's output y takes the part of the paper's hidden state wherever that is looked at; for RNN, GRU
    and LSTM they are one, and a linear layer on the mean of y is the mean of the paper's outputs.
    """

    state_notes = {"steps": "0", "ponder_cost": "0"}

    def __init__(self, core, limit):
        name = type(self).__name__
        if limit < 1:
            raise ValueError(f"{name}: a limit of {limit} steps, expected at least 1")
        for path, x in flatten_state(core.initial_state(1)):
            if x.dtype.kind != "f":
                raise TypeError(f"{name}: state {path} of {type(core).__name__} is {x.dtype}, expected floats: the state "
                                "is averaged over the steps; keep whole numbers out of it")
        self.core, self.limit = core, limit
        self.input_size, self.output_size = core.input_size - 1, core.output_size
        self.nothing = Constant(initialise.zeros(()))

    def initial_state(self, batch):
        nothing = repeat_for_batch(self.nothing, batch)
        return PonderState(self.core.initial_state(batch), nothing, nothing)

    def forward(self, x, state):
        thought, state = self.ponder(x, state)
        return thought.output, state

    def ponder(self, x, state, whole=False, limit=None):
        """All that happens at one input: x (B, D) and a PonderState -> Thought, PonderState.

        whole: take all `limit` steps, even where every example has halted; the numbers are the same
        limit: at most so many steps, this once; None: the limit of this form
        """
        raise NotImplementedError(f"{type(self).__name__} has no ponder")

    def endless(self, x, state):
        """The core at one input, again and again: (y, state) of each step."""
        mark = ops.ones_like(x[:, :1])
        y, state = self.core(ops.concatenate([x, mark], axis=-1), state)
        yield y, state
        again = ops.concatenate([x, mark - mark], axis=-1)
        while True:
            y, state = self.core(again, state)
            yield y, state

    def trace(self, inputs, state=None):
        """Run over inputs (T, B, D) and keep every Thought, as figures want it. state: where to start

        returns: {name: Tensor}: outputs (T, N, B, H), halting and weights (T, N, B), the others (T, B, ...)
        """
        state, thoughts = state or self.initial_state(inputs.shape[1]), []
        for x in ops.unstack(inputs, axis=0):
            thought, state = self.ponder(x, state, whole=True)
            thoughts.append(thought)
        return {name: ops.stack([getattr(thought, name) for thought in thoughts]) for name in Thought._fields}


def may_look(x):
    """May a loop ask what the numbers of x are? Not while they are recorded, and on a device it would have to wait."""
    return recorder() is None and x.device == "cpu"


def average(weights, nests):
    """The weighted mean of N Tensors (B, ...), or of N states of one nesting, part by part.

    weights: N Tensors (B,). The sum runs in the order of the steps, so that steps of weight 0 at the end change no bit.
    """
    first = nests[0]
    if not isinstance(first, Tensor):
        parts = [average(weights, column) for column in zip(*nests)]
        return type(first)(*parts) if hasattr(first, "_fields") else tuple(parts)
    shape = (first.shape[0], *[1] * (first.ndim - 1))
    terms = [ops.reshape(w, shape) * x for w, x in zip(weights, nests)]
    return sum(terms[1:], terms[0])
