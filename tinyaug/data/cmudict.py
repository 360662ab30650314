"""The CMU pronouncing dictionary: words and their phones.

A line is `word PH PH ...`; `word(2)` is another pronunciation of it, what follows # is a comment, and so is a line
that begins with ;;;. Plain, gzip or xz. Stress (the digit of a vowel) is left out, and so are words that have more than
letters and apostrophes.
"""

import re
from zlib import crc32

from tinyaug.data.files import lines
from tinyaug.data.symbols import Alphabet

__all__ = ["LETTERS", "PHONES", "read", "held_out"]

LETTERS = Alphabet("abcdefghijklmnopqrstuvwxyz'")
PHONES = Alphabet(("AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z "
                   "ZH").split())
ENTRY = re.compile(r"([^\s(]+)(?:\((\d+)\))?\s+(.+)")


def held_out(word):
    """Is this word for testing only? One in twenty is, by its letters alone, so in every copy of the file the same."""
    return crc32(word.encode()) % 20 == 0


def read(path):
    """{word: [pronunciation, ...]}, each a tuple of phones, in the order of the file.

    raises: ValueError `file:line: expected ..., got ...` for a line that is no entry, an unknown phone, or no text
    """
    found = {}
    for number, line in lines(path):
        line = line.partition("#")[0].strip()
        if not line or line.startswith(";;;"):
            continue
        match = ENTRY.fullmatch(line)
        if not match:
            raise ValueError(f"{path}:{number}: expected a word and its phones, got {line[:40]!r}")
        word, phones = match[1].lower(), tuple(phone.rstrip("012") for phone in match[3].split())
        for phone in phones:
            if phone not in PHONES.index:
                raise ValueError(f"{path}:{number}: expected phones of the ARPAbet, got {phone!r}")
        if set(word) <= LETTERS.index.keys() and phones not in found.setdefault(word, []):
            found[word].append(phones)
    if not found:
        raise ValueError(f"{path}: expected entries of the CMU dictionary, got none")
    return found
