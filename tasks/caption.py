"""Caption: pictures of coloured shapes, a sentence about each, and where the network looks for each word.

`--model soft` sees the mean of the patches by their weights, `hard` draws one patch a word and learns by REINFORCE, `none`
is the baseline without attention.

The functions below are those that tasks/task.py describes; TASK, at the end, names them.
"""

import numpy as np

from tasks import writing
from tasks.task import Task
from tinyaug import Tensor, no_grad, ops
from tinyaug.attention import greedy, others_mean, reinforce, sequence_loss
from tinyaug.attention.captioner import Captioner
from tinyaug.data.shapes import CELL, GRID, WORDS, scenes
from tinyaug.data.symbols import PADDING, STOP, batch_of

SOFT = {"steps": 6000, "batch": 64, "validate_every": 200, "rate": 3e-3, "half_rate": 3000, "clip_norm": 1.0,
        "hidden": 96, "embedding": 32}
MODELS = {"soft": SOFT,
          # reward: weight of REINFORCE beside the cross-entropy; entropy: keeps it from choosing before it knows
          "hard": SOFT | {"steps": 12000, "reward": 1.0, "entropy": 0.005},
          "none": SOFT}
LONGEST = 12                    # words of an answer at most


def check(config):
    """Settings that cannot be."""
    writing.check(config)
    for key in ("reward", "entropy"):
        if config.get(key, 0) < 0:
            raise ValueError(f"{key}: got {config[key]}, expected at least 0")


def build(config, rng):
    return Captioner(len(WORDS), patch=CELL, channels=3, places=GRID * GRID, hidden=config["hidden"],
                     embedding=config["embedding"], looks=config["model"], rng=rng)


def batch(config, rng, i):
    pictures, pairs = scenes(rng, config["batch"])
    _, shifted, targets = batch_of([[STOP]] * len(pairs), [WORDS.encode(pair.target) for pair in pairs], (1, 7))
    found = pictures.astype(np.float32), shifted, targets
    if config["model"] != "hard":
        return found
    return (*found, rng.gumbel(size=(*targets.shape, GRID * GRID)).astype(np.float32), *(
        np.full((), config[key], np.float32) for key in ("reward", "entropy")))


def loss(model, pictures, shifted, targets, noise=None, reward=None, entropy=None):
    """Cross-entropy of the words; of hard attention also REINFORCE.

    The reward of a draw is the log-likelihood of its word and of all that come after it; what was to be expected is the mean
    reward of the other pictures at that word.
    """
    logits, draws = model(pictures, shifted, noise)
    value = sequence_loss(logits, targets)
    if draws is None:
        return value, {}
    real = ops.astype(targets != PADDING, logits.dtype)
    words = -ops.cross_entropy(logits, targets, reduction="none") * real
    rewards = ops.flip(ops.cumsum(ops.flip(words, axis=1), axis=1), axis=1)
    likelihoods, entropies = (x * real for x in draws)
    total = ops.sum(real)
    guess = reinforce(likelihoods, rewards, others_mean(rewards)) / total
    spread = ops.sum(entropies) / total
    return value + reward * guess - entropy * spread, {"nats": value, "entropy": spread}


def answers(model, pictures):
    """What is written about each picture, and the weights of each word over the patches."""
    device = model.parameters()[0].device
    written, weights = [], []
    for i in range(0, len(pictures), 250):
        some = pictures[i:i + 250].astype(np.float32)
        with no_grad():
            state = model.begin(Tensor(some).to(device))
            sequences, looked = greedy(model, state, Tensor(np.full(len(some), STOP)).to(device), STOP, LONGEST)
        written += [WORDS.decode(sequence) for sequence in sequences]
        weights += looked
    return written, weights


def measure(model, pictures, pairs):
    """Share of sentences that are right, and the weight on the object that a word names, over the right ones."""
    written, weights = answers(model, pictures)
    right = [sentence == pair.target for sentence, pair in zip(written, pairs)]
    mass = [sum(looked[t][cell] for cell in cells) for good, pair, looked in zip(right, pairs, weights) if good and looked
            for t, cells in enumerate(pair.places) if cells]
    return {"exact": float(np.mean(right)), **({"on_object": float(np.mean(mass))} if mass else {})}


def validate(model, config, rng):
    found = measure(model, *scenes(rng, 500))
    found["done"] = found["exact"] >= 0.996 and found.get("on_object", 1) > 0.85
    return found


def evaluate(model, config, rng):
    return {"metrics": measure(model, *scenes(rng, 2000))}


def targets(config, result):
    metrics = result["metrics"]
    bars = {"exact": (metrics["exact"], 0.95 if config["model"] == "hard" else 0.98)}
    if config["model"] != "none":
        bars["on_object"] = (metrics.get("on_object", 0.0), 0.8)
    return writing.at_least(**bars) | writing.at_most(seconds=(result["seconds"], 900.0))


def trace(model, config, rng):
    pictures, pairs = scenes(rng, 12)
    chosen = [i for i, pair in enumerate(pairs) if len(pair.source) == 2][:2]
    written, weights = answers(model, pictures[chosen])
    found = {"pictures": pictures[chosen]}
    for i, (sentence, looked) in enumerate(zip(written, weights)):
        found[f"output_{i}"] = np.array(sentence, dtype=str)
        if looked:
            found[f"attention_{i}"] = np.stack(looked)[:len(sentence)].reshape(-1, GRID, GRID)
    return found


def figures(folder, trace, metrics):
    from viz import caption as draw
    return draw.all_figures(folder / "figures", trace, metrics)


TASK = Task(
    name="caption", title="sentences about pictures of coloured shapes",
    paper="Xu et al. 2015, Show, Attend and Tell",
    measures="share of sentences right as a whole; the weight that lies on the object that a word names",
    minutes=1, models=MODELS, build=build, batch=batch, loss=loss, optimiser=writing.optimiser, rate=writing.rate,
    validate=validate, evaluate=evaluate, targets=targets, trace=trace, figures=figures, check=check,
)
