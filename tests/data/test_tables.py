"""Tables, questions and CSV files: the words mean what the answer says, and bad files are told by line and column."""

import numpy as np
import pytest

from tinyaug.data import tables


def test_questions_use_known_words_and_all_wordings():
    rng, words = np.random.default_rng(0), tables.vocabulary(3)
    seen = set()
    for _ in range(600):
        numbers, texts = tables.draw_table(rng, 10, 3, 10, 5)
        question = tables.ask(rng, numbers, texts, tables.TEMPLATES[rng.integers(len(tables.TEMPLATES))])
        assert set(question.words) <= set(words) and len(question.words) <= 24
        seen.add(" ".join(question.words))
    assert len(seen) > 300
    for phrase in (*tables.SUMS, *tables.COUNTS, *tables.LISTS, *tables.GREATER, *tables.LESSER, *tables.MATCHES):
        assert any(phrase in text for text in seen)


@pytest.mark.parametrize("words, template, wanted", [
    ("add up c1", ("none", "sum"), 6.0),
    ("count the rows where c2 exceeds n1", ("greater", "count"), 2.0),
    ("print c1 where c2 is below n1", ("lesser", "assign"), [(0, 0)]),
    ("add up c1 where c1 is greater than n1 and c2 is under n2", ("and", "sum"), 2.0),
    ("count the rows where c1 is less than n1 or c2 exceeds n2", ("or", "count"), 2.0),
    ("add up c2 where it says w", ("match", "sum"), 40.0),
    ("what is the sum of c2 minus its sum where c1 is more than n1", ("greater", "difference"), 10.0),
])
def test_answers_by_hand(words, template, wanted):
    numbers, texts = np.array([[1.0, 10], [2, 20], [3, 30]]), np.array(["a", "b", "a"])
    limits = {"count the rows where c2 exceeds n1": (15, 0), "print c1 where c2 is below n1": (15, 0),
              "add up c1 where c1 is greater than n1 and c2 is under n2": (1.5, 25),
              "count the rows where c1 is less than n1 or c2 exceeds n2": (1.5, 25)}.get(words, (1.5, 0))
    assert tables.answer(tables.Question(words.split(), limits, "a", template), numbers, texts) == wanted


def test_a_good_file(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text('name,price,"weight, kg"\n"Ann, Lee",1,2.5\nBob,"1,000",-3\n')
    names, numbers, others, texts = tables.read_csv(path)
    assert names == ["price", "weight, kg"] and others == ["name"] and texts == [["Ann, Lee"], ["Bob"]]
    np.testing.assert_array_equal(numbers, [[1, 2.5], [1000, -3]])


@pytest.mark.parametrize("text, says", [
    ("a,b\n1,2\n3\n", r"t.csv:3: expected 2 columns \(a, b\), got 1"),
    ("a,b\n1,2\n3,x\n5,6\n", r"t.csv:3: column b: expected a number, got 'x'"),
    ("a,b\n", r"t.csv:1: expected a line of column names and at least one row, got 1 lines"),
    ("", r"t.csv:1: expected a line of column names"),
])
def test_a_bad_file_is_told_by_line_and_column(text, says, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(text)
    with pytest.raises(tables.CSVError, match=says):
        tables.read_csv(path)


def test_a_file_in_another_encoding_is_told(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"a,b\n1,\xe4\n")
    with pytest.raises(tables.CSVError, match="expected UTF-8, got byte 0xe4 at 6"):
        tables.read_csv(path)
