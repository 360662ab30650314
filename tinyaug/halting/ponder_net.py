"""PonderNet (Banino, Balaguer, Blundell 2021, arXiv 2107.05407): when to halt is a distribution, not a budget."""

from itertools import islice
from math import log

from tinyaug import ops
from tinyaug.halting.pondering import Pondering, PonderState, Thought, average
from tinyaug.nn.layers import Linear

__all__ = ["PonderNet", "divergence", "halting_log_probabilities"]


def halting_log_probabilities(logits):
    """log p^n, where p^n is the probability of halting at step n and not before.

        p^n = lambda^n * product over j < n of (1 - lambda^j),  lambda = sigmoid(logit)
        p^N = product over j < N of (1 - lambda^j)                      the limit halts whoever is left

    logits: (N, B) -> (N, B). In logarithms, so that a lambda of 0 or 1 stays finite.
    """
    going_on = ops.cumsum(-ops.softplus(logits), axis=0)
    before = ops.concatenate([ops.zeros_like(logits[:1]), going_on[:-1]], axis=0)
    here = ops.concatenate([-ops.softplus(-logits[:-1]), ops.zeros_like(logits[:1])], axis=0)
    return before + here


def divergence(log_probabilities, prior):
    """How far the halting steps are from a geometric distribution that the limit cuts off.

        KL(p || g) = sum_n p^n (log p^n - log g^n),  g^n = prior (1 - prior)^(n-1),  g^N the rest

    log_probabilities: (N, B) -> (B,). prior: chance to halt at a step, 1 over the mean number of steps
    """
    last = log_probabilities.shape[0] - 1
    geometric = [n * log(1 - prior) + (log(prior) if n < last else 0.0) for n in range(last + 1)]
    terms = [ops.exp(each) * (each - expected) for each, expected in zip(ops.unstack(log_probabilities, axis=0), geometric)]
    return sum(terms[1:], terms[0])


class PonderNet(Pondering):
    """A Core over any Core that learns how likely it is to be done after each step.

    weights: p^n of `halting_log_probabilities`, which is what a loss is averaged by: sum_n p^n loss(y^n), with `ponder`
    steps:   the expected number, sum_n n p^n
    ponder cost: the divergence from the geometric prior; times the paper's beta it is added to the loss

    raises: ValueError where prior is not between 0 and 1; and see Pondering

    Deviation: the paper draws the step at which it halts. Here the mean over the steps goes on to the next input, as
    with ACT; an answer is best taken as the mean of the steps' probabilities, the expectation of that draw.
    """

    def __init__(self, core, *, limit=20, prior=0.2, rng):
        super().__init__(core, limit)
        if not 0 < prior < 1:
            raise ValueError(f"PonderNet: prior {prior}, expected more than 0 and less than 1, 1 over the mean number of "
                             "steps")
        self.prior = prior
        self.halting = Linear(core.output_size, 1, rng=rng)

    def ponder(self, x, state, whole=False, limit=None):
        outputs, states, logits = [], [], []
        for y, core in islice(self.endless(x, state.core), limit or self.limit):
            outputs.append(y)
            states.append(core)
            logits.append(self.halting(y)[:, 0])
        logits = ops.stack(logits)
        chances = halting_log_probabilities(logits)
        weights = ops.exp(chances)
        each = ops.unstack(weights, axis=0)
        steps = sum([n * w for n, w in enumerate(each[1:], 2)], each[0])
        thought = Thought(average(each, outputs), ops.stack(outputs), ops.sigmoid(logits), weights, steps, each[-1],
                          divergence(chances, self.prior))
        return thought, PonderState(average(each, states), steps, state.ponder_cost + thought.ponder_cost)
