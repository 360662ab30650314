"""The strict device: a stand-in for a GPU that finds mix-ups of host and device on a machine that has none.

`StrictArray` keeps a NumPy array out of reach: NumPy cannot see it, no host array may meet it, and whatever
CuPy refuses, or punishes with a hidden copy or a wait, is refused here or counted. `strict` is its namespace:
NumPy's functions under NumPy's names, as far as CuPy has them. Results are NumPy's, to the last bit.

    with count_synchronisations() as waits:
        loss.item()
    waits.count         # 1: each float(x), `if x > 0:`, x.item(), to_host(x) makes the host wait for a GPU
"""

from __future__ import annotations

import operator
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np

from tinyaug import arrays

__all__ = ["StrictArray", "strict", "count_synchronisations"]

_SCALARS = (bool, int, float, complex, np.generic)


class StrictArray:
    """An array on the strict device, with the attributes and methods of ndarray that CuPy shares.

    raises: TypeError wherever a host array or a list meets it, or NumPy tries to read it
            IndexError for an index out of bounds, which CuPy would wrap around without a word
            ValueError for an assignment to the same place twice, which CuPy does in any order
    """

    __slots__ = ("_array",)
    __array_ufunc__ = None      # np.add(host, device) raises; host + device asks __radd__, which refuses
    __hash__ = None             # type: ignore[assignment]

    def __init__(self, array):
        self._array = array

    def __array__(self, *_, **__):
        raise TypeError("strict device: NumPy cannot read a device array; use to_host(x)")

    def __array_function__(self, function, types, args, keywords):
        if function is np.shares_memory:            # asks where arrays are and reads none; CuPy answers it too
            return function(*[x._array if isinstance(x, StrictArray) else x for x in args], **keywords)
        raise TypeError(f"strict device: numpy.{function.__name__} got a device array; use array_module(x)")

    def __getitem__(self, index):
        key = _index(index)
        if any(isinstance(part, np.ndarray) and part.dtype == bool for part in key):
            strict.synchronisations += 1            # the size of the result has to be known on the host
        return StrictArray(self._array[key])

    def __setitem__(self, index, value):
        key = _index(index)
        if any(isinstance(part, np.ndarray) for part in key):
            places = np.arange(self.size).reshape(self.shape)[key]
            if np.unique(places).size != places.size:
                raise ValueError("strict device: assignment to one place twice, undefined on a GPU; "
                                 "use scatter_add")
        self._array[key] = _operand(value)

    def __len__(self):
        return len(self._array)

    def __float__(self):
        return float(self.item())

    def __int__(self):
        return int(self.item())

    def __bool__(self):
        return bool(self.item())

    def __index__(self):
        return operator.index(self.item())

    def __repr__(self):
        return f"StrictArray({to_host(self)!r})"

    def __deepcopy__(self, memo):
        return to_device(self._array)

    def item(self):
        """The value of an array of one element as a Python number. Counts as a synchronisation."""
        return to_host(self).item()

    def tolist(self):
        """The values as nested lists. Counts as a synchronisation."""
        return to_host(self).tolist()

    def get(self):
        """The values on the host; CuPy's name for to_host."""
        return to_host(self)

    shape = property(lambda self: self._array.shape)
    dtype = property(lambda self: self._array.dtype)
    ndim = property(lambda self: self._array.ndim)
    size = property(lambda self: self._array.size)
    nbytes = property(lambda self: self._array.nbytes)
    strides = property(lambda self: self._array.strides)
    flags = property(lambda self: self._array.flags)
    T = property(lambda self: StrictArray(self._array.T))
    mT = property(lambda self: StrictArray(self._array.mT))


def _index(index):
    """An index as NumPy takes it, with an Ellipsis, so that one element is a 0-d view as in CuPy."""
    parts = index if isinstance(index, tuple) else (index,)
    for part in parts:
        if isinstance(part, (np.ndarray, list)):
            raise TypeError(f"strict device: the index is {_say(part)}, which a GPU would copy at "
                            "every step; move it once with to_device")
    parts = tuple(part._array if isinstance(part, StrictArray) else part for part in parts)
    return parts if any(part is Ellipsis for part in parts) else (*parts, Ellipsis)


def _operand(x):
    """What one element of a computation may be: a device array or a plain number."""
    if isinstance(x, StrictArray):
        return x._array
    if isinstance(x, _SCALARS):
        return x
    raise TypeError(f"strict device: got {_say(x)}, expected a device array or a number; "
                    "move it with to_device")


def _unwrap(x):
    """What any argument may be: axes, shapes, dtypes, sequences of device arrays, but no host array."""
    if isinstance(x, (tuple, list)):
        return type(x)(_unwrap(part) for part in x)
    return _operand(x) if isinstance(x, (StrictArray, np.ndarray)) else x


def _wrap(x):
    """Results: arrays, and the scalars that NumPy's reductions give, become device arrays."""
    if isinstance(x, (np.ndarray, np.generic)):
        return StrictArray(np.asarray(x))
    if isinstance(x, (tuple, list)):
        return type(x)(_wrap(part) for part in x)
    return x


def _say(x):
    if isinstance(x, (tuple, list)):
        return f"{type(x).__name__} of {', '.join(_say(part) for part in x)}"
    return f"a host array of shape {x.shape}" if isinstance(x, np.ndarray) else f"a {type(x).__name__}"


def _operator(name):
    function = getattr(operator, name)
    assign = getattr(operator, f"i{name.rstrip('_')}", function)

    def forward(self, other):
        if not isinstance(other, (StrictArray, np.ndarray, *_SCALARS)):
            return NotImplemented                   # a Tensor answers for itself
        return StrictArray(np.asarray(function(self._array, _operand(other))))

    def reflected(self, other):
        return StrictArray(np.asarray(function(_operand(other), self._array)))

    def in_place(self, other):
        self._array = assign(self._array, _operand(other))
        return self

    return forward, reflected, in_place


for _name in "add sub mul truediv floordiv mod pow matmul and_ or_ xor".split():
    _special = _name.rstrip("_")
    for _prefix, _method in zip(("", "r", "i"), _operator(_name), strict=True):
        setattr(StrictArray, f"__{_prefix}{_special}__", _method)
for _name in "lt le gt ge eq ne".split():
    setattr(StrictArray, f"__{_name}__", _operator(_name)[0])
for _name in "neg pos abs invert".split():
    setattr(StrictArray, f"__{_name}__", lambda self, name=_name: _wrap(getattr(operator, name)(self._array)))


def _checked(name, function, operands):
    """NumPy's function for device arrays. operands: its positional arguments are all arrays or numbers."""
    absent = {"where", "initial"} | ({"mode"} if name == "take" else set())     # CuPy's have no such keywords
    join, wait = name in _JOIN.split(), name in _SYNCHRONISE.split()

    def call(*args, **keywords):
        if absent & keywords.keys():
            raise TypeError(f"strict device: {name}: CuPy's has no {', '.join(absent & keywords.keys())}")
        if join and not all(isinstance(part, StrictArray) for part in args[0]):
            raise TypeError(f"strict device: {name}: got {_say(args[0])}, expected device arrays only")
        strict.synchronisations += wait
        args = tuple(map(_operand if operands else _unwrap, args))
        out = keywords.get("out")
        result = function(*args, **{key: _unwrap(value) for key, value in keywords.items()})
        return _wrap(result) if out is None else out

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"numpy.{name} on the strict device."
    return call


# What an op may use. Each name is in CuPy, with NumPy's meaning; what is missing here raises and says so.
_ELEMENTWISE = (
    "abs absolute add arccos arccosh arcsin arcsinh arctan arctan2 arctanh bitwise_and bitwise_or "
    "bitwise_xor cbrt ceil copysign cos cosh deg2rad divide equal exp exp2 expm1 floor floor_divide fmax "
    "fmin fmod greater greater_equal hypot invert isfinite isinf isnan less less_equal log log10 log1p log2 "
    "logaddexp logical_and logical_not logical_or logical_xor maximum minimum mod multiply negative "
    "nextafter not_equal positive power rad2deg reciprocal remainder rint sign signbit sin sinh sqrt square "
    "subtract tan tanh true_divide trunc")
_OTHER = (
    "arange empty empty_like eye full full_like identity linspace ones ones_like tri zeros zeros_like "
    "meshgrid ndim result_type shape size all amax amin any append argmax argmin argsort array_split around "
    "ascontiguousarray atleast_1d atleast_2d average bincount broadcast_arrays broadcast_to clip copy "
    "copyto count_nonzero cumprod cumsum diag diagonal diff dot einsum expand_dims flip fliplr flipud inner "
    "isclose kron matmul max mean median min moveaxis nan_to_num nanmax nanmin nansum outer pad prod ptp "
    "put_along_axis ravel repeat reshape roll rollaxis rot90 round searchsorted sort split squeeze std sum "
    "swapaxes take take_along_axis tensordot tile trace transpose tril triu var vdot vstack")
_JOIN = "concatenate stack hstack vstack column_stack"
_SYNCHRONISE = "allclose argwhere array_equal flatnonzero nonzero unique"      # the host has to know these
_METHODS = (
    "all any argmax argmin argsort astype clip copy cumprod cumsum diagonal dot fill flatten max mean min "
    "nonzero prod ravel repeat reshape round sort squeeze std sum swapaxes take trace transpose var view")
_PLAIN = (
    "bool_ broadcast_shapes can_cast dtype e errstate finfo float16 float32 float64 floating iinfo inf int8 "
    "int16 int32 int64 integer isscalar issubdtype nan newaxis number pi promote_types uint8 uint16 uint32 "
    "uint64")


class _Strict(SimpleNamespace):
    """The namespace of the strict device. synchronisations: how often the host has waited for it so far."""

    device = "strict"
    ndarray = StrictArray
    synchronisations = 0

    def __getattr__(self, name):
        if name == "random":
            raise TypeError("strict device: random numbers are drawn on the host, where a checkpoint can "
                            "hold the Generator's state; move them with to_device")
        raise AttributeError(f"strict device: no {name!r}: CuPy lacks it, or strict.py does not list it")


strict = _Strict()


def to_device(array):
    """A host array on the strict device, as a copy."""
    return StrictArray(np.array(array))


def to_host(array):
    """The values as a host array, as a copy. Counts as a synchronisation."""
    strict.synchronisations += 1
    return np.array(array._array)


def asarray(x, dtype=None):
    """A device array of anything. A host array is copied: in CuPy too, this asks for it by name."""
    return array(x, dtype) if isinstance(x, np.ndarray) else StrictArray(np.asarray(_unwrap(x), dtype))


def array(x, dtype=None, copy=True):
    """As asarray, but a copy."""
    return StrictArray(np.array(x if isinstance(x, np.ndarray) else _unwrap(x), dtype, copy=copy))


def where(condition, x, y):
    """numpy.where; the condition is a device array, as it has to be in CuPy."""
    if not isinstance(condition, StrictArray):
        raise TypeError(f"strict device: where: condition is {_say(condition)}, expected a device array")
    return StrictArray(np.where(condition._array, _operand(x), _operand(y)))


def scatter_add(values, index, shape):
    """Zeros of `shape` with `values` added at `index`; repeated places add up."""
    return StrictArray(arrays.scatter_add(_operand(values), _index(index), shape))


def sum_of_products(x, y, axis):
    """sum(x * y) along an axis, rounded as on the host."""
    return StrictArray(arrays.host.sum_of_products(_operand(x), _operand(y), axis))


def _fill():
    for name in _PLAIN.split():
        setattr(strict, name, getattr(np, name))
    for names in (_ELEMENTWISE, _OTHER, _JOIN, _SYNCHRONISE):
        for name in names.split():
            setattr(strict, name, _checked(name, getattr(np, name), operands=names is _ELEMENTWISE))
    for name in _METHODS.split():
        setattr(StrictArray, name, _checked(name, getattr(np.ndarray, name), operands=False))
    for function in (asarray, array, where, scatter_add, to_host, to_device):
        setattr(strict, function.__name__, function)
    strict.products = arrays.products
    vars(strict).update({**arrays.from_start(strict), "sum_of_products": sum_of_products})


@contextmanager
def count_synchronisations():
    """`with count_synchronisations() as waits:` afterwards `waits.count` is how often the block waited."""
    waits = SimpleNamespace(count=0)
    before = strict.synchronisations
    try:
        yield waits
    finally:
        waits.count = strict.synchronisations - before


_fill()
