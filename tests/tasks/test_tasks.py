"""What every task keeps, by every model of it: a complete entry, and a step that waits for no device."""

import numpy as np
import pytest

from tasks.__main__ import listing, load, names
from tasks.runner import streams
from tinyaug import Tensor
from tinyaug.arrays import to_device
from tinyaug.strict import count_synchronisations

NEED_DATA = {("tables", "wiki")}        # a step of theirs is in tests/tasks/test_wiki.py, on a release
CASES = [(name, model) for name in names() for model in load(name).models if (name, model) not in NEED_DATA]


@pytest.mark.parametrize("name", names())
def test_an_entry_is_complete(name):
    task = load(name)
    assert task.name == name
    told = listing([task])
    for text in (task.title, task.paper, task.measures, f"{task.minutes:g} min", *task.models):
        assert text and text in told
    for model, recipe in task.models.items():
        assert {"steps", "batch", "validate_every"} <= set(recipe)
        assert task.settings(model, [])


def first_step(name, model, device, data=None):
    """(loss, gradients, how often the host waited) of the first step with one sequence, all on the host."""
    task = load(name)
    config = {"task": name, "model": model, "seed": 1, "data": data, **task.settings(model, ["batch=1"])}
    config |= task.keeps(config)
    rngs = streams(1)
    net = task.build(config, rngs["build"])
    net = net if device == "cpu" else net.to(device)
    batch = [Tensor(to_device(array, device)) for array in task.batch(config, rngs["data"], 1)]
    with count_synchronisations() as waits:
        loss, logged = task.loss(net, *batch)
        loss.backward()
    assert all(value.shape == () for value in logged.values())
    gradients = {key: parameter.grad.numpy() for key, parameter in net.named_parameters() if parameter.grad is not None}
    return loss.numpy(), gradients, waits.count


@pytest.mark.host
@pytest.mark.parametrize("name, model", CASES)
def test_a_step_is_the_same_on_the_strict_device_and_waits_for_nothing(name, model):
    loss, gradients, _ = first_step(name, model, "cpu")
    again, same, waits = first_step(name, model, "strict")
    assert waits == 0
    assert np.isfinite(loss) and loss.tobytes() == again.tobytes()
    assert gradients.keys() == same.keys()
    for key, gradient in gradients.items():
        assert gradient.tobytes() == same[key].tobytes(), key
