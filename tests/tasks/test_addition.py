"""The addition task: the curriculum, what is measured, and the weights that are shipped."""

import numpy as np
import pytest

from tasks import addition as task
from tests.tasks.pondering import Oracle, small

pytestmark = pytest.mark.host            # the command line chooses the device itself


def test_digits_and_lengths_of_a_batch():
    """From one digit to all, as wide as with all; every length equally often; empty places say so."""
    _, config = small("addition", "growing=10", "batch=50", "digits=3", "numbers=4")
    rng = np.random.default_rng(0)
    shapes = [task.batch(config, rng, 99)[0].shape for _ in range(90)]
    assert set(shapes) == {(n, 50, 30) for n in (2, 3, 4)} and min(shapes.count(shape) for shape in set(shapes)) > 15
    most = [max(task.digits_of(task.batch(config, rng, i)[0]).max() for _ in range(30)) for i in (1, 5, 10)]
    assert most == [1, 2, 3]
    inputs, targets = task.draw(config, rng, 50, 2, 1)
    assert targets.shape == (2, 50, 4) and (targets[1, :, 2:] == 10).all() and (targets[0] == -1).all()


def test_measure_counts_sequences_digits_and_steps():
    """Of 40 sequences, two wrong digits in one and one in another; the steps at the first number do not count."""
    _, config = small("addition")
    inputs, targets = task.draw(config, np.random.default_rng(3), 40, 3, 3)
    oracle = Oracle(targets, 11, wrong=[(1, 1, 0), (2, 1, 3), (1, 7, 0)], steps=task.digits_of(inputs) + 50 *
                    (np.arange(3)[:, None] == 0))
    row = task.measure(oracle, config, np.random.default_rng(3), 3, 40)
    assert row["error"] == pytest.approx(2 / 40) and row["digit_error"] == pytest.approx(3 / (40 * 2 * 4))
    assert row["correlation"] == pytest.approx(1) and row["steps"] == pytest.approx(task.digits_of(inputs[1:]).mean())
    assert [row[f"steps_last_{n}"] for n in (1, 2, 3)] == [1, 2, 3] and row["steps_first"] > 50


def test_carries():
    """95 + 7: two; 102 + 98: two; 200 + 5: none."""
    numbers = [[5, 9], [7], [8, 9], [5]]
    inputs = np.zeros((4, 1, 30))
    for t, digits in enumerate(numbers):
        for place, digit in enumerate(digits):
            inputs[t, 0, 10 * place + digit] = 1
    assert task.carries_of(inputs)[:, 0].tolist() == [0, 2, 2, 0]
