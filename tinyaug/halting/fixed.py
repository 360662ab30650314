"""The same number of steps at every input: what adaptive pondering is compared with."""

from itertools import islice

from tinyaug import ops
from tinyaug.halting.pondering import Pondering, PonderState, Thought

__all__ = ["Fixed"]


class Fixed(Pondering):
    """Always `limit` steps, and the last one counts. With a limit of 1 this is the core itself.

        p^n = 1 for n = limit, else 0;  ponder cost = limit, of which nothing can be learned

    raises: see Pondering
    """

    def __init__(self, core, limit):
        super().__init__(core, limit)

    def ponder(self, x, state, whole=False, limit=None):
        limit = limit or self.limit
        taken = list(islice(self.endless(x, state.core), limit))
        y, core = taken[-1]
        one = ops.ones_like(state.steps)
        steps = one * limit
        weights = ops.stack([one - one] * (limit - 1) + [one])
        thought = Thought(y, ops.stack([y for y, _ in taken]), weights, weights, steps, one, steps)
        return thought, PonderState(core, steps, state.ponder_cost + steps)
