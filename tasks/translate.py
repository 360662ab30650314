"""Translate: dates as people write them to ISO 8601, and numbers to English words; with `--data` sentences.

Of the drawn data characters go in, characters or words come out. Where each symbol of the answer comes from is known, so it
can be counted how often attention looks there. A tenth of all dates and numbers is held out for testing. Of sentences words
go in and come out, and BLEU is measured on the test set that the folder has (see tinyaug/data/parallel.py).

The functions below are those that tasks/task.py describes; TASK, at the end, names them.
"""

from functools import lru_cache

import numpy as np

from tasks import answering, writing
from tasks.task import OptionError, Task
from tinyaug.data import parallel
from tinyaug.data.bleu import bleu
from tinyaug.data.dates import SOURCES, TARGETS, dates, numerals
from tinyaug.data.symbols import Pair

KINDS = {"dates": dates, "numbers": numerals}
SENTENCES = {"source": "en", "target": "fr", "longest": 12, "words": 3000, "forget": 0.1}
MODELS = {"rnn": writing.RNN | {"reads": 16, "summary": False} | SENTENCES, "transformer": writing.TRANSFORMER | SENTENCES,
          "no-attention": writing.PLAIN | SENTENCES}
LENGTHS = (4, 6, 8, 10, 12, 15, 20)         # words of a sentence at most, each from the one before on


def check(config):
    """Settings that cannot be."""
    writing.check(config)
    for key in ("longest", "words"):
        if config[key] < 1:
            raise ValueError(f"{key}: got {config[key]}, expected at least 1")
    if not 0 <= config["forget"] < 1:
        raise ValueError(f"forget: got {config['forget']}, expected 0 .. 1, less than 1")
    if config["source"] == config["target"]:
        raise ValueError(f"target: got {config['target']!r}, expected another language than the source's")


@lru_cache(maxsize=1)
def corpus(path, source, target, longest):
    """(training buckets, validation, testing: {sentence: [translations]}) of the sentences of at most `longest` words.

    Testing has all sentences. What is longer than the model's places, and its double, is left out everywhere.
    """
    def short(pairs, most):
        return [pair for pair in pairs if max(len(text.split()) for text in pair) <= most
                and max(len(parallel.tokens(text)) for text in pair) < writing.LONGEST // 2]

    training, validation, testing = parallel.split(writing.read(parallel.read, path, source, target))
    encoded = [[Pair(*map(parallel.tokens, pair)) for pair in short(pairs, longest)] for pairs in (training, validation)]
    references = {}
    for sentence, translation in short(testing, writing.LONGEST):
        references.setdefault(sentence, []).append(translation)
    if not references:
        raise OptionError(f"--data {path}: got no sentence to test on, expected a set test or val, or a file of pairs")
    return writing.bucketed(encoded[0], lambda pair: max(len(pair.source), len(pair.target) + 1)), encoded[1], references


def of_file(config):
    return corpus(config["data"], config["source"], config["target"], config["longest"])


def keeps(config):
    """The words of the training sentences, the most frequent first."""
    if not config["data"]:
        return {}
    pairs = [pair for bucket in of_file(config)[0].values() for pair in bucket]
    if not pairs:
        raise OptionError(f"--data {config['data']}: got no sentences to train on, expected a set train of sentences of at "
                          f"most {config['longest']} words")
    return {"known": [parallel.vocabulary([pair[side] for pair in pairs], config["words"]).symbols[1:] for side in (0, 1)]}


def alphabets(config):
    """Of the characters of drawn data, or of the words that were trained."""
    return tuple(map(parallel.Vocabulary, config["known"])) if config.get("known") else (SOURCES, TARGETS)


def build(config, rng):
    return writing.build(config, rng, *alphabets(config), deviation=1.0 if config["data"] else 0.1)


def batch(config, rng, i):
    """All dates or all numbers, so that neither is padded to the length of the other; or sentences of one bucket.

    Of sentences a share of the words that are read, and of those that were written before, is `<unk>`: so the unknown gets a
    vector too, and nothing can be learned by heart.
    """
    if config["data"]:
        length, pairs = writing.from_bucket(rng, of_file(config)[0], config["batch"])
        source, shifted, targets, *own = writing.batch(config, rng, pairs, *alphabets(config), (length, length))
        for words in (source, shifted):
            words[(rng.random(words.shape) < config["forget"]) & (words > 1)] = 2
        return source, shifted, targets, *own
    kind = list(KINDS)[int(rng.integers(len(KINDS)))]
    step = {"dates": (32, 11), "numbers": (8, 12)}[kind]
    return writing.batch(config, rng, KINDS[kind](rng, config["batch"]), SOURCES, TARGETS, step)


def translated(model, config, sentences):
    """What is written of each sentence, and the weights of each word, in the order of the sentences."""
    pairs = [Pair(parallel.tokens(sentence), []) for sentence in sentences]
    order = sorted(range(len(pairs)), key=lambda i: len(pairs[i].source))
    written, weights = writing.answers(model, [pairs[i] for i in order], *alphabets(config), longest=writing.LONGEST // 2)
    back = np.argsort(order)
    return [written[i] for i in back], [weights[i] for i in back] if weights else []


def score(model, config, references):
    """BLEU of {sentence: [translations]}, in lower case."""
    written, _ = translated(model, config, list(references))
    return bleu(list(map(parallel.text_of, written)), list(references.values()), lower=True).score


def validate(model, config, rng):
    """Solved: of 2,000 that training may draw, dates and numbers, at most 2 are wrong; 200 are looked at first."""
    if config["data"]:
        pairs = of_file(config)[1][:300]
        return {"bleu": score(model, config, {" ".join(pair.source): [" ".join(pair.target)] for pair in pairs})}

    def share(n):
        pairs = [draw(rng, n // 2) for draw in KINDS.values()]
        return sum(writing.exact(model, some, SOURCES, TARGETS) for some in pairs) / 2

    return writing.solved(share, 2000)


def evaluate(model, config, rng):
    if config["data"]:
        return on_sentences(model, config)
    metrics = {}
    for kind, draw in KINDS.items():
        found = writing.measure(model, draw(rng, 2000, testing=True), SOURCES, TARGETS)
        metrics |= {f"{name}_{kind}": value for name, value in found.items() if name != "places" or value}
    return {"metrics": metrics}


def on_sentences(model, config):
    """BLEU of the sentences that are as long as those of training, and of each length."""
    references = of_file(config)[2]
    sizes = {sentence: max(len(text.split()) for text in (sentence, *several)) for sentence, several in references.items()}
    short = {sentence: several for sentence, several in references.items() if sizes[sentence] <= config["longest"]}
    rows = []
    for least, most in zip((0, *LENGTHS), LENGTHS):
        some = {sentence: several for sentence, several in references.items() if least < sizes[sentence] <= most}
        if some:
            rows.append({"length": most, "sentences": len(some), "bleu": score(model, config, some)})
    return {"metrics": {"bleu": score(model, config, short) if short else 0.0, "sentences": len(short),
                        "bleu_all": score(model, config, references)}, "by_length": rows}


def targets(config, result):
    metrics = result["metrics"]
    if config["data"]:
        return {}                               # the bar is a distance between two models: docs/attention-tasks.md
    bars = {f"exact_{kind}": (metrics[f"exact_{kind}"], 0.99) for kind in KINDS}
    if config["model"] != "no-attention":
        bars |= {f"places_{kind}": (metrics.get(f"places_{kind}", 0.0), 0.95) for kind in KINDS}
    return writing.at_least(**bars) | writing.at_most(seconds=(result["seconds"], 900.0))


def trace(model, config, rng):
    if not config["data"]:
        return writing.examples(model, dates(rng, 2, testing=True) + numerals(rng, 2, testing=True), SOURCES, TARGETS)
    references = of_file(config)[2]
    fitting = [text for text in references if 6 <= len(parallel.tokens(text)) <= config["longest"]] or [*references]
    chosen = [fitting[i] for i in rng.choice(len(fitting), min(4, len(fitting)), replace=False)]
    pairs = [Pair(parallel.tokens(text), parallel.tokens(references[text][0])) for text in chosen]
    return writing.examples(model, pairs, *alphabets(config)) | {"free_order": np.array(True)}


def figures(folder, trace, metrics):
    title = "Sentences" if "free_order" in trace else "Dates to ISO 8601, numbers to words"
    return writing.figures(folder, trace, metrics, title)


def prepare(line, config):
    return parallel.tokens(line) if config["data"] else line.lower()


TASK = Task(
    name="translate", title="dates in free form to ISO 8601, numbers to words; with --data sentences",
    paper="Bahdanau, Cho, Bengio 2015, Neural Machine Translation by Jointly Learning to Align and Translate",
    measures="share of unseen dates and numbers right as a whole; how often attention is largest at the true source; BLEU",
    found=("dates 99.95 %, numbers 99.8 % right (3 of 3 seeds reach every bar); without attention 1.7 %, 42.7 %",
           "Multi30k to 12 words: 41.9 BLEU, transformer 45.9, without attention 10.4"),
    minutes=2, **writing.parts(globals()), keeps=keeps, choices={"score": writing.SCORES}, options=answering.option,
    data="Multi30k: a folder of train.en, train.fr, val.en ... (plain, .gz or .xz); or Tatoeba: a file of sentence <tab> "
         "translation",
    command=answering.interactive(lambda: TASK, prepare, alphabets),
)
