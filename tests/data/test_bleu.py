"""BLEU against cases that were computed by hand, and its words by the rules of mteval-v13a."""

import math

import pytest

from tinyaug.data.bleu import bleu, words_13a

pytestmark = pytest.mark.host


@pytest.mark.parametrize("text, words", [
    ("The cat, sat.", "The cat , sat ."), ("It's 3.5 or 1,000.", "It's 3.5 or 1,000 ."),
    ("a well-known 1990-x", "a well-known 1990 - x"),
    ('say &quot;a&quot; &amp; b/c', 'say " a " & b / c'), ("l'homme (vieux) !", "l'homme ( vieux ) !"), ("", ""),
    ("two\nlines-\njoined", "two linesjoined"), (".5", ". 5"), ("5.", "5 ."),
])
def test_words(text, words):
    assert words_13a(text) == words.split()


def test_a_perfect_translation_has_100_and_nothing_has_0():
    texts = ["a b c d e", "the man sleeps ."]
    assert bleu(texts, [[text] for text in texts]).score == pytest.approx(100)
    assert bleu(["x y z w"], [["a b c d"]]).score == bleu(["", ""], [["a"], ["b"]]).score == bleu([], []).score == 0


def test_by_hand():
    """the cat sat on mat, beside the cat sat on the mat: 5 of 5 words, 3 of 4 pairs, 2 of 3 triples, 1 of 2 quadruples, and
    one word short of six."""
    found = bleu(["the cat sat on mat"], [["the cat sat on the mat"]])
    assert found.precisions == pytest.approx((100, 75, 200 / 3, 50)) and (found.length, found.reference_length) == (5, 6)
    assert found.brevity == pytest.approx(math.exp(1 - 6 / 5))
    assert found.score == pytest.approx(100 * math.exp(-1 / 5) * (1 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25)


def test_a_word_counts_as_often_as_a_reference_has_it_and_the_nearest_length_counts():
    """Papineni's example: of the the the ... two of seven are right; of references of 7 and 6 words that of 7 is nearer."""
    found = bleu(["the the the the the the the"], [["the cat is on the mat now", "there is a cat on mat"]])
    assert found.precisions[0] == pytest.approx(200 / 7) and found.reference_length == 7
    assert bleu(["a b c d e"], [["a b c d", "a b c d e f"]]).reference_length == 4       # as near: the shorter one


def test_orders_without_a_match_count_as_half_and_a_quarter():
    found = bleu(["a b x c y d"], [["a b c d e f"]])
    assert found.precisions == pytest.approx((100 * 4 / 6, 100 / 5, 100 * 0.5 / 4, 100 * 0.25 / 3))
    assert bleu(["a b c"], [["a b c"]]).score == 0                                       # no quadruple in all


def test_case_counts_unless_it_is_lowered():
    assert bleu(["A b c d"], [["a b c d"]]).score < 80
    assert bleu(["A b c d"], [["a B c d"]], lower=True).score == pytest.approx(100)


def test_counts_are_of_the_whole_corpus_and_what_cannot_be_is_refused():
    together = bleu(["a b c d", "x"], [["a b c d"], ["y z"]])
    assert together.precisions[0] == pytest.approx(80) and together.reference_length == 6
    for references in ([["a"]], [["a"], []]):
        with pytest.raises(ValueError, match="bleu: got 2 texts and"):
            bleu(["a", "b"], references)


@pytest.mark.oracle
def test_against_sacrebleu():
    sacrebleu = pytest.importorskip("sacrebleu", reason="sacrebleu is not installed")
    right = ["Deux hommes sont dehors, pr\u00e8s de 3.5 buissons !", "Un \"petit\" chien (noir) court 1-2 fois.",
             "L'homme dort."]
    other = ["Deux gar\u00e7ons sont pr\u00e8s des buissons.", "Un chien noir court.", "Un homme dort ici."]
    for written in (other, ["deux hommes sont pr\u00e8s de 3 buissons", "Un chien court", ""], ["x", "y", "z"], right):
        for lower in (False, True):
            for streams in ([right], [right, other]):
                theirs = sacrebleu.corpus_bleu(written, streams, lowercase=lower)
                ours = bleu(written, [list(several) for several in zip(*streams)], lower)
                assert ours.score == pytest.approx(theirs.score, abs=1e-9) and ours.brevity == pytest.approx(theirs.bp)
