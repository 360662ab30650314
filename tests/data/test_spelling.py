"""The invented spelling by its rules, and the reader of the CMU dictionary."""

import gzip
import lzma

import numpy as np
import pytest

from tinyaug.data import cmudict, orthography
from tinyaug.data.orthography import pronounce, words

pytestmark = pytest.mark.host


@pytest.mark.parametrize("word, phones", [
    ("nat", "N AE T"), ("nate", "N EY T"), ("cat", "K AE T"), ("cet", "S EH T"), ("gik", "JH IH K"), ("gok", "G AA K"),
    ("shingen", "SH IH NG EH N"), ("tank", "T AE NG K"), ("rasa", "R AE Z AE"), ("rassa", "R AE S AE"), ("thoot", "TH UW T"),
    ("chaid", "CH EY D"), ("deaf", "D IY F"), ("moul", "M AW L"), ("kisse", "K IH S EH"), ("boote", "B UW T EH"),
    ("island", "AY L AH N D"), ("rose", "R OW Z"), ("bance", "B AE N S EH")])
def test_words_are_spoken_by_the_rules(word, phones):
    assert " ".join(pronounce(word)[0]) == phones


def test_words_are_spelled_so_that_the_rules_can_read_them():
    rng = np.random.default_rng(0)
    training, testing = words(rng, 3000), words(rng, 500, testing=True)
    for pair in training + testing:
        cmudict.LETTERS.encode(pair.source), cmudict.PHONES.encode(pair.target)
        assert (pair.target, pair.places) == pronounce(pair.source)
        known = [i for where in pair.places if where for i in sorted(where)]
        assert not known or known == list(range(len(known)))            # every letter once, but a silent e
    for pairs in (training, testing):
        assert 0.02 < np.mean([pair.source in orthography.EXCEPTIONS for pair in pairs]) < 0.08
    assert not {p.source for p in training} & {p.source for p in testing} - orthography.EXCEPTIONS.keys()


def test_exceptions_are_exceptions():
    """By the rules they would be spoken otherwise."""
    for word, phones in orthography.EXCEPTIONS.items():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(orthography, "EXCEPTIONS", {})
            try:
                assert pronounce(word)[0] != phones.split(), word
            except KeyError:
                pass                                                    # letters that no rule reads


LINES = ";;; a comment\nread R EH1 D\nread(2) R IY1 D # at present\nit's IH1 T S\n42 F AO1 R T IY0\nco-op K OW1 AA2 P\n\n"


@pytest.mark.parametrize("suffix, opener", [("", open), (".gz", gzip.open), (".xz", lzma.open)])
def test_the_dictionary_is_read(tmp_path, suffix, opener):
    path = tmp_path / f"cmudict.dict{suffix}"
    with opener(path, "wt") as file:
        file.write(LINES)
    assert cmudict.read(path) == {"read": [("R", "EH", "D"), ("R", "IY", "D")], "it's": [("IH", "T", "S")]}


@pytest.mark.parametrize("content, says", [
    (b"read R EH1 D\nread\n", ":2: expected a word and its phones, got 'read'"),
    (b"read R EH1 Q\n", ":1: expected phones of the ARPAbet, got 'Q'"),
    (b"", ": expected entries of the CMU dictionary, got none"),
    (b"ok OW K\n\xff\xfe\n", ": expected UTF-8 text, plain, gzip or xz, got 'utf-8'"),
])
def test_a_file_that_is_no_dictionary_is_one_line(tmp_path, content, says):
    path = tmp_path / "cmudict.dict"
    path.write_bytes(content)
    with pytest.raises(ValueError) as error:
        cmudict.read(path)
    said = str(error.value)
    assert said.startswith(str(path)) and says.removeprefix(":") in said and "\n" not in said


def test_a_broken_archive_is_one_line(tmp_path):
    for suffix, opener in ((".gz", gzip.open), (".xz", lzma.open)):
        path = tmp_path / f"cmudict{suffix}"
        with opener(path, "wt") as file:
            file.write(LINES * 500)
        path.write_bytes(path.read_bytes()[:-20])
        with pytest.raises(ValueError, match="expected UTF-8 text, plain, gzip or xz, got"):
            cmudict.read(path)
