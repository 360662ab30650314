"""Sentences in two languages: words, vocabularies, both layouts, and files that do not fit together."""

import gzip
import lzma

import pytest

from tests.tasks.attending import data
from tinyaug.data import parallel

pytestmark = pytest.mark.host


@pytest.mark.parametrize("text, words", [
    ("L\u2019homme dort.", "l' homme dort ."), ("A well-known T-shirt!", "a well-known t-shirt !"), ("", ""),
    ('Un "grand" chien', 'un " grand " chien'), ("the man's 3.5", "the man' s 3 . 5")])
def test_words(text, words):
    assert parallel.tokens(text) == words.split()
    assert parallel.text_of(["l'", "homme", "dort", "."]) == "l'homme dort ."


def test_a_vocabulary_has_what_comes_twice_and_reads_the_rest_as_unknown():
    known = parallel.vocabulary([["a", "b", "c"], ["b", "a", "d"], ["b", "d", "e"]], 3)
    assert known.symbols == ["<unk>", "b", "a", "d"] and len(known) == 6
    assert known.encode(["b", "zebra", "a"]) == [3, 2, 4] and known.decode([3, 2, 1]) == ["b", "<unk>"]
    assert parallel.vocabulary([["a", "a", "b", "b"]], 1).symbols == ["<unk>", "a"]


def folder(path, **files):
    for name, text in files.items():
        name = name.replace("_", ".")
        opener = {"gz": gzip.open, "xz": lzma.open}.get(name.split(".")[-1], open)
        with opener(path / name, "wt", encoding="utf-8") as file:
            file.write(text)
    return path


def test_a_folder_of_two_languages(tmp_path):
    path = folder(tmp_path, train_en="A dog.\nA cat.\n", train_fr_gz="Un chien.\nUn chat.\n", val_en_xz="Hello\n",
                  val_fr="Salut\n", train_de="Ein Hund.\nEine Katze.\n", val_de="Hallo\n", test_2018_en="Bye.\n")
    assert parallel.read(path, "en", "fr") == {"train": [("A dog.", "Un chien."), ("A cat.", "Un chat.")],
                                               "val": [("Hello", "Salut")]}
    assert parallel.read(path, "fr", "de")["val"] == [("Salut", "Hallo")]


def test_a_file_of_pairs(tmp_path):
    path = folder(tmp_path, pairs_txt="Go.\tVa !\tCC-BY 2.0\nHi.\tSalut.\n") / "pairs.txt"
    assert parallel.read(path, "en", "fr") == {"all": [("Go.", "Va !"), ("Hi.", "Salut.")]}


@pytest.mark.parametrize("files, says", [
    (dict(train_en="a\nb\n", train_fr="c\n"), "train.en:2: expected as many lines as in its partner, got 2 in train.en"),
    (dict(train_en="a\nb\n", train_fr="c\n \n"), "train.fr:2: expected a sentence, got ' '"),
    (dict(train_en="a\n", val_fr="c\n"), "expected files set.en and set.fr, such as train.en.gz and train.fr.gz, got none"),
    (dict(train_fr="a\n"), "got none of the same name"),
])
def test_files_that_do_not_fit_together_are_named(tmp_path, files, says):
    with pytest.raises(ValueError) as error:
        parallel.read(folder(tmp_path, **files), "en", "fr")
    assert says in str(error.value) and "\n" not in str(error.value)


def test_a_line_that_is_no_pair_and_a_file_that_is_no_text_are_named(tmp_path):
    for text, says in ((b"Go.\tVa !\nalone\n", "pairs.txt:2: expected `sentence <tab> translation`, got 'alone'"),
                       (b"", "expected pairs of sentences, a line each, got none"),
                       (b"Go.\tVa\nHi.\t\xff\n", "expected UTF-8 text, plain, gzip or xz")):
        (tmp_path / "pairs.txt").write_bytes(text)
        with pytest.raises(ValueError) as error:
            parallel.read(tmp_path / "pairs.txt", "en", "fr")
        assert says in str(error.value)


def test_what_is_measured_is_never_trained():
    pairs = [(f"number {i} .", f"nombre {i} .") for i in range(2000)]
    training, validation, testing = parallel.split({"all": pairs + [("Number 7 .", "numero 7")]})
    assert 150 < len(testing) < 250 and 20 < len(validation) < 60 and len(training) + len(validation) + len(testing) == 2001
    sides = [{sentence.lower() for sentence, _ in some} for some in (training, validation, testing)]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
    named = parallel.split({"train": pairs, "val": pairs[:3], "test_2016": pairs[:2], "test_2017": pairs[2:3]})
    assert named[2] == pairs[:3] and len(named[0]) + len(named[1]) == 2000
    assert parallel.split({"val": pairs[:3]}) == ([], [], pairs[:3])


def test_the_public_sets_are_read():
    sets = parallel.read(data("multi30k"), "en", "de")
    assert {name: len(pairs) for name, pairs in sets.items()} == {"train": 29000, "val": 1014}
    assert len(parallel.read(data("tatoeba/eng-fra.txt.gz"), "en", "fr")["all"]) == 5000
