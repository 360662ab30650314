"""From probabilities to a sequence: greedy and beam search, for everything that has `begin` and `step`.

    state = model.begin(source, ...)                         what was read
    logits, weights, state = model.step(symbols, state)      symbols (B,) -> logits (B, V), weights (B, N) or None

State is any nest of tuples of Tensors with the batch first. What is chosen leaves the Tensors: this is no part of a recorded
step and has no gradient.
"""

from tinyaug import ops
from tinyaug.autograd import Tensor, no_grad

__all__ = ["greedy", "beam_search", "length_penalty"]


def greedy(model, state, start, stop, longest):
    """The likeliest symbol at every step.

    state:   of `model.begin`; start: (B,) symbols to begin with; stop: the symbol that ends a sequence
    returns: for each sequence its symbols without `stop`, and for each of them (and for `stop`) the weights over the source
    """
    batch = start.shape[0]
    sequences, weights, open_ = [[] for _ in range(batch)], [[] for _ in range(batch)], set(range(batch))
    symbols = start
    with no_grad():
        for _ in range(longest):
            logits, looked, state = model.step(symbols, state)
            symbols = ops.argmax(logits, axis=-1)
            chosen, seen = symbols.numpy().tolist(), None if looked is None else looked.numpy()
            for b in sorted(open_):
                if seen is not None:
                    weights[b].append(seen[b])
                if chosen[b] == stop:
                    open_.discard(b)
                else:
                    sequences[b].append(chosen[b])
            if not open_:
                break
    return sequences, weights


def length_penalty(length, alpha):
    """What a log-likelihood is divided by, so that long sequences are not worse for being long.

        lp(Y) = (5 + |Y|)^alpha / (5 + 1)^alpha                                              Wu 2016 eq. (14)
    """
    return ((5 + length) / 6) ** alpha


def beam_search(model, state, start, stop, longest, beams, alpha=0.6):
    """The likeliest sequence among `beams` that are kept at every step, for one source.

    state:   of `model.begin` with a batch of 1; start: (1,) the symbol to begin with
    alpha:   of `length_penalty`; 0: likelihoods as they are
    returns: [(score, symbols without `stop`)] of all that ended, best first; score: log-likelihood / penalty. Where none
             ended within `longest` steps, those that are open
    raises:  ValueError for less than one beam or a batch of more than 1

    It ends when no open sequence can come before the best that ended, even if it went on without losing likelihood.
    """
    if beams < 1 or start.shape[0] != 1:
        raise ValueError(f"beam_search: {beams} beams, a batch of {start.shape[0]}; expected at least 1, and 1")
    kept, ended = [(0.0, [])], []
    symbols = start
    with no_grad():
        for _ in range(longest):
            logits, _, state = model.step(symbols, state)
            logs = ops.log_softmax(logits, axis=-1).numpy().tolist()
            grown = [(total + value, row, symbol) for row, (total, _) in enumerate(kept)
                     for symbol, value in enumerate(logs[row])]
            grown = sorted(grown, key=lambda g: -g[0])[:beams]
            ended += [(total / length_penalty(len(kept[row][1]) + 1, alpha), kept[row][1])
                      for total, row, symbol in grown if symbol == stop]
            rows = [row for _, row, symbol in grown if symbol != stop]
            kept = [(total, [*kept[row][1], symbol]) for total, row, symbol in grown if symbol != stop]
            best = max((score for score, _ in ended), default=None)
            if not kept or best is not None and best >= kept[0][0] / length_penalty(longest, alpha):
                break
            symbols = _moved(Tensor([sequence[-1] for _, sequence in kept]), start.device)
            state = _rows(state, _moved(Tensor(rows), start.device))
    open_ = [(total / length_penalty(len(sequence), alpha), sequence) for total, sequence in kept]
    return sorted(ended or open_, key=lambda e: -e[0])


def _moved(x, device):
    return x if device == "cpu" else x.to(device)


def _rows(state, rows):
    """The rows of every Tensor in a nest of tuples."""
    if state is None:
        return None
    if isinstance(state, Tensor):
        return ops.take(state, rows, axis=0)
    parts = [_rows(part, rows) for part in state]
    return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)
