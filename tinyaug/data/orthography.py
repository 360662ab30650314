"""An invented spelling, with rules that look at their neighbours and a few words that follow none.

    c is S before e and i, else K     g is JH before e and i, else G     s is Z between vowels     n is NG before k and g
    ch sh th ng ea oo ai ou           two letters, one phone             ff ll mm ...              a doubled letter is one
    e at the end, after a vowel and a consonant, is silent and makes the vowel long: "nate" N EY T, "nat" N AE T

Phones have the names of the ARPAbet, as in the CMU dictionary. A tenth of all words is held out for testing.
"""

from zlib import crc32

from tinyaug.data.symbols import Pair

__all__ = ["EXCEPTIONS", "words", "pronounce", "held_out"]

VOWELS = "aeiou"
SHORT = dict(zip(VOWELS, ("AE", "EH", "IH", "AA", "AH")))
LONG = dict(zip(VOWELS, ("EY", "IY", "AY", "OW", "UW")))
PAIRS = {"ch": "CH", "sh": "SH", "th": "TH", "ng": "NG", "ea": "IY", "oo": "UW", "ai": "EY", "ou": "AW"}
SINGLE = {"b": "B", "d": "D", "f": "F", "h": "HH", "k": "K", "l": "L", "m": "M", "n": "N", "p": "P", "r": "R", "t": "T",
          "v": "V", "w": "W", "z": "Z"}
ONSETS = "b c ch d f g h k l m n p r s sh t th v w z br cl dr fl gr pl sk st tr".split()
NUCLEI = [*VOWELS * 3, "ea", "oo", "ai", "ou"]
CODAS = ["", "", "", *"bdgklmnprst", "ch", "ng", "nk", "sh", "th", "ff", "ll", "mm", "ss", "tt", "nd", "st"]
EXCEPTIONS = {               # spelled as if by the rules, spoken otherwise
    "colone": "K ER N AH L", "choir": "K W AY ER", "women": "W IH M AH N", "island": "AY L AH N D", "sew": "S OW",
    "one": "W AH N", "two": "T UW", "said": "S EH D", "have": "HH AE V", "come": "K AH M", "does": "D AH Z",
    "heart": "HH AA R T", "great": "G R EY T", "blood": "B L AH D", "police": "P AH L IY S", "ocean": "OW SH AH N",
    "iron": "AY ER N", "sugar": "SH UH G ER", "busi": "B IH Z IY", "giv": "G IH V"}


def held_out(word):
    """Is this word for testing only? A tenth of all words is; exceptions never are: there is no way to guess them."""
    return word not in EXCEPTIONS and crc32(word.encode()) % 10 == 0


def words(rng, n, testing=False):
    """n Pairs (letters, phones) of one to three syllables; one in twenty is an exception."""
    odd = list(EXCEPTIONS)
    drawn = [odd[rng.integers(len(odd))] if rng.random() < 0.05 else _regular(rng, testing) for _ in range(n)]
    return [Pair(word, *pronounce(word)) for word in drawn]


def _regular(rng, testing):
    """A word that follows the rules and is held out, or is not."""
    while True:
        word = "".join(_one(rng, ONSETS) + _one(rng, NUCLEI) + _one(rng, CODAS) for _ in range(rng.integers(1, 4)))
        word += "e" if word[-1] in "dklmnprst" and rng.random() < 0.4 else ""
        if held_out(word) == testing and word not in EXCEPTIONS:
            return word


def _one(rng, choices):
    return choices[rng.integers(len(choices))]


def pronounce(word):
    """The phones of a word, and for each the letters that it comes from; None for an exception, which no letter explains."""
    if word in EXCEPTIONS:
        phones = EXCEPTIONS[word].split()
        return phones, [None] * len(phones)
    phones, places, i = [], [], 0
    silent = _silent_e(word)
    while i < len(word) - silent:
        letters = word[i:i + 2]
        width = 2 if letters in PAIRS or len(set(letters)) == 1 and len(letters) == 2 and letters[0] not in VOWELS else 1
        phones.append(PAIRS[letters] if letters in PAIRS else _single(word, i, width, silent))
        places.append(set(range(i, i + width)))
        i += width
    return phones, places


def _silent_e(word):
    """1 where the word ends in a single vowel, one consonant and e."""
    return int(len(word) > 3 and word[-1] == "e" and word[-2] not in VOWELS and word[-3] in VOWELS
               and (word[-4:-2] not in PAIRS) and word[-3:-1] not in PAIRS)


def _single(word, i, width, silent):
    """The phone of one letter, or of a doubled one, by what stands around it."""
    letter, before, after = word[i], word[i - 1:i], word[i + width:i + width + 1]
    if letter in VOWELS:
        return (LONG if silent and i == len(word) - 3 else SHORT)[letter]
    if letter == "c":
        return "S" if after and after in "ei" else "K"
    if letter == "g":
        return "JH" if after and after in "ei" else "G"
    if letter == "s":
        return "Z" if width == 1 and before and after and before in VOWELS and after in VOWELS else "S"
    if letter == "n" and after and after in "kg":
        return "NG"
    return SINGLE[letter]
