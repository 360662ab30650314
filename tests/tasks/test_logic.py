"""The logic task: the curriculum, what is measured, and the weights that are shipped."""

import numpy as np
import pytest

from tasks import logic as task
from tests.tasks.pondering import Oracle, small

pytestmark = pytest.mark.host            # the command line chooses the device itself


def test_gates_and_lengths_of_a_batch():
    """From one gate to all, every length equally often."""
    _, config = small("logic", "growing=10", "batch=50", "gates=4", "train_length=3")
    rng = np.random.default_rng(0)
    shapes = [task.batch(config, rng, 99)[0].shape for _ in range(90)]
    assert set(shapes) == {(n, 50, 42) for n in (1, 2, 3)} and min(shapes.count(shape) for shape in set(shapes)) > 15
    most = [max(task.gates_of(task.batch(config, rng, i)[0]).max() for _ in range(30)) for i in (1, 5, 10)]
    assert most == [1, 2, 4]


def test_measure_counts_sequences_answers_and_steps(monkeypatch):
    """Of 40 sequences of 3 inputs, two mistakes in one and one in another; as many steps as gates."""
    _, config = small("logic", "gates=4")
    inputs, targets = task.draw(config, np.random.default_rng(3), 40, 3, 4)
    oracle = Oracle(targets, 2, wrong=[(0, 1, 0), (2, 1, 0), (1, 7, 0)], steps=task.gates_of(inputs))
    row = task.measure(oracle, config, np.random.default_rng(3), 3, 40)
    assert row["error"] == pytest.approx(2 / 40) and row["answer_error"] == pytest.approx(3 / 120)
    assert row["correlation"] == pytest.approx(1) and row["steps"] == pytest.approx(task.gates_of(inputs).mean())
