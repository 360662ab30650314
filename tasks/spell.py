"""Spell: letters to phones, in an invented spelling or, with `--data`, in the English of the CMU pronouncing dictionary.

The functions below are those that tasks/task.py describes; TASK, at the end, names them.
"""

from functools import lru_cache

from tasks import answering, writing
from tasks.task import OptionError, Task
from tinyaug.data import cmudict, orthography
from tinyaug.data.cmudict import LETTERS as SOURCES
from tinyaug.data.cmudict import PHONES as TARGETS
from tinyaug.data.symbols import Pair

LONGEST = 16                    # letters of a word of the dictionary in training; one in a thousand is longer


@lru_cache(maxsize=1)
def dictionary(path):
    """(training: {bucket: [Pair, ...]}, testing: {word: pronunciations}) of a file."""
    entries = writing.read(cmudict.read, path)
    pairs = [Pair(word, phones) for word, pronunciations in entries.items() for phones in pronunciations
             if not cmudict.held_out(word) and len(word) <= LONGEST]
    return writing.bucketed(pairs, lambda pair: len(pair.source)), {word: phones for word, phones in entries.items()
                      if cmudict.held_out(word) and len(word) <= writing.LONGEST}


def build(config, rng):
    return writing.build(config, rng, SOURCES, TARGETS)


def batch(config, rng, i):
    """Of the dictionary: words of one bucket, which has words of up to 4, 8, 12 or 16 letters, by its share of all words."""
    if config["data"]:
        buckets = dictionary(config["data"])[0]
        if not buckets:
            raise OptionError(f"--data {config['data']}: got no words to train on, expected words that are not held out")
        _, pairs = writing.from_bucket(rng, buckets, config["batch"])
    else:
        pairs = orthography.words(rng, config["batch"])
    return writing.batch(config, rng, pairs, SOURCES, TARGETS, (4, 4))


def validate(model, config, rng):
    """Invented words: solved where of 800 at most 2 are wrong. The dictionary: 500 words of training, to see it learn."""
    if config["data"]:
        pairs = [pair for bucket in dictionary(config["data"])[0].values() for pair in bucket]
        return {"exact": writing.exact(model, [pairs[i] for i in rng.integers(len(pairs), size=500)], SOURCES, TARGETS)}
    return writing.solved(lambda n: writing.exact(model, orthography.words(rng, n), SOURCES, TARGETS))


def error_rates(written, right):
    """Phone and word error rate. right: for each word its pronunciations; the nearest one counts, as is usual."""
    nearest = [min((writing.edits(phones, variant), len(variant)) for variant in variants)
               for phones, variants in zip(written, right)]
    return {"phone_error_rate": sum(n for n, _ in nearest) / sum(size for _, size in nearest),
            "word_error_rate": sum(n > 0 for n, _ in nearest) / len(nearest)}


def evaluate(model, config, rng):
    if config["data"]:
        testing = dictionary(config["data"])[1]
        if not testing:
            raise OptionError(f"--data {config['data']}: got no word that is held out, expected the whole dictionary")
        words = sorted(testing, key=len)
        written, _ = writing.answers(model, [Pair(word, testing[word][0]) for word in words], SOURCES, TARGETS)
        return {"metrics": {**error_rates(written, [testing[word] for word in words]), "words": len(words)}}
    pairs = orthography.words(rng, 2000, testing=True)
    regular = [pair for pair in pairs if pair.source not in orthography.EXCEPTIONS]
    odd = [Pair(word, *orthography.pronounce(word)) for word in orthography.EXCEPTIONS]
    written, _ = writing.answers(model, pairs, SOURCES, TARGETS)
    return {"metrics": {"exact": writing.exact(model, pairs, SOURCES, TARGETS),
                        "exact_unseen": writing.exact(model, regular, SOURCES, TARGETS),
                        "exact_exceptions": writing.exact(model, odd, SOURCES, TARGETS),
                        "places": writing.measure(model, regular, SOURCES, TARGETS)["places"],
                        **error_rates(written, [[pair.target] for pair in pairs])}}


def targets(config, result):
    metrics = result["metrics"]
    if config["data"]:
        return writing.at_most(phone_error_rate=(metrics["phone_error_rate"], 0.09),
                               word_error_rate=(metrics["word_error_rate"], 0.38))
    return writing.at_least(exact=(metrics["exact"], 0.98)) | writing.at_most(seconds=(result["seconds"], 900.0))


def trace(model, config, rng):
    if config["data"]:
        testing = dictionary(config["data"])[1]
        words = [sorted(testing)[i] for i in rng.integers(len(testing), size=4)]
        pairs = [Pair(word, testing[word][0]) for word in words]
    else:
        pairs = orthography.words(rng, 3, testing=True) + [Pair("island", *orthography.pronounce("island"))]
    return writing.examples(model, pairs, SOURCES, TARGETS)


def figures(folder, trace, metrics):
    return writing.figures(folder, trace, metrics, "Letters to phones")


MODELS = {"rnn": writing.RNN | {"steps": 8000, "half_rate": 4000}, "transformer": writing.TRANSFORMER | {"steps": 8000},
          "no-attention": writing.PLAIN | {"steps": 8000, "half_rate": 4000}}

TASK = Task(
    name="spell", title="letters to phones, in an invented spelling or in English",
    paper="Bahdanau, Cho, Bengio 2015; Yao and Zweig 2015 for the CMU dictionary",
    measures="share of unseen words right as a whole; with --data phone and word error rate on held-out words",
    found=("99.75 % of the words right (3 of 3 seeds), without attention 41.9 %",
           "CMU dictionary: 7.8 % of the phones, 31.7 % of the words wrong (3 of 3 seeds), without 12.0 %, 40.8 %"),
    minutes=2, **writing.parts(globals()), keeps=writing.reading(dictionary),
    data="the CMU pronouncing dictionary (cmudict.dict, plain, .gz or .xz)",
    choices={"score": writing.SCORES}, options=answering.option,
    command=answering.interactive(lambda: TASK, lambda line, _: line.strip().lower(), lambda _: (SOURCES, TARGETS)),
)
