"""A network that reads an expression, writes a program for it, and learns from the answers alone."""

from itertools import permutations
from typing import NamedTuple

from tinyaug import ops
from tinyaug.autograd import Tensor
from tinyaug.nn.cells import LSTM, LSTMState, unroll
from tinyaug.nn.layers import Embedding, Linear
from tinyaug.nn.module import Module
from tinyaug.programmer.soft_ops import Choice, run_soft

__all__ = ["Averaged", "AveragedSteps", "Controller", "Programmer", "Scores", "entropy", "every_program", "relative_error"]

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

    def choose(self, scores, temperature=1.0):
        """Scores as a soft program: a Choice a step."""
        return [Choice(*[ops.softmax(score / temperature) for score in step]) for step in scores]

    def forward(self, question, places, numbers):
        """The answers of the soft program. numbers: (B, K, N) -> (B, K)"""
        return run_soft(self.choose(self.controller(question, places)), numbers, self.operations)[0][-1]

    def log_likelihood(self, scores, numbers, answers, *, temperature, tolerance):
        """How likely hard programs are to give the answers: all of those that use each number and each result once.

            log sum_s p(s) exp(-e(answer of s, y) / tolerance),      p(s) = prod_t operation_t left_t right_t

        e is the relative error, averaged over the K draws of numbers. Of n free values, a step takes any two and gives
        one back, so four numbers have (6 * 12) (6 * 6) (6 * 2) = 31,104 programs. All are run.

        scores:  of the controller; numbers: (B, K, N), answers: (B, K)
        returns: (B,)

        Deviation: the article averages values. A mean of wrong answers can be close to the right one, and then nothing
        improves; a sum of likelihoods is high only where some program is right.
        """
        found, prior = every_program(scores, numbers, self.operations, temperature)
        errors = ops.mean(relative_error(found, ops.expand_dims(answers, 1)), axis=-1)
        return ops.logsumexp(prior - errors / tolerance, axis=-1)

    def misfit(self, scores, numbers, answers, *, temperature, tolerance):
        """What training makes small: how unlikely the answers are."""
        return -ops.mean(self.log_likelihood(scores, numbers, answers, temperature=temperature, tolerance=tolerance))


def signed_log(x):
    """sign(x) log(1 + |x|): a scale on which a product is not many times as large as a difference."""
    return ops.sign(x) * ops.log1p(abs(x))


class Averaged(Programmer):
    """The article's averages, of whole programs: what training makes small is the squared error of their mean answer.

        (g(y) - sum_s p(s) g(answer of s))^2 - 0.3 log sum_s w(s),        p(s) = w(s) / sum_s w(s)

    w(s) is the product of the choices of program s, one that uses each number and each result once; the second term is what
    choices cost that are no program. g is `signed_log`.

    Deviation: the article averages at each step, see `AveragedSteps`. What a step makes of averages, no program says.
    """

    def misfit(self, scores, numbers, answers, *, temperature, tolerance):
        found, prior = every_program(scores, numbers, self.operations, temperature)
        total = ops.logsumexp(prior, axis=-1, keepdims=True)
        mean = ops.sum(ops.expand_dims(ops.exp(prior - total), -1) * signed_log(found), axis=1)             # (B, K)
        return ops.mean((mean - signed_log(answers)) ** 2) - 0.3 * ops.mean(total)


class AveragedSteps(Programmer):
    """The article's plain form: values are averaged at each step; the relative error of the answer is made small."""

    def misfit(self, scores, numbers, answers, *, temperature, tolerance):
        found = run_soft(self.choose(scores, temperature), numbers, self.operations)[0][-1]
        return ops.mean(relative_error(found, answers)) / tolerance


def every_program(scores, numbers, operations, temperature=1.0):
    """Run all programs that use each number and each result once.

    scores:  a Scores a step; numbers: (B, K, N)
    returns: the answers of P programs (B, P, K), and their log probabilities (B, P)
    """
    batch, draws, count = numbers.shape
    steps = [[ops.log_softmax(score / temperature) for score in step] for step in scores]
    free, prior = ops.expand_dims(numbers, 1), ops.zeros_like(scores[0].operation[:, :1])   # free values: (B, P, K, F)
    marks = [[side[:, None, :count] for side in step[1:]] for step in steps]    # how they score as arguments: (B, P, F)
    for step, (operation, *_) in enumerate(steps):
        pairs = list(permutations(range(count - step), 2))                                  # Q pairs
        rest = [[i for i in range(count - step) if i not in pair] for pair in pairs]
        first, second = zip(*pairs)
        chosen = ops.expand_dims(_pick(marks[step][0], first) + _pick(marks[step][1], second), 2)
        chosen = chosen + ops.reshape(operation, (batch, 1, -1, 1))                         # (B, P, O, Q)
        prior = ops.reshape(ops.reshape(prior, (batch, -1, 1, 1)) + chosen, (batch, -1))

        a, b = (ops.expand_dims(_pick(free, side), 2) for side in (first, second))          # (B, P, 1, K, Q)
        results = ops.concatenate([function(a, b) for function in operations.values()], axis=2)
        results = ops.expand_dims(ops.swapaxes(results, 3, 4), -1)                          # (B, P, O, Q, K, 1)
        free = _left_over(free, rest, results, draws)
        for later, (_, *scored) in enumerate(steps[step + 1:], step + 1):
            marks[later] = [_left_over(mark, rest, ops.broadcast_to(
                side[:, None, None, None, count + step, None], (*chosen.shape, 1)))
                for mark, side in zip(marks[later], scored)]
    return free[..., 0], prior


def _pick(x, places):
    """x (..., F) at a list of places: (..., Q). By slices: a list of indices would go to a device at every step"""
    return ops.stack([x[..., i] for i in places], axis=-1)


def _left_over(x, rest, new, *draws):
    """What is free after a step. x: (B, P, ..., F), new: (B, P, O, Q, ..., 1) -> (B, P O Q, ..., F - 1)"""
    if rest[0]:
        kept = ops.stack([_pick(x, others) for others in rest], axis=2)                     # (B, P, Q, ..., F - 2)
        kept = ops.broadcast_to(ops.expand_dims(kept, 2), (*new.shape[:-1], kept.shape[-1]))
        new = ops.concatenate([kept, new], axis=-1)
    return ops.reshape(new, (new.shape[0], -1, *draws, new.shape[-1]))


def entropy(scores):
    """The sum of the entropies of all choices, averaged over the batch: what a bonus keeps from falling too early."""
    total = 0.0
    for step in scores:
        for score in step:
            logs = ops.log_softmax(score)
            total = total - ops.mean(ops.sum(ops.exp(logs) * logs, axis=-1))
    return total
