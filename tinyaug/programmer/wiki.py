"""Questions over tables of the world: three steps of choices, scored from words and from where they stand in the table.

After Neelakantan et al. 2016, "Learning a Natural Language Interface with Neural Programmer": a step selects rows, a step
takes some of them by their order, a step answers. What each program answers is looked up: the network only chooses.
"""

from typing import NamedTuple

from tinyaug import ops
from tinyaug.autograd import Tensor
from tinyaug.nn.cells import LSTM, LSTMState, unroll
from tinyaug.nn.layers import Embedding, Linear
from tinyaug.nn.module import Module
from tinyaug.programmer.programmer import NEVER

__all__ = ["Read", "WikiProgrammer", "log_right"]

TINY = 1e-12        # inside the log: a question that seems hopeless, 27 nats, pulls no further


class Read(NamedTuple):
    """A batch of questions. L words, C columns, W words of a column's name, F features of a column."""

    tokens: Tensor                    # (B, L), 0 is padding
    flags: Tensor                     # (B, L, 2)
    overlap: Tensor                   # (B, L, C), 1 where a word stands in a column's name
    titles: Tensor                    # (B, C, W), words of the names, 0 is padding
    features: Tensor                  # (B, C, F)
    numbers: Tensor                   # (B, N, L), where the numbers of the question stand
    selections: Tensor                # (B, S), 1 where that may be chosen
    orders: Tensor                    # (B, O)
    answers: Tensor                   # (B, A)


class WikiProgrammer(Module):
    """Reads a question in both directions; then, a step at a time, looks at its words twice.

        k_j = [forwards_j, backwards_j],   h_t = lstm([o_{t-1}, c_{t-1}], h_{t-1})
        o_t, c_t: means of the embedded words by two attentions of h_t
        score(op)      = U_t tanh(W_t [h_t, o_t])
        score(op, col) = score(op) + c_t V_t title_col + s_t overlap_col + features_col G_t(op)
        score(op, n)   = score(op) + k_n . N h_t                       where a number is compared

    title: the mean of the embedded words of a column's name; overlap: how much of the second attention is on words of it.

    plain, columnwise: for each step, how many operations take no column, and how many take one
    returns: three log distributions, (B, S), (B, O), (B, A): first those without a column, then op by op their columns

    Deviation: the paper's operations are soft functions of rows; here each choice is a distribution over hard ones.
    """

    def __init__(self, *, words, width, hidden, plain, columnwise, compared, features, rng):
        self.plain, self.columnwise, self.compared = plain, columnwise, compared
        self.embedding = Embedding(words, width, rng=rng, deviation=0.3)
        self.forwards = LSTM(width + 2, hidden, rng=rng)
        self.backwards = LSTM(width + 2, hidden, rng=rng)
        self.history = LSTM(2 * width, 2 * hidden, rng=rng)
        self.look = Linear(2 * hidden, 4 * hidden, rng=rng, bias=False)
        self.mix = [Linear(2 * hidden + width, hidden, rng=rng) for _ in plain]
        self.operation = [Linear(hidden, a + b, rng=rng) for a, b in zip(plain, columnwise)]
        self.title = [Linear(width, width, rng=rng, bias=False) for _ in plain]
        self.traits = [Linear(features + 1, count, rng=rng, bias=False) for count in columnwise]
        self.number = Linear(2 * hidden, 2 * hidden, rng=rng, bias=False)

    def forward(self, read, kept):
        """kept: (B, 1, E), zeros and numbers that make up for them: what dropout leaves of the embedding; or 1.0"""
        embedded = self.embedding(read.tokens) * kept
        forth = ops.swapaxes(ops.concatenate([embedded, read.flags], axis=-1), 0, 1)
        one, last = unroll(self.forwards, forth)
        two, first = unroll(self.backwards, ops.flip(forth, axis=0))
        keys = ops.swapaxes(ops.concatenate([one, ops.flip(two, axis=0)], axis=-1), 0, 1)            # (B, L, 2H)
        state = LSTMState(*[ops.concatenate(both, axis=-1) for both in zip(last, first)])
        named = ops.expand_dims(ops.astype(read.titles != 0, dtype=embedded.dtype), -1)              # (B, C, W, 1)
        titles = ops.sum(self.embedding(read.titles) * named, axis=2) / (ops.sum(named, axis=2) + 1e-6)
        titles = titles * kept
        seen = ops.concatenate([ops.mean(embedded, axis=1)] * 2, axis=-1)
        padding = ops.expand_dims(read.tokens == 0, 1)
        found = []
        for t, allowed in enumerate((read.selections, read.orders, read.answers)):
            hidden, state = self.history(seen, state)
            queries = ops.reshape(self.look(hidden), (keys.shape[0], 2, -1))
            weights = ops.softmax(ops.where(padding, NEVER, queries @ ops.swapaxes(keys, 1, 2)))     # (B, 2, L)
            word, title = ops.unstack(weights @ embedded, axis=1)
            operation = self.operation[t](ops.tanh(self.mix[t](ops.concatenate([hidden, word], axis=-1))))
            named = ops.squeeze(titles @ ops.expand_dims(self.title[t](title), -1), axis=-1)         # (B, C)
            overlap = ops.swapaxes(weights[:, 1:] @ read.overlap, 1, 2)                              # (B, C, 1)
            traits = self.traits[t](ops.concatenate([read.features, overlap], axis=-1))              # (B, C, ops)
            columns = (ops.expand_dims(operation[:, self.plain[t]:], -1) + ops.expand_dims(named, 1)
                       + ops.swapaxes(traits, 1, 2))                                                 # (B, ops, C)
            if t == 0:
                columns = self._compare(columns, keys, hidden, read.numbers)
            scores = ops.concatenate([operation[:, :self.plain[t]], ops.reshape(columns, (keys.shape[0], -1))], axis=-1)
            found.append(ops.log_softmax(ops.where(allowed, scores, NEVER)))
            seen = ops.concatenate([word, title], axis=-1)
        return found

    def _compare(self, columns, keys, hidden, numbers):
        """The scores of the first step (B, ops, C), of which the last `compared` are repeated for each number."""
        batch, _, width = columns.shape
        number = ops.squeeze((numbers @ keys) @ ops.expand_dims(self.number(hidden), -1), axis=-1)   # (B, N)
        free, bound = columns[:, :-self.compared], columns[:, -self.compared:]
        bound = ops.expand_dims(bound, 2) + ops.reshape(number, (batch, 1, -1, 1))                   # (B, ops, N, C)
        return ops.concatenate([free, ops.reshape(bound, (batch, -1, width))], axis=1)


def log_right(found, right):
    """How likely a right program is: log sum over right programs of the product of their choices. right: (B, S, O, A)"""
    select, order, answer = (ops.exp(each) for each in found)
    said = ops.squeeze(right @ ops.reshape(answer, (answer.shape[0], 1, -1, 1)), axis=-1)            # (B, S, O)
    chosen = ops.sum(ops.squeeze(said @ ops.expand_dims(order, -1), axis=-1) * select, axis=-1)
    return ops.log(chosen + TINY)
