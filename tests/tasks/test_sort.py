"""The sort task: the curriculum, what is measured, and the weights that are shipped."""

import numpy as np
import pytest

from tasks import sort as task
from tests.tasks.pondering import Oracle, small
from tinyaug import Tensor

pytestmark = pytest.mark.host            # the command line chooses the device itself


def test_lengths_of_a_batch_grow():
    _, config = small("sort", "growing=100", "batch=5", "numbers=6")
    rng = np.random.default_rng(0)
    assert {len(task.batch(config, rng, 1)[0]) for _ in range(20)} == {4}
    assert {len(task.batch(config, rng, 10 ** 6)[0]) for _ in range(200)} == {4, 6, 8, 10, 12}


def test_measure_counts_sequences_places_and_steps():
    """Of 40 sequences of 3 numbers, two wrong places in one and one in another; one step to read, four to answer."""
    _, config = small("sort")
    _, targets = task.draw(config, np.random.default_rng(3), 40, 3)
    steps = np.where(np.arange(6)[:, None] < 3, 1.0, 4.0) + np.zeros((6, 40))
    oracle = Oracle(targets, config["numbers"], wrong=[(3, 1, 0), (5, 1, 0), (4, 7, 0)], steps=steps)
    row = task.measure(oracle, config, np.random.default_rng(3), 3, 40)
    assert row["error"] == pytest.approx(2 / 40) and row["place_error"] == pytest.approx(3 / 120)
    assert (row["steps_reading"], row["steps_answering"], row["steps"]) == (1, 4, 2.5)


def test_with_attention_all_numbers_are_there_from_the_start():
    """The answer to the first input changes with the last number, and with the place of a number."""
    net, config = small("sort", "numbers=4", "hidden=8", "limit=2", model="attention")
    inputs, targets, _ = task.batch(config, np.random.default_rng(0), 10 ** 6)
    assert len(inputs) == len(targets) and (targets >= 0).all()

    def first(inputs):
        return net.probabilities(net(Tensor(inputs))[0][0]).numpy()

    other, turned = inputs.copy(), inputs.copy()
    other[-1, :, 0] += 1
    turned[1:] = inputs[:0:-1]
    assert np.abs(first(other) - first(inputs)).max() > 1e-5 and np.abs(first(turned) - first(inputs)).max() > 1e-5
    row = task.measure(net, config, np.random.default_rng(0), 3, 20)
    assert row["steps_reading"] == 0 and row["steps"] == row["steps_answering"] == 2
