"""BLEU (Papineni et al. 2002) as the standard tool computes it: sacreBLEU's default, whose signature is
`nrefs:N|case:mixed|eff:no|tok:13a|smooth:exp` (Post 2018). `lower=True` is its `-lc`."""

import math
import re
from collections import Counter
from typing import NamedTuple

__all__ = ["Bleu", "bleu", "words_13a"]

ORDERS = 4
ESCAPED = {"&quot;": '"', "&amp;": "&", "&lt;": "<", "&gt;": ">"}
SPLITS = [
    (re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), r" \1 "),       # every mark but ' , - .
    (re.compile(r"([^0-9])([\.,])"), r"\1 \2 "),                    # a point or comma, unless a digit stands before it
    (re.compile(r"([\.,])([^0-9])"), r" \1 \2"),                    # ... or behind it
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),                         # a dash behind a digit
]


class Bleu(NamedTuple):
    """A score of 0 .. 100 and what it is made of."""

    score: float
    precisions: tuple               # of n-grams, n = 1 .. 4, in per cent, smoothed
    brevity: float                  # the factor for being too short
    length: int                     # words written
    reference_length: int


def words_13a(text):
    """The words of a line as NIST's mteval-v13a.pl splits it."""
    text = text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for escaped, mark in ESCAPED.items():
        text = text.replace(escaped, mark)
    text = f" {text} "
    for pattern, replacement in SPLITS:
        text = pattern.sub(replacement, text)
    return text.split()


def _grams(words):
    return Counter(tuple(words[i:i + n]) for n in range(1, ORDERS + 1) for i in range(len(words) - n + 1))


def bleu(written, references, lower=False):
    """Of all sentences together.

        BLEU = brevity exp(sum_n log p_n / 4),  brevity = min(1, exp(1 - r / c))        Papineni 2002, section 2.3

    written: texts; references: for each of them its translations, at least one
    An order without a match counts as half a match, the next one without as a quarter, and so on ("exp").
    raises: ValueError where the two differ in number, or a sentence has no reference
    """
    if len(written) != len(references) or not all(references):
        raise ValueError(f"bleu: got {len(written)} texts and {len(references)} lists of references, expected as many and "
                         f"none empty")
    matches, totals, length, reference_length = [0] * ORDERS, [0] * ORDERS, 0, 0
    for text, several in zip(written, references):
        words, *others = (words_13a(x.lower() if lower else x) for x in (text, *several))
        allowed = Counter()
        for other in others:
            allowed |= _grams(other)                                # the largest count among the references
        for gram, count in _grams(words).items():
            totals[len(gram) - 1] += count
            matches[len(gram) - 1] += min(count, allowed[gram])
        length += len(words)
        reference_length += min((abs(len(other) - len(words)), len(other)) for other in others)[1]
    brevity = 1.0 if length >= reference_length else math.exp(1 - reference_length / length) if length else 0.0
    precisions, half = [0.0] * ORDERS, 1.0
    for n in range(ORDERS):
        if totals[n]:
            half = half if matches[n] else half / 2
            precisions[n] = 100 * (matches[n] or half) / totals[n]
    if not any(matches) or not all(precisions):
        return Bleu(0.0, tuple(precisions), brevity, length, reference_length)
    score = brevity * math.exp(sum(map(math.log, precisions)) / ORDERS)
    return Bleu(score, tuple(precisions), brevity, length, reference_length)
