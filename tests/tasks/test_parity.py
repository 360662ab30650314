"""The parity task: what is measured, the curriculum, and the weights that are shipped."""

import numpy as np
import pytest

from tasks import parity as task
from tasks import pondering
from tests.tasks.pondering import Oracle, figures_are_there, run, small
from tinyaug import Tensor
from tinyaug.data.ponder import parity

pytestmark = pytest.mark.host            # the command line chooses the device itself


def test_a_level_is_the_most_elements_that_a_vector_has():
    """From 2 to 8; in practice two a step, where 4 steps are allowed for 8."""
    _, config = small("parity", "growing=10", "size=8", "batch=300", "practice=1000", "limit=4", "time_penalty=0.5")
    rng, seen = np.random.default_rng(1), set()
    for _ in range(60):
        inputs, targets, terms = task.batch(config, rng, 100)
        most = np.abs(inputs[0]).sum(axis=1).max()
        assert targets.shape == (1, 300, 1) and terms[0] == 0.5 and terms[2:].argmax() + 1 == np.ceil(most / 2)
        seen.add(int(most))
    assert seen == set(range(2, 9)) and np.abs(task.batch(config, rng, 1)[0]).sum(axis=-1).max() == 2


@pytest.mark.parametrize("model", task.MODELS)
def test_practice_ends_with_the_answer_and_learns_as_if_it_went_on(model):
    """The gradient of a practice of 3 steps of 8 is that of 8 steps with the answer due after the third."""
    net, config = small("parity", "size=6", "hidden=5", "batch=4", "limit=8", "growing=0", model=model)
    inputs, targets, terms = task.batch(config, np.random.default_rng(4), 1)
    assert len(terms) < 2 + 8 and terms[-1] == 1 and terms[1:-1].sum() == 0
    found = []
    for more in (0, 10 - len(terms)):
        for parameter in net.parameters():
            parameter.grad = None
        loss, _ = pondering.loss(net, Tensor(inputs), Tensor(targets), Tensor(np.pad(terms, (0, more))))
        loss.backward()
        slopes = [x.grad.numpy() for x in net.parameters() if x.grad is not None]
        found.append([loss.numpy(), *(slope for slope in slopes if slope.any())])
    assert len(found[0]) == len(found[1]) > 4
    for short, long in zip(*found):
        np.testing.assert_allclose(short, long, atol=1e-6)


def test_in_order_a_level_is_the_first_places():
    """At the second of three levels of a vector of 4 only the first 2 or 3 places are in use, and all of them come to be."""
    _, config = small("parity", "growing=10", "size=4", "batch=300", "practice=1000", "in_order=1")
    rng, seen = np.random.default_rng(1), set()
    for _ in range(20):
        inputs, targets, _ = task.batch(config, rng, 7)
        assert inputs.shape == (1, 300, 4)
        np.testing.assert_array_equal(targets[0, :, 0], (inputs[0] == 1).sum(axis=1) % 2)
        seen.add(tuple(np.abs(inputs[0]).max(axis=0).astype(int)))
    assert seen == {(1, 1, 0, 0), (1, 1, 1, 0)}


def test_measure_counts_mistakes_steps_and_their_correlation(monkeypatch):
    """Two wrong of 400, and as many steps as elements."""
    _, config = small("parity")
    inputs, targets = parity(np.random.default_rng(3), 400, config["size"], 1, 16)
    oracle = Oracle(targets, 2, wrong=[(0, 1, 0), (0, 7, 0)], steps=np.abs(inputs).sum(axis=-1))
    row = task.measure(oracle, config, np.random.default_rng(3), 1, 16, 400)
    assert row["error"] == pytest.approx(2 / 400) and row["correlation"] == pytest.approx(1)
    assert row["steps"] == pytest.approx(np.abs(inputs).sum() / 400)
    assert row["correlation_with_ones"] == pytest.approx(np.corrcoef(oracle.steps[0], (inputs[0] == 1).sum(axis=-1))[0, 1])
    noisy = Oracle(targets, 2, steps=np.abs(inputs).sum(axis=-1) + np.random.default_rng(1).normal(0, 5, (1, 400)))
    row = task.measure(noisy, config, np.random.default_rng(3), 1, 16, 400)
    assert row["correlation"] < 0.8 < 0.9 < row["correlation_of_means"]


def test_what_was_never_trained_is_measured_apart():
    net, config = small("parity", "size=4", "most=2", "hidden=4")
    found = task.evaluate(net, config, np.random.default_rng(0))
    assert {"error", "steps", "correlation", "correlation_of_means", "correlation_with_ones",
            "error_unseen"} == set(found["metrics"])
    assert [row["length"] for row in found["by_length"]] == [1, 2, 3, 4]
    assert np.abs(task.batch(config, np.random.default_rng(0), 10 ** 6)[0]).sum(axis=-1).max() == 2


@pytest.mark.slow
def test_it_learns_the_parity_of_three(tmp_path):
    """A vector of 3 in a few seconds, with ACT, by its command line; and the figures."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra `tasks`)")
    settings = [word for change in ("hidden=24", "growing=300", "limit=4", "validate_every=500", "rate=0.005",
                                    "practice=500", "size=3") for word in ("--set", change)]
    result, trace = run("parity", tmp_path / "run", "--steps", "2500", *settings)
    assert result["metrics"]["error"] < 0.02
    figures_are_there(tmp_path / "run", ["learning-curve", "one-input", "by-difficulty"])
    np.testing.assert_allclose(trace["weights"].sum(axis=1), 1, atol=1e-5)
