"""What the tasks share that read symbols and write symbols: models, batches, and what is measured.

A task hands in its alphabets and a function that draws Pairs (see tinyaug/data/symbols.py); the rest is here.
"""

from __future__ import annotations

from importlib import import_module

import numpy as np

from tasks.task import OptionError
from tinyaug import Tensor, no_grad
from tinyaug.attention import (
    Additive,
    Bidirectional,
    Concat,
    Decoder,
    General,
    Location,
    Seq2Seq,
    Transformer,
    dot,
    greedy,
    sequence_loss,
)
from tinyaug.data.symbols import STOP, batch_of
from tinyaug.nn import LSTM, Embedding
from tinyaug.train.optimise import Adam

SCORES = ("additive", "dot", "general", "concat", "location")
RNN = {"steps": 6000, "batch": 64, "validate_every": 200, "rate": 3e-3, "half_rate": 2000, "clip_norm": 1.0,
       "hidden": 64, "embedding": 32, "score": "additive", "sampling": 0.0}
PLAIN = {key: value for key, value in RNN.items() if key != "score"}
TRANSFORMER = {"steps": 6000, "batch": 64, "validate_every": 200, "rate": 2e-3, "half_rate": 2000, "clip_norm": 1.0,
               "warm_up": 100, "width": 64, "heads": 4, "hidden": 128, "layers": 2, "positions": "sinusoidal"}
MODELS = {"rnn": RNN, "transformer": TRANSFORMER, "no-attention": PLAIN}
LONGEST = 96                                # places that a Transformer, or a location score, knows of


def check(config):
    """Settings that cannot be."""
    for key in ("hidden", "embedding", "width", "heads", "layers"):
        if config.get(key, 1) < 1:
            raise ValueError(f"{key}: got {config[key]}, expected at least 1")
    for key in ("rate", "half_rate", "clip_norm"):
        if config[key] <= 0:
            raise ValueError(f"{key}: got {config[key]}, expected more than 0")
    for key in ("hidden", "reads"):
        if config.get(key, 2) % 2 or config.get(key, 2) < 2:
            raise ValueError(f"{key}: got {config[key]}, expected an even number of at least 2: half reads each way")
    name = "width" if "width" in config else "hidden"
    if config.get(name, 1) % config.get("heads", 1):
        raise ValueError(f"heads: got {config['heads']}, expected a divisor of {name}={config[name]}")
    if not 0 <= config.get("sampling", 0) <= 1:
        raise ValueError(f"sampling: got {config['sampling']}, expected 0 .. 1")
    for key, allowed in (("score", SCORES), ("positions", ("sinusoidal", "learned"))):
        if config.get(key, allowed[0]) not in allowed:
            raise ValueError(f"{key}: got {config[key]!r}, expected one of {', '.join(allowed)}")


def score_of(kind, query, key, *, rng):
    """A score by its name; None: no attention."""
    if kind == "location":
        return Location(query, LONGEST, rng=rng)
    if kind == "general":
        return General(query, key, rng=rng)
    if kind in ("additive", "concat"):
        return {"additive": Additive, "concat": Concat}[kind](query, key, query, rng=rng)
    return dot if kind == "dot" else None


def bidirectional(inputs, hidden, *, rng):
    """Two LSTMs with half of the hidden units each."""
    return Bidirectional(LSTM(inputs, hidden // 2, rng=rng), LSTM(inputs, hidden // 2, rng=rng))


def decoder(config, symbols, source_size, *, deviation=0.1, rng):
    """An LSTM that writes, with the score of the config; without one, no attention."""
    size, embedding = config["hidden"], config["embedding"]
    return Decoder(symbols, LSTM(embedding + size, size, rng=rng), embedding=embedding, source_size=source_size, size=size,
                   score=score_of(config.get("score"), size, source_size, rng=rng), summary=config.get("summary", True),
                   deviation=deviation, rng=rng)


def build(config, rng, sources, targets, deviation=0.1):
    """The model of a config over two alphabets. deviation: of the symbols' vectors at first, without a Transformer"""
    if config["model"] == "transformer":
        return Transformer(len(sources), len(targets), **{key: config[key] for key in
                           ("width", "heads", "hidden", "layers", "positions")}, longest=LONGEST, rng=rng)
    reads = config["hidden"] if config.get("score") == "dot" else config.get("reads", config["hidden"])
    encoder = bidirectional(config["embedding"], reads, rng=rng)
    return Seq2Seq(encoder, decoder(config, len(targets), reads, deviation=deviation, rng=rng),
                   embed=Embedding(len(sources), config["embedding"], rng=rng, deviation=deviation))


def arrays(pairs, sources, targets, step=(4, 4)):
    """Source, shifted and targets of a batch of Pairs."""
    return batch_of([sources.encode(p.source) for p in pairs], [targets.encode(p.target) for p in pairs], step)


def batch(config, rng, pairs, sources, targets, step=(4, 4)):
    """The arrays of a step; with scheduled sampling also where the model's own symbol is fed."""
    found = arrays(pairs, sources, targets, step)
    share = config.get("sampling", 0)
    return (*found, rng.random(found[1].shape) < share) if share else found


def bucketed(pairs, size, step=4):
    """{length: [Pair]}: pairs of one shape together, by the longest that any of a bucket may be, a multiple of step."""
    found = {}
    for pair in pairs:
        found.setdefault(-(-size(pair) // step) * step, []).append(pair)
    return found


def from_bucket(rng, buckets, n):
    """(length, n Pairs of one bucket, which is drawn by its share of all)"""
    lengths = list(buckets)
    sizes = np.array([len(buckets[length]) for length in lengths])
    length = lengths[rng.choice(len(lengths), p=sizes / sizes.sum())]
    return length, [buckets[length][j] for j in rng.integers(len(buckets[length]), size=n)]


def read(reader, *arguments):
    """What a file of `--data` holds. raises: OptionError where it cannot be read"""
    try:
        return reader(*arguments)
    except (ValueError, OSError) as error:
        raise OptionError(f"--data: {error}") from None


def reading(reader):
    """A Task's `keeps` that keeps nothing: it reads `--data`, so that a bad file is refused before there is a run folder."""
    def keeps(config):
        if config["data"]:
            reader(config["data"])
        return {}
    return keeps


def loss(model, source, shifted, targets, own=None):
    """Cross-entropy of the right symbols, each given the right ones before it."""
    logits, _ = model(source, shifted) if own is None else model(source, shifted, own=own)
    value = sequence_loss(logits, targets)
    return value, {}


def optimiser(config, model):
    return Adam(model, rate=config["rate"], clip_norm=config["clip_norm"])


def rate(config, i):
    """Full at first, half at `half_rate` steps, then falling as 1 / i^2; a Transformer begins softly."""
    return config["rate"] * min(1.0, i / config.get("warm_up", 1)) / (1 + (i / config["half_rate"]) ** 2)


def greedily(model, inputs, longest):
    """What the model writes, greedily, of several batches: the integers of each row, and their weights over the source.

    inputs: [arrays of `model.begin`, ...]
    """
    written, weights = [], []
    device = model.parameters()[0].device
    for arrays in inputs:
        with no_grad():
            state = model.begin(*(Tensor(array).to(device) for array in arrays))
            sequences, looked = greedy(model, state, Tensor(np.full(len(arrays[0]), STOP)).to(device), STOP, longest)
        written += sequences
        weights += looked
    return written, weights


def answers(model, pairs, sources, targets, longest=None):
    """What the model writes for each Pair, greedily, and the weights of each symbol over the source."""
    written, weights = [], []
    for start in range(0, len(pairs), 250):
        source, _, target = arrays(pairs[start:start + 250], sources, targets)
        sequences, looked = greedily(model, [(source,)], longest or target.shape[1] + 4)
        written += map(targets.decode, sequences)
        weights += looked
    return written, weights


def exact(model, pairs, sources, targets):
    """Share of Pairs whose answer is right as a whole."""
    written, _ = answers(model, pairs, sources, targets)
    return float(np.mean([sequence == list(pair.target) for sequence, pair in zip(written, pairs)]))


def solved(share, n=800):
    """Validation by `share`, a function: number of Pairs -> share that is right. Of 200 none may be wrong, of n two."""
    found = {"exact": share(200)}
    if found["exact"] == 1.0:
        found["exact"] = share(n)
        found["done"] = round((1 - found["exact"]) * n) <= 2
    return found


def measure(model, pairs, sources, targets):
    """Share of answers that are right, of symbols that are, and of symbols whose source place has the most weight."""
    written, weights = answers(model, pairs, sources, targets)
    whole = np.mean([sequence == list(pair.target) for sequence, pair in zip(written, pairs)])
    symbols = right = places = found = 0
    for pair, sequence, looked in zip(pairs, written, weights):
        symbols += len(pair.target)
        right += sum(a == b for a, b in zip(sequence, pair.target))
        if sequence == list(pair.target) and pair.places and looked:
            known = [(t, where) for t, where in enumerate(pair.places) if where]
            places += len(known)
            found += sum(int(np.argmax(looked[t])) in where for t, where in known)
    return {"exact": float(whole), "symbols": right / symbols, "places": found / places if places else 0.0}


def edits(written, right):
    """The fewest insertions, deletions and replacements that make `right` of `written` (Levenshtein 1966)."""
    row = list(range(len(right) + 1))
    for i, a in enumerate(written, 1):
        before, row = row, [i]
        for j, b in enumerate(right, 1):
            row.append(min(before[j] + 1, row[-1] + 1, before[j - 1] + (a != b)))
    return row[-1]


def examples(model, pairs, sources, targets):
    """The trace of some Pairs: for each its source, what was written (with the stop), and the weights."""
    written, weights = answers(model, pairs, sources, targets)
    trace = {}
    for i, (pair, sequence, looked) in enumerate(zip(pairs, written, weights)):
        trace[f"source_{i}"] = np.array(list(pair.source))
        trace[f"target_{i}"] = np.array(list(pair.target))
        trace[f"output_{i}"] = np.array(sequence, dtype=str)
        if looked:
            trace[f"attention_{i}"] = np.stack(looked)[:len(sequence), :len(pair.source)]
    return trace


def at_least(**bars):
    """{name: (value, bound)} as targets that are reached from below."""
    return {name: {"value": value, "bound": bound, "reached": bool(value >= bound)} for name, (value, bound) in bars.items()}


def at_most(**bars):
    """{name: (value, bound)} as targets that are reached from above."""
    return {name: {"value": value, "bound": bound, "reached": bool(value <= bound)} for name, (value, bound) in bars.items()}


def figures(folder, trace, metrics, title):
    """The alignments of the trace, and how it was learned."""
    from viz import attention as draw
    return draw.all_figures(folder / "figures", trace, metrics, title)


def drawn_by(name):
    """The figures of a task: those of viz/NAME.py, which needs matplotlib only when something is drawn."""
    def figures(folder, trace, metrics):
        return import_module(f"viz.{name}").all_figures(folder / "figures", trace, metrics)
    return figures


def parts(names):
    """The functions of a task file, its globals(), by the names that a Task has for them; what it lacks is ours."""
    ours = {"loss": loss, "optimiser": optimiser, "rate": rate, "check": check}
    theirs = ("build", "batch", "loss", "validate", "evaluate", "targets", "trace", "figures", "check")
    return {"models": names["MODELS"], **ours, **{name: names[name] for name in theirs if name in names}}
