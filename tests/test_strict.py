"""The strict device refuses what CuPy refuses or punishes, counts the waits, and computes as NumPy does.

"difference" below is the page "Differences between CuPy and NumPy" of CuPy's user guide.
"""

import copy
import operator

import numpy as np
import pytest

from tinyaug import arrays
from tinyaug.strict import StrictArray, count_synchronisations
from tinyaug.strict import strict as xp

HOST = np.arange(6.0).reshape(2, 3)


def device(values=HOST):
    return arrays.to_device(np.asarray(values), "strict")


def add_in_place(host, dev):
    host += dev


def assign(dev, index, value):
    dev[index] = value


REFUSED = [
    # CuPy's ndarray.__array__: "Implicit conversion to a NumPy array is not allowed"
    ("asarray(device)", TypeError, lambda d, h: np.asarray(d)),
    ("array(device)", TypeError, lambda d, h: np.array([d, d])),
    # CuPy: "Unsupported type"; difference, "Universal Functions only work with CuPy array or scalar"
    ("device + host", TypeError, lambda d, h: d + h),
    ("host + device", TypeError, lambda d, h: h + d),
    ("host @ device", TypeError, lambda d, h: h.T @ d),
    ("device == host", TypeError, lambda d, h: d == h),
    ("device + list", TypeError, lambda d, h: d + [1, 2, 3]),
    ("host += device", TypeError, lambda d, h: add_in_place(h, d)),
    ("device += host", TypeError, lambda d, h: add_in_place(d, h)),
    ("numpy.add(device, host)", TypeError, lambda d, h: np.add(d, h)),
    ("numpy.add(host, 1, out=device)", TypeError, lambda d, h: np.add(h, 1, out=d)),
    ("numpy.sum(device)", TypeError, lambda d, h: np.sum(d)),
    ("numpy.concatenate([device, host])", TypeError, lambda d, h: np.concatenate([d, h])),
    ("exp(host)", TypeError, lambda d, h: xp.exp(h)),
    ("sum(host)", TypeError, lambda d, h: xp.sum(h)),
    ("matmul(device, host)", TypeError, lambda d, h: xp.matmul(d, h.T)),
    ("einsum(device, host)", TypeError, lambda d, h: xp.einsum("ij,ij->i", d, h)),
    ("add(device, list)", TypeError, lambda d, h: xp.add(d, [1, 2, 3])),
    ("add(device, 1, out=host)", TypeError, lambda d, h: xp.add(d, 1, out=h)),
    # CuPy's where calls condition.astype and an elementwise kernel
    ("where(host mask)", TypeError, lambda d, h: xp.where(h > 0, d, d)),
    ("where(number)", TypeError, lambda d, h: xp.where(True, d, d)),
    ("where(device mask, host)", TypeError, lambda d, h: xp.where(d > 0, d, h)),
    # CuPy: "Only cupy arrays can be concatenated"
    ("concatenate([device, host])", TypeError, lambda d, h: xp.concatenate([d, h])),
    ("stack([device, 1.0])", TypeError, lambda d, h: xp.stack([d, 1.0])),
    # CuPy copies a host index to the device at each use
    ("index by a host array", TypeError, lambda d, h: d[np.array([0, 1])]),
    ("index by a host mask", TypeError, lambda d, h: d[h > 2]),
    ("index by a list", TypeError, lambda d, h: d[[0, 1]]),
    ("index by a host array in a tuple", TypeError, lambda d, h: d[:, np.array([0, 1])]),
    ("assignment at a host array", TypeError, lambda d, h: assign(d, np.array([0, 1]), 0.0)),
    ("assignment of a host array", TypeError, lambda d, h: assign(d, 0, h[0])),
    ("take at host indices", TypeError, lambda d, h: xp.take(d, np.array([0]))),
    ("scatter_add of host values", TypeError, lambda d, h: xp.scatter_add(h, 0, (2, 2, 3))),
    ("scatter_add at host indices", TypeError, lambda d, h: xp.scatter_add(d, np.array([0, 0]), (2, 3))),
    # difference, "Out-of-bounds indices": CuPy wraps around them
    ("index out of bounds", IndexError, lambda d, h: d[device([2])]),
    ("assignment out of bounds", IndexError, lambda d, h: assign(d, device([2]), 0.0)),
    ("take out of bounds", IndexError, lambda d, h: xp.take(d, device([9]))),
    ("scatter_add out of bounds", IndexError, lambda d, h: xp.scatter_add(d, device([0, 2]), (2, 3))),
    # difference, "Duplicate values in indices": what is stored is undefined
    ("assignment to one place twice", ValueError, lambda d, h: assign(d, device([0, 0]), d)),
    ("assignment to one place twice, wrapped", ValueError, lambda d, h: assign(d, device([1, -1]), d)),
    # a Generator on the device has no state that can be written
    ("random numbers", TypeError, lambda d, h: xp.random.normal(size=3)),
    # not in CuPy
    ("sum(initial=)", TypeError, lambda d, h: xp.sum(d, initial=1.0)),
    ("take(mode=)", TypeError, lambda d, h: xp.take(d, device([0]), mode="clip")),
    ("a function that is not listed", AttributeError, lambda d, h: xp.apply_along_axis),
    ("a hash", TypeError, lambda d, h: hash(d)),
]


@pytest.mark.parametrize("error, attempt", [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refuses(error, attempt):
    dev, host = device(), HOST.copy()
    with pytest.raises(error) as caught:
        attempt(dev, host)
    assert "\n" not in str(caught.value)
    np.testing.assert_array_equal(arrays.to_host(dev), HOST)
    np.testing.assert_array_equal(host, HOST)


WAITS = [
    (1, lambda d: float(d[0, 0])),
    (1, lambda d: int(d[0, 0])),
    (1, lambda d: bool(d[0, 0] > 0)),
    (1, lambda d: d.sum().item()),
    (1, lambda d: d.tolist()),
    (1, lambda d: arrays.to_host(d)),
    (1, lambda d: repr(d)),
    (1, lambda d: [0, 1, 2][d[0, 1].astype(np.int64)]),
    (1, lambda d: d[d > 2]),                            # the host has to know the size of the result
    (1, lambda d: xp.nonzero(d)),
    (2, lambda d: [1 for row in d if row[0] >= 0]),
    (0, lambda d: xp.where(d > 2, d, 0.0)),
    (0, lambda d: assign(d, d > 2, 0.0)),
    (0, lambda d: xp.sum(d) + d.mean() * 2.0),
    (0, lambda d: d[device([0, 1])].reshape(-1).shape),
]


@pytest.mark.parametrize("count, use", WAITS)
def test_counts_synchronisations(count, use):
    dev = device()
    with count_synchronisations() as waits:
        use(dev)
    assert waits.count == count


SAME = [
    lambda m, x, i: x + 1,
    lambda m, x, i: 2.0 / (x + 1) - x**2,
    lambda m, x, i: np.float64(2.0) * x,
    lambda m, x, i: -abs(x) @ x.T,
    lambda m, x, i: (x > 2) & ~(x >= 4) | (x == 0),
    lambda m, x, i: m.sum(x, axis=0, keepdims=True),
    lambda m, x, i: x.mean(),
    lambda m, x, i: m.max(x, axis=(0, 1)),
    lambda m, x, i: m.exp(x, dtype=np.float32),
    lambda m, x, i: m.einsum("ij,kj->ik", x, x),
    lambda m, x, i: m.concatenate([x, x], axis=1),
    lambda m, x, i: m.stack([x, x], axis=-1),
    lambda m, x, i: m.split(x, 3, axis=1)[1],
    lambda m, x, i: m.where(x > 2, x, 0.0),
    lambda m, x, i: m.take_along_axis(x, i, axis=1),
    lambda m, x, i: x[i[:, 0]],
    lambda m, x, i: x[i[:, 0], 1:],
    lambda m, x, i: x[..., None, 1],
    lambda m, x, i: x[0, 0],
    lambda m, x, i: m.zeros((2, 3), x.dtype) + m.arange(3),
    lambda m, x, i: m.full_like(x, 2.0).astype(np.float32),
    lambda m, x, i: m.pad(x, ((1, 0), (0, 2))),
    lambda m, x, i: m.scatter_add(x, i[:, 1], (4, 3)),
    lambda m, x, i: m.scatter_add(x, (slice(None), slice(1, 4)), (2, 5)),
    lambda m, x, i: x.T.reshape(-1).copy(),
    lambda m, x, i: m.asarray(3.0),
]


@pytest.mark.parametrize("compute", SAME)
def test_computes_what_numpy_computes(compute):
    index = np.array([[1, 0], [0, 0]])
    expected = np.asarray(compute(arrays.host, HOST, index))
    got = compute(xp, device(), device(index))
    assert type(got) is StrictArray
    assert got.dtype == expected.dtype and got.shape == expected.shape
    assert arrays.to_host(got).tobytes() == expected.tobytes()


def test_reductions_give_0d_arrays_and_an_element_is_a_view():
    x = device()
    assert x.sum().shape == () and xp.max(x).ndim == 0
    first = x[0, 0]
    x[0, 0] = 7.0
    assert first.item() == 7.0


def test_numpy_may_ask_whether_memory_is_shared():
    x = device()
    assert np.shares_memory(x, x[0]) and not np.shares_memory(x, x + 0.0) and not np.shares_memory(HOST, x)


def test_in_place_and_out_write_where_they_say():
    x = device()
    view = x[0]
    x += 1.0
    assert xp.multiply(x, 2.0, out=x) is x
    np.testing.assert_array_equal(arrays.to_host(view), (HOST[0] + 1) * 2)
    with pytest.raises(TypeError):
        integers = device([1, 2])
        integers += 0.5


def test_moving_copies_both_ways():
    source = HOST.copy()
    x = arrays.to_device(source, "strict")
    source[:] = 0
    back = arrays.to_host(x)
    np.testing.assert_array_equal(back, HOST)
    back[:] = 0
    np.testing.assert_array_equal(arrays.to_host(copy.deepcopy(x)), HOST)
    assert arrays.device_of(x) == "strict" and not isinstance(x, np.ndarray)


@pytest.mark.parametrize("name", ["add", "mul", "sub", "truediv", "pow"])
def test_an_object_that_knows_device_arrays_answers_for_itself(name):
    class Other:
        def answer(self, other):
            return "answered"

        __radd__ = __rmul__ = __rsub__ = __rtruediv__ = __rpow__ = answer

    assert getattr(operator, name)(device(), Other()) == "answered"
