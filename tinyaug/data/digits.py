"""Four things to do with a string of digits; the first symbol says which.

    c3142 -> 3142     r3142 -> 2413     s3142 -> 1234     +503+71 -> 223

In addition all numbers have their lowest digit first, as one writes them when adding by hand: 305 + 17 = 322.
"""

from tinyaug.data.symbols import Alphabet, Pair

__all__ = ["KINDS", "SOURCES", "TARGETS", "digits", "solve"]

KINDS = {"copy": "c", "reverse": "r", "sort": "s", "addition": "+"}
SOURCES, TARGETS = Alphabet("0123456789+crs"), Alphabet("0123456789")


def solve(kind, text):
    """The right answer: digits for copy, reverse and sort, `a+b` for addition."""
    if kind == "addition":
        return str(sum(int(number[::-1]) for number in text.split("+")))[::-1]
    return {"copy": text, "reverse": text[::-1], "sort": "".join(sorted(text))}[kind]


def digits(rng, n, kind, shortest, longest):
    """n Pairs; lengths of the digits drawn evenly. In addition each of the two numbers has a third as many digits, and
    at least one, all pairs of lengths equally often."""
    pairs = []
    for length in rng.integers(shortest, longest + 1, n):
        if kind == "addition":
            most, least = (max(1, size // 3) for size in (longest, shortest))
            numbers = [rng.integers(0, 10, size) for size in rng.integers(least, most + 1, 2)]
            text = "+".join("".join(map(str, number)) for number in numbers)
        else:
            text = "".join(map(str, rng.integers(0, 10, length)))
        pairs.append(Pair(KINDS[kind] + text, solve(kind, text), _places(kind, text)))
    return pairs


def _places(kind, text):
    """Where copy and reverse come from; for sort any place with that digit would do; addition is left out."""
    if kind == "copy":
        return [{1 + i} for i in range(len(text))]
    if kind == "reverse":
        return [{len(text) - i} for i in range(len(text))]
    if kind == "sort":
        return [{1 + i for i, c in enumerate(text) if c == digit} for digit in sorted(text)]
    return [None] * len(solve(kind, text))
