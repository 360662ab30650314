"""Is a sentence true of some things? A network that reads the sentence and looks at the things with it, twice."""

from tinyaug import ops
from tinyaug.attention.attend import attend
from tinyaug.attention.scores import Additive
from tinyaug.nn.layers import Embedding, Linear
from tinyaug.nn.module import Module

__all__ = ["Judge"]


class Judge(Module):
    """Words (B, T), things (B, N, F) and their mask (B, N) -> logits (B, 2) of false and true, and weights (B, looks, N).

        q_1 = the sentence,  c_i = attend(q_i, things),  q_{i+1} = tanh([q_i, c_i] W)          the hops of Sukhbaatar 2015
        p = softmax(tanh([q_1, c_1 ... c_n] V) U)

    encoder: maps (B, T, E) and a mask (B, T) to vectors and a summary (B, H), as `Bidirectional` does
    looks:   how often it looks; 0: never, the baseline that knows the sentence alone
    """

    def __init__(self, symbols, features, encoder, *, embedding, looks=2, padding=0, rng):
        size = encoder.output_size
        self.padding, self.encoder = padding, encoder
        self.words = Embedding(symbols, embedding, rng=rng, deviation=1.0)
        self.see = Linear(features, size, rng=rng)
        self.scores = [Additive(size, size, size, rng=rng) for _ in range(looks)]
        self.next = [Linear(2 * size, size, rng=rng) for _ in range(looks - 1)]
        self.join = Linear((1 + looks) * size, size, rng=rng)
        self.output = Linear(size, 2, rng=rng)

    def forward(self, words, things, mask):
        _, query = self.encoder(self.words(words), words != self.padding)
        values = ops.tanh(self.see(things))
        known, weights = [query], []
        for i, score in enumerate(self.scores):
            keys = score.project(values)
            context, looked = attend(ops.expand_dims(query, 1), keys, values, score, ops.expand_dims(mask, 1))
            known.append(ops.squeeze(context, axis=1))
            weights.append(looked)
            if i < len(self.next):
                query = ops.tanh(self.next[i](ops.concatenate([query, known[-1]], axis=-1)))
        logits = self.output(ops.tanh(self.join(ops.concatenate(known, axis=-1))))
        return logits, ops.concatenate(weights, axis=1) if weights else None
