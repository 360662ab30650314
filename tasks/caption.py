"""Show, attend and tell: a sentence about a picture of shapes, or of handwritten digits, and where it looks for each word.

`--model soft` sees the mean of the patches by their weights, `hard` draws one patch a word and learns by REINFORCE, `none`
is the baseline without attention. With `--data` the pictures are digits of MNIST on a canvas.

The functions below are those that tasks/task.py describes; TASK, at the end, names them.
"""

from functools import lru_cache

import numpy as np

from tasks import writing
from tasks.task import OptionError, Task
from tinyaug import ops
from tinyaug.attention import others_mean, reinforce, sequence_loss
from tinyaug.attention.captioner import Captioner
from tinyaug.data import mnist, shapes
from tinyaug.data.symbols import PADDING, STOP, batch_of

SOFT = {"steps": 6000, "batch": 64, "validate_every": 200, "rate": 3e-3, "half_rate": 3000, "clip_norm": 1.0,
        "hidden": 96, "embedding": 32, "depth": 1}
MODELS = {"soft": SOFT,
          # reward: weight of REINFORCE beside the cross-entropy; entropy: keeps it from choosing before it knows;
          # expected: share of the pictures that are seen softly, as in the paper, so that it looks where it matters
          "hard": SOFT | {"steps": 12000, "reward": 1.0, "entropy": 0.005, "expected": 0.5},
          "none": SOFT}
LONGEST = 12                    # words of an answer at most


def check(config):
    """Settings that cannot be."""
    writing.check(config)
    if config["depth"] < 1:
        raise ValueError(f"depth: got {config['depth']}, expected at least 1")
    for key in ("reward", "entropy"):
        if config.get(key, 0) < 0:
            raise ValueError(f"{key}: got {config[key]}, expected at least 0")
    if not 0 <= config.get("expected", 0) <= 1:
        raise ValueError(f"expected: got {config['expected']}, expected 0 .. 1")


@lru_cache(maxsize=1)
def digits(path):
    """((images, labels) for training, the same for testing) of MNIST."""
    halves = writing.read(mnist.read, path)
    if not all(len(labels) for _, labels in halves):
        raise OptionError(f"--data {path}: got no digits to train on, or none to test on; expected at least five")
    return halves


def scenes(config, rng, n, testing, turn=False):
    """n pictures and Pairs: of shapes, or of digits that are for testing, or are not. turn: the digits, a little"""
    return mnist.canvases(rng, n, *digits(config["data"])[testing], turn) if config["data"] else shapes.scenes(rng, n)


def world(config):
    """The module that has the words and the grid of the pictures."""
    return mnist if config["data"] else shapes


def build(config, rng):
    kind = world(config)
    return Captioner(len(kind.WORDS), patch=kind.CELL, channels=1 if config["data"] else 3, places=kind.GRID ** 2,
                     hidden=config["hidden"], embedding=config["embedding"], depth=config.get("depth", 1),
                     looks=config["model"], rng=rng)


def batch(config, rng, i):
    pictures, pairs = scenes(config, rng, config["batch"], False, turn=True)
    words = world(config).WORDS
    _, shifted, targets = batch_of([[STOP]] * len(pairs), [words.encode(pair.target) for pair in pairs], (1, 7))
    found = pictures.astype(np.float32), shifted, targets
    if config["model"] != "hard":
        return found
    noise = rng.gumbel(size=(*targets.shape, world(config).GRID ** 2)).astype(np.float32)
    return (*found, noise, rng.random(len(targets)) < config["expected"],
            *(np.full((), config[key], np.float32) for key in ("reward", "entropy")))


def loss(model, pictures, shifted, targets, noise=None, expected=None, reward=None, entropy=None):
    """Cross-entropy of the words; of hard attention also REINFORCE, for the pictures where it drew.

    The reward of a draw is the log-likelihood of its word and of all that come after it; what was to be expected is the mean
    reward of the other pictures at that word.
    """
    logits, draws = model(pictures, shifted, noise, expected)
    value = sequence_loss(logits, targets)
    if draws is None:
        return value, {}
    real = ops.astype(targets != PADDING, logits.dtype)
    words = -ops.cross_entropy(logits, targets, reduction="none") * real
    rewards = ops.flip(ops.cumsum(ops.flip(words, axis=1), axis=1), axis=1)
    likelihoods, entropies = (x * real for x in draws)
    total = ops.sum(real)
    drew = ops.expand_dims(ops.where(expected, 0.0, 1.0), -1)
    guess = reinforce(likelihoods * drew, rewards, others_mean(rewards)) / total
    spread = ops.sum(entropies) / total
    return value + reward * guess - entropy * spread, {"nats": value, "entropy": spread}


def measure(config, model, pictures, pairs):
    """Share of sentences that are right, and the weight on the object that a word names, over the right ones."""
    written, weights = answers(config, model, pictures)
    right = [sentence == pair.target for sentence, pair in zip(written, pairs)]
    mass = [sum(looked[t][cell] for cell in cells) for good, pair, looked in zip(right, pairs, weights) if good and looked
            for t, cells in enumerate(pair.places) if cells]
    return {"exact": float(np.mean(right)), **({"on_object": float(np.mean(mass))} if mass else {})}


def answers(config, model, pictures):
    """What is written about each picture, and the weights of each word over the patches."""
    written, weights = writing.greedily(model, [(pictures[i:i + 250].astype(np.float32),)
                                                for i in range(0, len(pictures), 250)], LONGEST)
    return [world(config).WORDS.decode(sequence) for sequence in written], weights


def validate(model, config, rng):
    """On digits that are trained; those of the test set are for the result alone."""
    found = measure(config, model, *scenes(config, rng, 500, False))
    found["done"] = not config["data"] and found["exact"] >= 0.996 and found.get("on_object", 1) > 0.85
    return found


def evaluate(model, config, rng):
    return {"metrics": measure(config, model, *scenes(config, rng, 2000, True))}


def targets(config, result):
    metrics = result["metrics"]
    if config["data"]:
        return writing.at_least(exact=(metrics["exact"], 0.95)) if config["model"] != "none" else {}
    bars = {"exact": (metrics["exact"], 0.95 if config["model"] == "hard" else 0.98)}
    if config["model"] != "none":
        bars["on_object"] = (metrics.get("on_object", 0.0), 0.8)
    return writing.at_least(**bars) | writing.at_most(seconds=(result["seconds"], 900.0))


def trace(model, config, rng):
    pictures, pairs = scenes(config, rng, 12, True)
    chosen = [i for i, pair in enumerate(pairs) if len(pair.source) == 2][:2]
    written, weights = answers(config, model, pictures[chosen])
    grid, found = world(config).GRID, {"pictures": pictures[chosen]}
    for i, (sentence, looked) in enumerate(zip(written, weights)):
        found[f"output_{i}"] = np.array(sentence, dtype=str)
        if looked:
            found[f"attention_{i}"] = np.stack(looked)[:len(sentence)].reshape(-1, grid, grid)
    return found


figures = writing.drawn_by("caption")


TASK = Task(
    name="caption", title="sentences about pictures: coloured shapes, or handwritten digits on a canvas",
    paper="Xu et al. 2015, Show, Attend and Tell",
    measures="share of sentences right as a whole; the weight that lies on the object that a word names",
    found=("soft 99.65 %, hard 99.6 % of the sentences right (3 of 3 seeds each), without attention 61.6 %",
           "MNIST: 96.4 %, without attention 90.5 %"),
    minutes=1, **writing.parts(globals()), keeps=writing.reading(digits),
    data="MNIST: a folder of t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, or train..., plain or .gz",
)
