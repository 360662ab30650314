"""Hard attention: look at one place, drawn by the weights (Xu et al. 2015, Show, Attend and Tell, section 4.1).

A draw has no gradient. REINFORCE (Williams 1992) gives one that is right on average: make a draw more likely by as much as
what came of it was better than expected.
"""

from typing import NamedTuple

from tinyaug import ops
from tinyaug.attention.attend import masked
from tinyaug.autograd import Tensor

__all__ = ["Glance", "attend_hard", "reinforce", "others_mean"]


class Glance(NamedTuple):
    """A draw and what is known of it."""

    choice: Tensor                    # (..., Q) integers: the place
    weights: Tensor                   # (..., Q, N) the distribution that it was drawn from
    log_likelihood: Tensor            # (..., Q) log weights[choice]
    entropy: Tensor                   # (..., Q) of the distribution, in nats


def attend_hard(query, keys, values, score, mask=None, noise=None):
    """Read one row of the values, drawn with the probabilities that soft attention has as its weights.

        s_t ~ Multinoulli(alpha_t),  z_t = a_{s_t}                                           Xu 2015, section 4.1

    noise:   (..., Q, N) numbers -log(-log(u)), u uniform in 0 .. 1, from outside, so that a step can be recorded: the
             largest of score + noise is then a draw from the softmax (Gumbel). The likeliest place if None.
    returns: context (..., Q, V) and a Glance; the context has a gradient to the values only

    Somewhere one must be allowed to look: a row without a place reads the first value.
    """
    scores = masked(score(query, keys), mask)
    choice = ops.argmax(scores if noise is None else scores + noise, axis=-1)
    return _pick(values, choice), Glance(choice, *_what_is_known(scores, choice))


def _pick(values, choice):
    one_hot = ops.one_hot(choice, classes=values.shape[-2])
    return ops.astype(one_hot, values.dtype) @ values


def _what_is_known(scores, choice):
    """The weights, log weights[choice] and the entropy."""
    logs = ops.log_softmax(scores, axis=-1)
    weights = ops.exp(logs)
    seen = ops.where(weights > 0, logs, 0.0)                # a masked place: 0 log 0 counts as 0
    chosen = ops.squeeze(ops.take_along_axis(seen, ops.expand_dims(choice, -1), axis=-1), axis=-1)
    return weights, chosen, -ops.sum(weights * seen, axis=-1)


def reinforce(log_likelihood, rewards, baseline):
    """A loss whose gradient is that of minus the expected reward, on average over the draws.

        -(R - b) d log p(s) / d theta                                   Williams 1992; Xu 2015, section 4.1

    log_likelihood, rewards: of one shape; baseline: what was to be expected, no function of this draw
    returns: the sum, whose value means nothing
    """
    return -ops.sum(ops.stop_gradient(rewards - baseline) * log_likelihood)


def others_mean(rewards):
    """A baseline for each row of (B, ...): the mean of the other rows. It depends on no draw of its own row.

    Deviation: Xu 2015 has a moving average over steps, a state between the steps of training; this one has none.
    """
    batch = rewards.shape[0]
    return (ops.sum(rewards, axis=0, keepdims=True) - rewards) / max(batch - 1, 1)
