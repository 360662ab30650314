"""Every op of the registry gives on a device what it gives on the host: values and gradients, in float32."""

import numpy as np
import pytest

from tests.test_ops import CASES, examples, outputs, raw
from tinyaug import OPS, Tensor
from tinyaug.arrays import to_device, to_host
from tinyaug.derivatives import gradients

pytestmark = pytest.mark.host            # the device is chosen here


def moved(x, device):
    """x with all its arrays on the device: indices are tuples of them."""
    if isinstance(x, tuple):
        return tuple(moved(part, device) for part in x)
    return to_device(x, device) if isinstance(x, np.ndarray) else x


def run(name, i, device):
    """Outputs of an example and the gradients of its floats, on the host."""
    arrays, keywords = examples(name)[i]
    inputs = [x if type(x) in (int, float) else moved(np.asarray(x), device) for x in arrays]
    inputs = [Tensor(x, True) if np.ndim(a) and np.asarray(a).dtype.kind == "f" and j not in OPS[name].constant else x
              for j, (x, a) in enumerate(zip(inputs, arrays))]
    results = outputs(raw(name)(*inputs, **{key: moved(value, device) for key, value in keywords.items()}))
    found = [y.numpy() for y in results]
    leaves = [x for x in inputs if isinstance(x, Tensor)]
    rng = np.random.default_rng(3)
    for y in results:
        if y.requires_grad:
            g = to_device(rng.normal(size=y.shape).astype(np.float32), device)
            found += [to_host(dx.data) for dx in gradients(y, leaves, g, retain_graph=True)]
    return found


@pytest.mark.parametrize("name, i", CASES)
def test_the_strict_device_gives_the_same_bits(name, i):
    for ours, theirs in zip(run(name, i, "cpu"), run(name, i, "strict"), strict=True):
        assert (ours.dtype, ours.shape, ours.tobytes()) == (theirs.dtype, theirs.shape, theirs.tobytes())


@pytest.mark.gpu
@pytest.mark.parametrize("name, i", CASES)
def test_a_gpu_gives_the_same_up_to_rounding(name, i):
    try:
        to_device(np.zeros(1), "cuda")
    except RuntimeError as error:
        pytest.skip(str(error))
    for ours, theirs in zip(run(name, i, "cpu"), run(name, i, "cuda"), strict=True):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-5)


def test_two_numbers_chosen_by_a_mask_go_where_the_mask_is():
    y = OPS["where"](Tensor([True, False]).to("strict"), 1.0, -2.0)
    assert y.device == "strict" and y.dtype == np.float32 and y.numpy().tolist() == [1.0, -2.0]
