"""Adaptive computation time (Graves 2016, arXiv 1603.08983): the network says itself when it has thought enough."""

from itertools import islice

from tinyaug import ops
from tinyaug.halting.pondering import Pondering, PonderState, Thought, average, may_look
from tinyaug.nn import initialise
from tinyaug.nn.layers import Linear
from tinyaug.nn.module import Parameter

__all__ = ["ACT", "halting_weights"]


def halting_weights(halting, epsilon):
    """What part each step has in the mean, by when the halting probabilities have added up.

        N = min {n' : sum over n <= n' of h^n >= 1 - epsilon}           the last step; at the latest that of the limit
        R = 1 - sum over n < N of h^n                                   the remainder
        p^n = h^n for n < N,  R for n = N,  0 after it                  Graves 2016, section 2

    halting: (N, B)  h^n, between 0 and 1, of as many steps as were taken or, whatever they are, more
    returns: weights (N, B), their sum over the steps is 1; steps (B,), a constant for the gradient; remainder (B,)

    No step is left out or taken in by looking at a number: what is recorded on one batch is right for the next.
    """
    totals = ops.cumsum(halting, axis=0)
    before = ops.concatenate([ops.zeros_like(halting[:1]), totals[:-1]], axis=0)
    after = ops.concatenate([totals[:-1], ops.ones_like(halting[:1])], axis=0)             # the limit halts whoever is left
    running = before < 1 - epsilon
    last = running & (after >= 1 - epsilon)
    rest = ops.where(last, 1 - before, 0.0)
    weights = rest + ops.where(running & ~last, halting, 0.0)
    return weights, ops.sum(running.astype(halting.dtype), axis=0), ops.sum(rest, axis=0)


class ACT(Pondering):
    """A Core over any Core that takes more steps where it needs them.

        h^n = sigmoid(W y^n + b)                                        the halting unit
        ponder cost = N + R                                             Graves 2016, sections 2 and 2.1

    Weights, N and R as in `halting_weights`. N jumps, so it is a constant for the gradient: the cost falls by making
    the h^n of steps before the last larger, dR/dh^n = -1, until a step is not needed any more.

    epsilon:      what may be left of the budget of 1 when it stops; without it a single step would never do
    limit:        at most so many steps (the paper's M)
    halting_bias: b at the start of training, where W is 0. 1 makes for two steps at first: sigmoid(1) = 0.73
    raises:       ValueError where epsilon is not between 0 and 1; and see Pondering

    The loop ends when every example of the batch has halted, if it may look; while it is recorded, or on a device, it
    runs to the limit. Either way an example that has halted has weights of 0 and stays what it was to the last bit.
    """

    def __init__(self, core, *, epsilon=0.01, limit=100, halting_bias=1.0, rng):
        super().__init__(core, limit)
        if not 0 < epsilon < 1:
            raise ValueError(f"ACT: epsilon {epsilon}, expected more than 0 and less than 1, such as 0.01")
        self.epsilon = epsilon
        self.halting = Linear(core.output_size, 1, rng=rng, gain=0.0)           # at first the bias alone decides
        self.halting.bias = Parameter(initialise.constant(1, halting_bias))

    def ponder(self, x, state, whole=False, limit=None):
        outputs, states, halting, total = [], [], [], 0.0
        for y, core in islice(self.endless(x, state.core), limit or self.limit):
            outputs.append(y)
            states.append(core)
            halting.append(ops.sigmoid(self.halting(y))[:, 0])
            total = total + halting[-1]
            if not whole and may_look(total) and (ops.min(total) >= 1 - self.epsilon).item():
                break
        halting = ops.stack(halting)
        weights, steps, remainder = halting_weights(halting, self.epsilon)
        each = ops.unstack(weights, axis=0)
        thought = Thought(average(each, outputs), ops.stack(outputs), halting, weights, steps, remainder,
                          steps + remainder)
        return thought, PonderState(average(each, states), steps, state.ponder_cost + thought.ponder_cost)
