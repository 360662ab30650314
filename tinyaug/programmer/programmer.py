"""A network that reads an expression, writes a program for it, and learns from the answers alone."""

from math import log
from typing import NamedTuple

from tinyaug import ops
from tinyaug.autograd import Tensor
from tinyaug.nn.cells import LSTM, LSTMState, unroll
from tinyaug.nn.layers import Embedding, Linear
from tinyaug.nn.module import Module
from tinyaug.programmer.soft_ops import Choice, run_soft

__all__ = ["Controller", "Programmer", "Scores", "relative_error"]

NEVER = -1e9        # a score that no softmax gives any weight to, and that is finite, as its gradient has to be


class Scores(NamedTuple):
    """What the controller says at one step, before any softmax. A = inputs and earlier results."""

    operation: Tensor                 # (B, O)
    left: Tensor                      # (B, A)
    right: Tensor                     # (B, A)


class Controller(Module):
    """Reads tokens in both directions; then, a step of the program at a time, looks at one of them and chooses.

        k_j = [forwards_j, backwards_j]                              a key for each token
        s_t = decoder(c_{t-1}, s_{t-1})
        alpha = softmax_j(k_j . W s_t),   c_t = sum_j alpha_j k_j    where it looks
        operation = U sum_j alpha_j embedding_j                      from the token alone: what + is was learned once
        left(j) = m_j . L [s_t, c_t],     right(j) = m_j . R [s_t, c_t]

    m_j is the key of the token of x_j, and for the result of step t, M [s_t, c_t]: arguments are pointed at.

    tokens: (B, L) indices, 0 is padding; places: (B, N, L) one-hot, where each number stands
    returns: N - 1 Scores, for as many steps as the expression has operations
    """

    def __init__(self, *, words, width, hidden, operations, rng):
        self.embedding = Embedding(words, width, rng=rng, deviation=1.0)
        self.forwards = LSTM(width, hidden, rng=rng)
        self.backwards = LSTM(width, hidden, rng=rng)
        self.decoder = LSTM(2 * hidden, 2 * hidden, rng=rng)
        self.look = Linear(2 * hidden, 2 * hidden, rng=rng, bias=False)
        self.left = Linear(4 * hidden, 2 * hidden, rng=rng, bias=False)
        self.right = Linear(4 * hidden, 2 * hidden, rng=rng, bias=False)
        self.result = Linear(4 * hidden, 2 * hidden, rng=rng, bias=False)
        self.operation = Linear(width, operations, rng=rng)

    def forward(self, tokens, places):
        embedded = self.embedding(tokens)                                                    # (B, L, E)
        keys, state = self.read(embedded)
        padding = tokens == 0
        known, context, steps = [places @ keys], state.hidden, []
        for _ in range(places.shape[1] - 1):
            hidden, state = self.decoder(context, state)
            weights = ops.softmax(ops.where(padding, NEVER, _match(keys, self.look(hidden))))
            context = _weighted(weights, keys)
            seen = ops.concatenate([hidden, context], axis=-1)                               # (B, 4H)
            arguments = ops.concatenate(known, axis=1)                                       # (B, A, 2H)
            steps.append(Scores(self.operation(_weighted(weights, embedded)), _match(arguments, self.left(seen)),
                                _match(arguments, self.right(seen))))
            known.append(ops.expand_dims(self.result(seen), 1))
        return steps

    def read(self, embedded):
        """The keys of all tokens (B, L, 2H), and a state for the decoder to begin with."""
        forth = ops.swapaxes(embedded, 0, 1)
        one, last = unroll(self.forwards, forth)
        two, first = unroll(self.backwards, ops.flip(forth, axis=0))
        keys = ops.swapaxes(ops.concatenate([one, ops.flip(two, axis=0)], axis=-1), 0, 1)
        return keys, LSTMState(*[ops.concatenate(both, axis=-1) for both in zip(last, first)])


def _match(keys, query):
    """keys (B, A, H) . query (B, H) -> (B, A)"""
    return ops.squeeze(keys @ ops.expand_dims(query, -1), axis=-1)


def _weighted(weights, values):
    """weights (B, L) over values (B, L, H) -> (B, H)"""
    return ops.squeeze(ops.expand_dims(weights, 1) @ values, axis=1)


def relative_error(found, wanted):
    """|found - wanted| / (|found| + |wanted| + 0.01): 0 to 1, whatever the size of the numbers."""
    return abs(found - wanted) / (abs(found) + abs(wanted) + 0.01)      # 0.01: finite at 0, and small beside any number


class Programmer(Module):
    """A controller and the operations that its programs are made of.

    controller: called as controller(question, places), gives Scores, one for each step
    operations: {name: function of two Tensors}; whatever it holds is chosen from
    """

    def __init__(self, controller, operations):
        self.controller, self.operations = controller, operations

    def choose(self, scores, temperature=1.0, noise=None):
        """Scores as a soft program: a Choice a step.

        noise: for each step three Tensors (B, S, ...) of Gumbel noise, for S soft programs an expression (Jang et al.
               2017; Maddison et al. 2017): the lower the temperature, the nearer to programs that are drawn
        """
        noise = noise or [(0.0,) * 3] * len(scores)
        return [Choice(*[ops.softmax((score if isinstance(g, float) else ops.expand_dims(score, 1) + g) / temperature)
                         for score, g in zip(step, drawn)]) for step, drawn in zip(scores, noise)]

    def forward(self, question, places, numbers):
        """The answers of the soft program. numbers: (B, K, N) -> (B, K)"""
        return run_soft(self.choose(self.controller(question, places)), numbers, self.operations)[0][-1]

    def log_likelihood(self, scores, numbers, answers, noise, *, temperature, tolerance):
        """How likely the programs are to give the answers.

            log 1/S sum_s sum_{i, j, k} operation(i) left(j) right(k) exp(-e(f_i(v_j, v_k), y) / tolerance)

        In all steps but the last, operations and arguments are averaged as `run_soft` does, in S programs that noise
        sets apart; v_j are their results, and e is the relative error, averaged over the K draws. In the last step all
        operations are applied to all pairs of arguments, and what is averaged is the likelihood.

        scores:  of the controller; numbers: (B, K, N), answers: (B, K), noise as `choose` takes it
        returns: (B,)

        Deviation: the article averages values in the last step too. A mean of wrong answers can be close to the right
        one, and then nothing improves; a mean of likelihoods is high only where some program is right.
        """
        batch, draws, count = numbers.shape
        known = ops.expand_dims(numbers, 1)                                                  # (B, 1, K, N)
        if len(scores) > 1:
            samples = noise[0][0].shape[1]
            known = ops.broadcast_to(known, (batch, samples, draws, count))
            results, _ = run_soft(self.choose(scores[:-1], temperature, noise), known, self.operations)
            known = ops.concatenate([known, ops.stack(results, axis=-1)], axis=-1)           # (B, S, K, A)
        a, b = ops.expand_dims(known, -1), ops.expand_dims(known, -2)
        wanted = ops.reshape(answers, (batch, 1, draws, 1, 1))
        errors = ops.stack([ops.mean(relative_error(function(a, b), wanted), axis=2)
                            for function in self.operations.values()], axis=2)               # (B, S, O, A, A)
        operation, left, right = (ops.log_softmax(score) for score in scores[-1])
        prior = (ops.reshape(operation, (batch, 1, -1, 1, 1)) + ops.reshape(left, (batch, 1, 1, -1, 1))
                 + ops.reshape(right, (batch, 1, 1, 1, -1)))
        each = ops.reshape(prior - errors / tolerance, (batch, known.shape[1], -1))
        return ops.logsumexp(ops.logsumexp(each, axis=-1), axis=-1) - log(known.shape[1])


def entropy(scores):
    """The sum of the entropies of all choices, averaged over the batch: what a bonus keeps from falling too early."""
    total = 0.0
    for step in scores:
        for score in step:
            logs = ops.log_softmax(score)
            total = total - ops.mean(ops.sum(ops.exp(logs) * logs, axis=-1))
    return total
