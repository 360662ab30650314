"""`pytest --device strict` runs the suite with every Tensor on the strict device (or `cuda`, with a GPU).

What a test makes a Tensor of is on that device then, and what it reads by `tensor.numpy()` is on the host.
A test that is about the host as such, or that chooses devices itself, bears the mark `host`: it would be the
same in every pass, so only the one without `--device` runs it.
"""

from functools import wraps

import numpy as np
import pytest

from tinyaug import arguments, autograd, backward, derivatives, ops, tensor
from tinyaug.arrays import to_device


def pytest_addoption(parser):
    parser.addoption("--device", choices=["cpu", "strict", "cuda"], default="cpu", help="where Tensors are")


def pytest_collection_modifyitems(config, items):
    """A pass on a device leaves out what would be the same again."""
    if config.getoption("--device") != "cpu":
        again = [item for item in items if item.get_closest_marker("host")]
        items[:] = [item for item in items if not item.get_closest_marker("host")]
        config.hook.pytest_deselected(items=again)


@pytest.fixture(scope="session")
def device(request):
    """The device of this pass: "cpu", "strict" or "cuda"."""
    return request.config.getoption("--device")


@pytest.fixture
def put(device):
    """Host array -> the same array on the device of this pass: for indices, masks and raw results."""
    return lambda array: to_device(np.asarray(array), device)


@pytest.fixture(autouse=True)
def tensors_on_the_device(request, device, monkeypatch):
    """Moves host arrays where they become Tensors, meet one in an op, index one, or are its cotangent."""
    if device == "cpu":
        return
    as_array, settle, first = tensor.as_array, arguments.settle, backward._first_cotangent

    def moved(x):
        return to_device(x, device) if isinstance(x, np.ndarray) else x

    def moved_index(x):
        if isinstance(x, tuple):
            return tuple(map(moved_index, x))
        return moved(np.asarray(x) if isinstance(x, list) else x)

    def settled(name, args, fixed):
        return settle(name, [moved(x) for x in args], fixed)

    def indexed(op):
        return wraps(op)(lambda x, index, **keywords: op(x, index=moved_index(index), **keywords))

    for module in (tensor, arguments, derivatives):
        monkeypatch.setattr(module, "as_array", lambda *args: moved(as_array(*args)))
    monkeypatch.setattr(autograd, "settle", settled)
    monkeypatch.setattr(backward, "_first_cotangent", lambda y, g, create: first(y, moved(g), create))
    for name in ("getitem", "scatter_add"):
        monkeypatch.setitem(autograd.OPS, name, indexed(autograd.OPS[name]))
        monkeypatch.setattr(ops, name, autograd.OPS[name])
