"""Judge: is a sentence true of some things? By a network that looks at the things with what it read.

`--model text` is the baseline that reads the sentence alone. From a bare clone the sentences are drawn; with `--data` they
are those of NLVR, where the examples of the directories 0 and 1 are for testing.

The functions below are those that tasks/task.py describes; TASK, at the end, names them.
"""

from functools import lru_cache

import numpy as np

from tasks import writing
from tasks.task import OptionError, Task
from tinyaug import Tensor, no_grad, ops
from tinyaug.attention.judge import Judge
from tinyaug.data import statements
from tinyaug.data.parallel import Vocabulary, vocabulary
from tinyaug.data.symbols import pad

RECIPE = {"steps": 3000, "batch": 64, "validate_every": 200, "rate": 3e-3, "half_rate": 2000, "clip_norm": 1.0, "hidden": 48,
          "embedding": 16, "forget": 0.1}
MODELS = {"objects": RECIPE, "text": RECIPE}
LONGEST = 32                    # words of a sentence; what is longer is cut
WORDS = vocabulary([["there", "is", "a", *statements.COLOURS, *statements.TYPES]] * 2, 9)
HELD = ("0", "1")


@lru_cache(maxsize=1)
def corpus(path):
    """(training, testing) of a file of NLVR, by directory, so that nobody's sentence is in both."""
    found = writing.read(statements.read, path)
    halves = [[s for s in found if s.group not in HELD], [s for s in found if s.group in HELD]]
    if not all(halves):
        raise OptionError(f"--data {path}: got {len(halves[0])} examples for training and {len(halves[1])} of "
                          f"directories {', '.join(HELD)}, which are for testing; expected both")
    return halves


def check(config):
    """Settings that cannot be."""
    writing.check(config)
    if not 0 <= config["forget"] < 1:
        raise ValueError(f"forget: got {config['forget']}, expected 0 .. 1, less than 1")


def keeps(config):
    """The words of the training sentences."""
    return {"known": vocabulary([s.words for s in corpus(config["data"])[0]], 1000).symbols[1:]} if config["data"] else {}


def words_of(config):
    return Vocabulary(config["known"]) if config.get("known") else WORDS


def build(config, rng):
    encoder = writing.bidirectional(config["embedding"], config["hidden"], rng=rng)
    return Judge(len(words_of(config)), statements.FEATURES, encoder, embedding=config["embedding"],
                 looks=0 if config["model"] == "text" else 2, rng=rng)


def arrays(config, some):
    """Words (B, LONGEST or 8), things (B, MOST, FEATURES), their mask and the labels."""
    alphabet = words_of(config)
    encoded = [alphabet.encode(s.words)[:LONGEST] for s in some]
    things, mask = map(np.stack, zip(*(statements.features(s.things) for s in some)))
    return pad(encoded, LONGEST if config["data"] else 8), things, mask, np.array([int(s.true) for s in some])


def batch(config, rng, i):
    """Of the words a share is forgotten; of NLVR the three boxes stand in another order each time."""
    if not config["data"]:
        return arrays(config, statements.drawn(rng, config["batch"]))
    training = corpus(config["data"])[0]
    words, things, mask, labels = arrays(config, [training[j] for j in rng.integers(len(training), size=config["batch"])])
    words[(rng.random(words.shape) < config["forget"]) & (words > 1)] = 2
    for table in things:
        table[:, :3] = table[:, rng.permutation(3)]
    return words, things, mask, labels


def loss(model, words, things, mask, labels):
    logits, _ = model(words, things, mask)
    return ops.cross_entropy(logits, labels), {}


def judged(model, config, some):
    """For each statement whether it is held to be true, and the weights (looks, MOST) over the things, or None."""
    device = model.parameters()[0].device
    with no_grad():
        logits, weights = model(*(Tensor(array).to(device) for array in arrays(config, some)[:3]))
    return logits.numpy().argmax(axis=1) == 1, None if weights is None else weights.numpy()


def measure(model, config, some):
    """Share that is judged right, and the first look's weight on things of a colour that is named, beside their share."""
    said, weights = judged(model, config, some)
    found = {"exact": float(np.mean([answer == s.true for answer, s in zip(said, some)]))}
    if weights is not None:
        known = [(looked[0, sorted(places)].sum(), len(places) / len(s.things)) for s, looked in zip(some, weights)
                 if (places := statements.named(s.words, s.things))]
        if known:
            found["on_named"], found["named_share"] = (float(x) for x in np.mean(known, axis=0))
    return found


def validate(model, config, rng):
    if not config["data"]:
        found = measure(model, config, statements.drawn(rng, 500))
        return found | {"done": found["exact"] >= 0.998}
    return measure(model, config, corpus(config["data"])[0])


def evaluate(model, config, rng):
    if not config["data"]:
        return {"metrics": measure(model, config, statements.drawn(rng, 2000))}
    training, testing = corpus(config["data"])
    majority = np.mean([s.true for s in training]) >= 0.5
    return {"metrics": {**measure(model, config, testing), "majority": float(np.mean([s.true == majority for s in testing])),
                        "examples": len(testing)}}


def targets(config, result):
    """Of NLVR no bar is known: its figure stands beside the majority's and that of the text alone."""
    if config["data"]:
        return {}
    return writing.at_least(exact=(result["metrics"]["exact"], 0.98)) | writing.at_most(seconds=(result["seconds"], 900.0))


def trace(model, config, rng):
    some = corpus(config["data"])[1] if config["data"] else statements.drawn(rng, 20)
    some = [some[i] for i in rng.permutation(len(some))]
    some = [s for s in some if s.true][:2] + [s for s in some if not s.true][:1]
    said, weights = judged(model, config, some)
    found = {"said": said, "true": np.array([s.true for s in some])}
    for i, s in enumerate(some):
        found |= {f"sentence_{i}": np.array(" ".join(s.words)), f"things_{i}": np.array(s.things)}
        if weights is not None:
            found[f"attention_{i}"] = weights[i][:, :len(s.things)]
    return found


figures = writing.drawn_by("judge")


TASK = Task(
    name="judge", title="is a sentence true of some things? Drawn sentences, or those of NLVR",
    paper="Suhr et al. 2017, A Corpus of Natural Language for Visual Reasoning; hops as in Sukhbaatar et al. 2015",
    measures="share judged right; the weight on things of a colour that the sentence names",
    found=("99.7 % judged right (3 of 3 seeds), by the text alone 50.2 %",
           "NLVR: 51.5 %, below always true, 56.7 %: few examples"),
    minutes=1, **writing.parts(globals()), keeps=keeps,
    data="NLVR: its file .json, or a folder or tar archive that has one",
)
