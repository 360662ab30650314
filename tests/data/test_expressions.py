"""Expressions: all of them, written so that Python reads them alike, and their numbers."""

import numpy as np
import pytest

from tinyaug.data import expressions

PLAIN = {"add": np.add, "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide, "maximum": np.maximum,
         "minimum": np.minimum}


def test_all_trees_are_there_once():
    """Catalan's number of shapes, times six operations at each inner node."""
    for count, shapes in ((1, 1), (2, 1), (3, 2), (4, 5)):
        trees = expressions.trees(count, PLAIN)
        assert len(trees) == len(set(trees)) == shapes * 6 ** (count - 1)


def test_no_two_are_written_alike_and_python_reads_them_as_meant():
    rng = np.random.default_rng(0)
    trees = [tree for count in (2, 3, 4) for tree in expressions.trees(count, PLAIN)]
    texts = [" ".join(expressions.write(tree)) for tree in trees]
    assert len(set(texts)) == len(texts)
    assert "x1 + x2 * x3" in texts and "( x1 + x2 ) * x3" in texts and "x1 - ( x2 - x3 )" in texts
    numbers = rng.uniform(1, 9, 4)
    names = {f"x{i + 1}": x for i, x in enumerate(numbers)} | {"maximum": max, "minimum": min}
    for tree, text in zip(trees, texts):
        assert eval(text, names) == expressions.evaluate(tree, numbers, PLAIN)


def test_encoding_ends_at_the_right_and_says_what_it_does_not_know():
    words = expressions.vocabulary(PLAIN, 4)
    found = expressions.encode([["x1", "+", "x2"], ["x1"]], words, 5)
    np.testing.assert_array_equal(found, [[0, 0, words["x1"], words["+"], words["x2"]], [0, 0, 0, 0, words["x1"]]])
    with pytest.raises(ValueError, match=r"expression: got '%' in 'x1 % x2', expected one of \( \) ,"):
        expressions.encode([["x1", "%", "x2"]], words, 5)
    with pytest.raises(ValueError, match="got 3 tokens in 'x1 \\+ x2', expected at most 2"):
        expressions.encode([["x1", "+", "x2"]], words, 2)


def test_numbers_have_both_signs_all_magnitudes_and_no_pole():
    rng = np.random.default_rng(1)
    tree = ("divide", 0, ("subtract", 1, 2))
    numbers, answers = expressions.draw(rng, [tree] * 20, PLAIN, numbers=3, draws=50, low=0.3, high=10)
    assert numbers.shape == (20, 50, 3) and answers.shape == (20, 50)
    sizes = np.abs(numbers)
    assert sizes.min() >= 0.3 and sizes.max() <= 10 and 0.4 < (numbers < 0).mean() < 0.6
    assert 0.4 < (sizes < 3 ** 0.5).mean() < 0.65                   # evenly in the logarithm, but for the poles
    np.testing.assert_allclose(answers, numbers[..., 0] / (numbers[..., 1] - numbers[..., 2]))
    divisors = np.abs(numbers[..., 1] - numbers[..., 2])
    assert divisors.min() > 0.05
