"""The neural programmer-interpreter (Reed and de Freitas 2015): one network that runs many programs, which call each other.

A program is two vectors in a memory: an embedding, which tells the core what to run, and a key, by which it is found when
another program calls it. What a program does is in the weights of the core, which all share.
"""

from typing import NamedTuple

from tinyaug import ops
from tinyaug.autograd import Tensor, no_grad
from tinyaug.nn.cells import LSTM, LSTMState
from tinyaug.nn.layers import Embedding, Linear
from tinyaug.nn.module import Module

__all__ = ["Interpreter", "Call", "Step", "run"]


class Step(NamedTuple):
    """What the core says at one step of a program."""

    end: Tensor                       # (B,) logit that the program is over
    program: Tensor                   # (B, P) scores of the program to call
    arguments: Tensor                 # (B, 3, symbols) scores of what to call it with


class Interpreter(Module):
    """Core, program memory, and what translates between them and a scratch pad.

        s_t = f_enc(e_t)                       what the pad shows
        h_t = f_lstm(s_t, p, h_{t-1})          p: the embedding of the running program
        r_t = f_end(h_t), k_t = f_prog(h_t), a_{t+1} = f_arg(h_t)
        i* = argmax_i M_key(i) . k_t           the program to call

    seen: (B, 4) symbols, program: (B,) indices -> a Step and the state
    later: programs that are learned when the rest is done; their two vectors are parameters of their own

    Deviation: f_enc does not see the arguments that the program was called with, since none of these programs but ACT
    takes any. r_t is the probability that the program is over before it calls anything more; in the paper, after one
    more call. So a program can do nothing at all, as COMPSWAP does for two numbers in order.
    Deviation: one layer of LSTM; the paper has two of 256.
    """

    def __init__(self, *, programs, symbols, hidden, width, rng, later=0):
        self.symbols = symbols
        self.look = Linear(4 * symbols, width, rng=rng)
        self.understand = Linear(width, width, rng=rng)
        self.embedding = Embedding(programs, width, rng=rng, deviation=1.0)
        self.key = Embedding(programs, width, rng=rng, deviation=1.0)
        self.later_embedding = Embedding(later, width, rng=rng, deviation=1.0) if later else None
        self.later_key = Embedding(later, width, rng=rng, deviation=1.0) if later else None
        self.core = LSTM(2 * width, hidden, rng=rng)
        self.end = Linear(hidden, 1, rng=rng)
        self.find = Linear(hidden, width, rng=rng)
        self.order = Linear(hidden, 3 * symbols, rng=rng)

    def initial_state(self, batch):
        return self.core.initial_state(batch)

    def memory(self):
        """The program memory: embeddings and keys (P, width) of all programs, those that were added later at the end."""
        parts = [(self.embedding, self.later_embedding), (self.key, self.later_key)]
        return [first.weight if more is None else ops.concatenate([first.weight, more.weight]) for first, more in parts]

    def decide(self, seen, program, hidden, cell):
        """A step in the form that `run` asks for: what is likeliest, and the two parts of the state."""
        said, state = self(seen, program, LSTMState(hidden, cell))
        return (said.end > 0, ops.argmax(said.program, axis=-1), ops.argmax(said.arguments, axis=-1), *state)

    def forward(self, seen, program, state):
        shown = ops.reshape(ops.one_hot(seen, classes=self.symbols), (seen.shape[0], 4 * self.symbols))
        encoded = ops.relu(self.understand(ops.relu(self.look(shown))))
        embeddings, keys = self.memory()
        hidden, state = self.core(ops.concatenate([encoded, ops.take(embeddings, program, axis=0)], axis=-1), state)
        scores = self.find(hidden) @ ops.swapaxes(keys, 0, 1)
        arguments = ops.reshape(self.order(hidden), (seen.shape[0], 3, self.symbols))
        return Step(ops.squeeze(self.end(hidden), axis=-1), scores, arguments), state


class Call(NamedTuple):
    """One line of a run: at which depth, which program was called with what, and what the pad showed then."""

    depth: int
    program: int
    arguments: tuple
    seen: tuple


def run(decide, pads, program, *, start, act, limit, note=None):
    """Run a program on several pads side by side, each with a stack of its own.

    decide: `Interpreter.decide`, or a recording of it
    start:  the state (1, H) in which a program begins; act: the index of the program that changes the pad
    limit:  at most so many steps of the core
    note:   called with (number of the pad, Call) for each call that is made
    returns: for each pad, whether the program came to its end within the limit
    """
    first = [x.numpy()[0] for x in start]
    state = [x.numpy().repeat(len(pads), axis=0) for x in start]
    running, stacks, busy = [program] * len(pads), [[] for _ in pads], list(range(len(pads)))
    with no_grad():
        for _ in range(limit):
            if not busy:
                break
            seen = [pad.observe() for pad in pads]
            ended, chosen, orders, *state = (x.numpy().copy() for x in decide(
                Tensor(seen), Tensor(running), *map(Tensor, state)))
            ended, chosen, orders, still = ended.tolist(), chosen.tolist(), orders.tolist(), []
            for i in busy:
                if ended[i]:
                    if not stacks[i]:
                        continue
                    running[i], *saved = stacks[i].pop()
                    _put(state, i, saved)
                else:
                    order = tuple(orders[i])
                    if note is not None:
                        note(i, Call(len(stacks[i]) + 1, chosen[i], order, seen[i]))
                    if chosen[i] == act:
                        pads[i].act(order)
                    else:
                        stacks[i].append((running[i], *(whole[i].copy() for whole in state)))
                        running[i] = chosen[i]
                        _put(state, i, first)
                still.append(i)
            busy = still
    return [i not in busy for i in range(len(pads))]


def _put(state, i, rows):
    for whole, row in zip(state, rows):
        whole[i] = row
