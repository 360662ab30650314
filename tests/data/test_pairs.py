"""What is read and what is to be written: dates, numerals, digit strings, and how they become arrays."""

from datetime import date

import numpy as np
import pytest

from tinyaug.data import dates as date_data
from tinyaug.data.dates import SOURCES, TARGETS, dates, held_out, numerals, words_of
from tinyaug.data.digits import KINDS, digits, solve
from tinyaug.data.digits import SOURCES as DIGIT_SOURCES
from tinyaug.data.symbols import PADDING, STOP, Alphabet, batch_of, pad

pytestmark = pytest.mark.host


def test_an_alphabet_goes_both_ways_and_names_what_it_does_not_know():
    letters = Alphabet("abc")
    assert len(letters) == 5 and letters.encode("cab") == [4, 2, 3]
    assert letters.decode([4, 2, STOP, 3, PADDING]) == ["c", "a", "b"]
    with pytest.raises(ValueError, match="got 'x', expected one of a b c"):
        letters.encode("ax")


def test_a_batch_is_padded_to_few_shapes():
    source, shifted, targets = batch_of([[2, 3, 4], [5]], [[6, 7], [8, 9, 2]], (4, 3))
    np.testing.assert_array_equal(source, [[2, 3, 4, 0], [5, 0, 0, 0]])
    np.testing.assert_array_equal(shifted, [[1, 6, 7, 0, 0, 0], [1, 8, 9, 2, 0, 0]])
    np.testing.assert_array_equal(targets, [[6, 7, 1, 0, 0, 0], [8, 9, 2, 1, 0, 0]])
    with pytest.raises(ValueError, match="pad: got a sequence of 3, expected at most 2"):
        pad([[1, 2, 3]], 2)


def test_dates_say_what_they_mean_in_every_format():
    """Read back by hand-written rules: the year, the day and the month are found in the text, at the places given."""
    pairs = dates(np.random.default_rng(0), 2000)
    forms = set()
    for pair in pairs:
        day = date.fromisoformat(pair.target)
        year, month, number = ("".join(pair.source[i] for i in sorted(pair.places[t])) for t in (0, 6, 9))
        whole = "".join(pair.source[i] for t in range(4) for i in pair.places[t])
        assert whole == f"{day.year}" and year == whole[0]
        assert month.lstrip("0") in (f"{day.month}", date_data.MONTHS[day.month - 1], date_data.MONTHS[day.month - 1][:3])
        assert number.lstrip("0").rstrip("stndrh") == str(day.day)
        zeros = [t for t in (5, 8) if pair.target[t] == "0"]
        assert [t for t, where in enumerate(pair.places) if where is None] == sorted([4, 7, *zeros])
        for name in date_data.DAYS:
            assert name not in pair.source or name == date_data.DAYS[day.weekday()]
        forms.add("".join("9" if c.isdigit() else "a" if c.isalpha() else c for c in pair.source))
        SOURCES.encode(pair.source), TARGETS.encode(pair.target)
    assert len(forms) > 40 and {"1st", "2nd", "3rd", "11th", "12th", "21st"} <= {
        word.strip(",") for pair in pairs for word in pair.source.split()}


@pytest.mark.parametrize("number, words", [
    (0, "zero"), (7, "seven"), (13, "thirteen"), (40, "forty"), (99, "ninety nine"), (100, "one hundred"),
    (715, "seven hundred fifteen"), (3000, "three thousand"), (4017, "four thousand seventeen"),
    (12_000, "twelve thousand"), (100_001, "one hundred thousand one"),
    (999_999, "nine hundred ninety nine thousand nine hundred ninety nine")])
def test_numbers_have_their_english_names(number, words):
    assert " ".join(words_of(number)) == words


def test_every_number_has_a_name_of_its_own_and_places_that_hold_its_digits():
    assert len({tuple(words_of(n)) for n in range(0, 1_000_000, 37)}) == len(range(0, 1_000_000, 37))
    for pair in numerals(np.random.default_rng(1), 500):
        for word, where in zip(pair.target, pair.places):
            assert (where is None) == (word in ("hundred", "thousand"))
            if where:
                read = int("".join(pair.source[i] for i in sorted(where)))
                assert word == (date_data.ONES[read] if word in date_data.ONES else date_data.TENS[read - 2])


@pytest.mark.parametrize("draw", [dates, numerals])
def test_what_is_held_out_is_never_drawn_for_training(draw):
    def number(pair):
        return (date.fromisoformat(pair.target) - date_data.FIRST).days if draw is dates else int(pair.source)

    rng = np.random.default_rng(2)
    training = [number(pair) for pair in draw(rng, 3000)]
    testing = [number(pair) for pair in draw(rng, 300, testing=True)]
    assert all(held_out(n) for n in testing) and not set(training) & set(testing)
    assert not any(held_out(n) for n in training if draw is dates or n > 99)
    assert 0.09 < np.mean([held_out(n) for n in range(50_000)]) < 0.11


@pytest.mark.parametrize("kind, text, answer", [
    ("copy", "3142", "3142"), ("reverse", "3142", "2413"), ("sort", "3142", "1234"), ("addition", "503+71", "223"),
    ("addition", "99+1", "001"), ("addition", "00+0", "0")])
def test_what_is_to_be_done_with_digits(kind, text, answer):
    assert solve(kind, text) == answer


def test_digit_strings_are_solved_and_their_places_hold_the_symbol():
    rng = np.random.default_rng(3)
    for kind in KINDS:
        lengths = set()
        for pair in digits(rng, 400, kind, 1, 10):
            assert pair.source[0] == KINDS[kind] and pair.target == solve(kind, pair.source[1:])
            assert len(pair.places) == len(pair.target)
            assert all(where is None or all(pair.source[i] == symbol for i in where)
                       for symbol, where in zip(pair.target, pair.places))
            lengths.add(sum(map(str.isdigit, pair.source)))
            DIGIT_SOURCES.encode(pair.source)
        assert (min(lengths), max(lengths)) == ((2, 6) if kind == "addition" else (1, 10))
