"""Sentences in two languages: Multi30k, a folder with a file for each language, or Tatoeba, a file with a pair a line.

Text is split into words and marks in lower case. What is seldom is `<unk>`.
"""

import re
from collections import Counter
from pathlib import Path
from zlib import crc32

from tinyaug.data.files import lines
from tinyaug.data.symbols import Alphabet

__all__ = ["UNKNOWN", "Vocabulary", "vocabulary", "tokens", "text_of", "read", "split"]

UNKNOWN = "<unk>"
TOKEN = re.compile(r"\w+(?:-\w+)*'?|[^\w\s]")           # l'homme is l' homme, t-shirt is one word
SUFFIX = r"(?:\.gz|\.xz)?"


def tokens(text):
    """Words and marks: "L'homme dort." is l' homme dort ."""
    return TOKEN.findall(text.lower().replace("\u2019", "'"))


def text_of(words):
    """A line of text again, without a blank behind an apostrophe."""
    return " ".join(words).replace("' ", "'")


class Vocabulary(Alphabet):
    """Words and UNKNOWN, which every other word is read as."""

    def __init__(self, words):
        super().__init__([UNKNOWN, *words])

    def encode(self, sequence):
        unknown = self.index[UNKNOWN]
        return [self.index.get(word, unknown) for word in sequence]


def vocabulary(sentences, most):
    """The `most` words that come most often, each at least twice; by count, then by the alphabet."""
    counts = Counter(word for words in sentences for word in words)
    known = [word for word in sorted(counts, key=lambda word: (-counts[word], word)) if counts[word] > 1]
    return Vocabulary(known[:most])


def read(path, source, target):
    """{set: [(sentence, translation)]}, of Multi30k "train", "val", "test_2016_flickr" and so on, of Tatoeba "all".

    path: a folder of files `set.language` (also gzip or xz), or a file of lines `sentence <tab> translation`; a set in one
          language alone is left out
    raises: ValueError, with file and line, where two files differ in length, a sentence is empty, or there is no set
    """
    path = Path(path)
    if not path.is_dir():
        return {"all": _pairs_a_line(path)}
    files = {language: {match[1]: file for file in sorted(path.iterdir())
                        if (match := re.fullmatch(rf"(.+)\.{re.escape(language)}{SUFFIX}", file.name))}
             for language in (source, target)}
    both = [name for name in files[source] if name in files[target]]
    if not both:
        raise ValueError(f"{path}: expected files set.{source} and set.{target}, such as train.{source}.gz and "
                         f"train.{target}.gz, got none of the same name")
    return {name: _aligned(files[source][name], files[target][name]) for name in both}


def _aligned(first, second):
    """The lines of two files side by side."""
    left, right = ([line for _, line in lines(path)] for path in (first, second))
    if len(left) != len(right):
        longer = first if len(left) > len(right) else second
        raise ValueError(f"{longer}:{min(len(left), len(right)) + 1}: expected as many lines as in its partner, got "
                         f"{len(left)} in {first.name} and {len(right)} in {second.name}")
    for path, texts in ((first, left), (second, right)):
        for number, text in enumerate(texts, 1):
            if not tokens(text):
                raise ValueError(f"{path}:{number}: expected a sentence, got {text!r}")
    return list(zip(left, right))


def _pairs_a_line(path):
    """The first two of the columns of each line."""
    found = []
    for number, line in lines(path):
        columns = line.split("\t")
        if len(columns) < 2 or not all(map(tokens, columns[:2])):
            raise ValueError(f"{path}:{number}: expected `sentence <tab> translation`, got {line[:40]!r}")
        found.append((columns[0], columns[1]))
    if not found:
        raise ValueError(f"{path}: expected pairs of sentences, a line each, got none")
    return found


def split(sets):
    """(training, validation, testing) pairs. Testing is the sets `test...`, else `val...`, else one sentence in ten.

    One sentence in fifty of training is for validation. Whether one is held out depends on its text alone.
    """
    def held(text, parts, at):
        return crc32(" ".join(tokens(text)).encode()) % parts == at

    training = [pair for name, pairs in sets.items() if name.startswith(("train", "all")) for pair in pairs]
    testing = next((found for start in ("test", "val") if (found := [pair for name, pairs in sets.items()
                                                                     if name.startswith(start) for pair in pairs])), None)
    if testing is None:
        testing = [pair for pair in training if held(pair[0], 10, 0)]
        training = [pair for pair in training if not held(pair[0], 10, 0)]
    validation = [pair for pair in training if held(pair[0], 50, 1)]
    return [pair for pair in training if not held(pair[0], 50, 1)], validation, testing
