"""WikiTableQuestions (Pasupat and Liang 2015): the release's questions, tables, and how an answer is judged.

The release is a folder, WikiTableQuestions, or an archive of it (.tar, .tar.gz, .tar.xz), which is read as it is; or a
folder with that archive, and perhaps other splits (.tsv.gz) beside it.
"""

import csv
import gzip
import io
import re
import tarfile
import unicodedata
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

ESCAPES = {r"\n": "\n", r"\p": "|", r"\\": "\\"}
FIELDS = ("id", "utterance", "context", "targetValue")


class ReleaseError(ValueError):
    """A release that cannot be read: file and line, what was expected and what stands there."""


class Asked(NamedTuple):
    """A question of the release: its id, text, the name of its table, and the answer as a list of texts.

    canon: the answer with numbers and dates in plain form, where the release has its tagged files; else None
    """

    id: str
    text: str
    table: str
    answer: list
    canon: list | None = None


class Wiki(NamedTuple):
    """A table: names of the columns, rows of texts."""

    names: list
    rows: list


class Release:
    """The files of a release. raises: ReleaseError for what is not one"""

    def __init__(self, path):
        self.path, self.files = Path(path), None
        inside = sorted(self.path.glob("*.tar*")) if self.path.is_dir() else [self.path]
        roots = [root for root in (self.path, self.path / "WikiTableQuestions") if (root / "data").is_dir()]
        if not roots and inside:
            self.files = _unpack(inside[0])
            roots = [name.removesuffix("data/training.tsv") for name in self.files if name.endswith("data/training.tsv")]
        self.root = roots[0] if roots else None
        if self.root is None:
            raise ReleaseError(f"{path}: expected a release of WikiTableQuestions, with data/training.tsv, got none")

    def read(self, name):
        """The bytes of a file; None where there is no such file."""
        beside = self.path / f"{Path(name).name}.gz"
        if self.files is None:
            path = self.root / name
            return path.read_bytes() if path.is_file() else None
        if f"{self.root}{name}" not in self.files and beside.is_file():
            return gzip.decompress(beside.read_bytes())
        return self.files.get(f"{self.root}{name}")

    def text(self, name):
        """A file of the release as text."""
        try:
            return self.read(name).decode("utf-8")
        except AttributeError:
            raise ReleaseError(f"{self.path}: got no {name}, expected it in a release") from None
        except UnicodeDecodeError as error:
            raise ReleaseError(f"{self.path}: {name}: expected UTF-8, got byte {error.object[error.start]:#04x} at "
                               f"{error.start}") from None

    def questions(self, split):
        """The questions of a split: training, random-split-1-train, random-split-1-dev, pristine-unseen-tables ..."""
        canon, name = self.canon(split), f"data/{split}.tsv"
        lines = self.text(name).split("\n")
        if lines[0].split("\t")[:4] != list(FIELDS):
            raise ReleaseError(f"{name}:1: expected {' '.join(FIELDS)} between tabs, got {lines[0][:60]!r}")
        found = []
        for line, text in enumerate(lines[1:], 2):
            parts = text.split("\t")
            if text and len(parts) != len(lines[0].split("\t")):
                raise ReleaseError(f"{name}:{line}: expected {len(FIELDS)} fields between tabs, got {len(parts)}")
            if text:
                found.append(Asked(parts[0], unescape(parts[1]), parts[2], _list(parts[3]), canon.get(parts[0])))
        return found

    def canon(self, split):
        """{id: answer in plain form} of the tagged file of a split; empty where the release was got without."""
        if self.read(f"tagged/data/{split}.tagged") is None:
            return {}
        head, *lines = [line.split("\t") for line in self.text(f"tagged/data/{split}.tagged").split("\n") if line]
        return {row["id"]: _list(row["targetCanon"]) for row in (dict(zip(head, line)) for line in lines)}

    def table(self, name):
        """The table of a file, such as csv/204-csv/590.csv."""
        rows = list(csv.reader(io.StringIO(self.text(name), newline=""), doublequote=False, escapechar="\\"))
        if len(rows) < 2:
            raise ReleaseError(f"{name}:1: expected a line of column names and at least one row, got {len(rows)} lines")
        for line, row in enumerate(rows, 1):
            if len(row) != len(rows[0]):
                raise ReleaseError(f"{name}: row {line}: expected {len(rows[0])} columns, got {len(row)}")
        return Wiki(rows[0], rows[1:])


def _unpack(path):
    """{name: bytes} of the files of an archive."""
    try:
        with tarfile.open(path) as archive:
            return {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ReleaseError(f"{path}: expected a folder or an archive (.tar, .tar.gz, .tar.xz), got {error}") from None


def _list(text):
    """A field that is a list."""
    return [unescape(part) for part in text.split("|")]


def unescape(text):
    r"""The text of a field: \n, \p and \\ are a newline, a | and a backslash."""
    return re.sub(r"\\[np\\]", lambda found: ESCAPES[found[0]], text)


@lru_cache(maxsize=1 << 17)
def normalise(text):
    """A text as the official evaluator compares it, version 1.0.2.

    No diacritics; plain quotes and dashes; no citations, signs of footnotes or words in parentheses at the end; no quotes
    around it; no final period; small letters; single blanks.
    """
    text = "".join(c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c) != "Mn")
    for pattern, plain in (("[\u2018\u2019\u00b4`]", "'"), ("[\u201c\u201d]", '"'), ("[\u2010-\u2014\u2212]", "-")):
        text = re.sub(pattern, plain, text)
    before = None
    while text != before:
        before = text
        text = re.sub(r"((?<!^)\[[^\]]*\]|\[\d+\]|[\u2022\u2666\u2020\u2021*#+])*$", "", text.strip())
        text = re.sub(r"(?<!^)( \([^)]*\))*$", "", text.strip())
        text = re.sub(r'^"([^"]*)"$', r"\1", text.strip())
    return " ".join(text.removesuffix(".").lower().split())


def number(text):
    """A text as a number, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def date(text):
    """yyyy-mm-dd with xx for what is not said, as (year, month, day) with None for that; or None."""
    found = re.fullmatch(r"(x{2,4}|-?\d+)-(xx|\d{1,2})-(xx|\d{1,2})", text.lower())
    if not found:
        return None
    year, month, day = (None if part.startswith("x") else int(part) for part in found.groups())
    good = (month is None or 1 <= month <= 12) and (day is None or 1 <= day <= 31) and (year, month, day) != (None,) * 3
    return (year, month, day) if good else None


@lru_cache(maxsize=1 << 17)
def value(text):
    """What the evaluator takes a text for: ("number", x), ("date", (year, month, day)) or ("text", normalised)."""
    if (amount := number(text)) is not None:
        return "number", amount
    if (day := date(text)) is not None:
        return ("number", float(day[0])) if day[1:] == (None, None) else ("date", day)
    return "text", normalise(text)


def matches(target, predicted, canon=None):
    """Is an answer right? Both are lists of texts; as many different values, and each of the target's among the predicted.

    canon: the target in plain form, of the release's tagged files; without, it is the texts, 1,200 being 1200
    """
    canon = canon or [re.sub(r"(?<=\d),(?=\d{3})", "", text) for text in target]
    wanted = {value(plain): normalise(text) for text, plain in zip(target, canon)}
    found = {value(text): normalise(text) for text in predicted}

    def alike(one, other):
        if one[0] == other[0] == "number":
            return abs(one[1] - other[1]) < 1e-6
        return one == other

    return len(wanted) == len(found) and all(
        any(alike(key, other) or text == said for other, said in found.items()) for key, text in wanted.items())
