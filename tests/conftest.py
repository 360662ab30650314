"""`pytest --device strict` runs the suite with every Tensor on the strict device (or `cuda`, with a GPU).

What a test makes a Tensor of is then on that device; what it reads with `tensor.numpy()` or `item()` is on the host.
A test that is about the host as such bears the mark `host` and runs on it in every pass.
"""

import numpy as np
import pytest

from tinyaug import autograd
from tinyaug.arrays import to_device


def pytest_addoption(parser):
    parser.addoption("--device", choices=["cpu", "strict", "cuda"], default="cpu", help="where Tensors are")


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
    if device == "cpu" or request.node.get_closest_marker("host"):
        return
    as_array, settle, first = autograd._as_array, autograd._settle, autograd._first_cotangent

    def moved(x):
        return to_device(x, device) if isinstance(x, np.ndarray) else x

    def settled(name, args, arrays, fixed):
        args = [moved(x) for x in args]
        return settle(name, args, [moved(x) for x in arrays], fixed)

    monkeypatch.setattr(autograd, "_as_array", lambda data, dtype=None: moved(as_array(data, dtype)))
    monkeypatch.setattr(autograd, "_settle", settled)
    monkeypatch.setattr(autograd, "_first_cotangent", lambda y, g, create: first(y, moved(g), create))
