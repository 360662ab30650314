"""What is known of results whatever the arrays hold, and that no pass makes an infinity of it."""

from math import e, inf

import numpy as np
import pytest

from tinyaug import Tensor, ops
from tinyaug.record import record
from tinyaug.record.program import Call, Slot
from tinyaug.record.ranges import overflows, range_of, ranges

pytestmark = pytest.mark.host            # programs are of arrays on the host

FLOAT = np.dtype(np.float32)
TINY = float(np.finfo(FLOAT).tiny)
HIGH = Tensor(np.full(3, 10.0))


def slot(number, origin="call", array=None, dtype=FLOAT):
    return Slot(number, (2, 3) if array is None else array.shape, dtype, origin, array)


X, Y, HALF, LEAST = slot(1, "input"), slot(2, "input"), *[
    slot(i, "constant", np.array(number, FLOAT)) for i, number in ((3, 0.5), (4, TINY))]
TANH, WEIGHT = slot(5), slot(6)
HIGHER = slot(7, "constant", np.array(2.0, FLOAT))
KNOWN = {TANH: (-1, 1), WEIGHT: (0, 1)}

RANGES = {     # a line: a call, and the range of its result
    "tanh": (Call(np.tanh, (X,)), (-1, 1)),
    "half of it": (Call(np.multiply, (TANH, HALF)), (-0.5, 0.5)),
    "and a half": (Call(np.add, (Call(np.multiply, (TANH, HALF)), HALF)), (0, 1)),
    "its square": (Call(np.multiply, (TANH, TANH)), (0, 1)),
    "its slope": (Call(np.subtract, (1, Call(np.multiply, (TANH, TANH)))), (0, 1)),
    "the other way": (Call(np.negative, (WEIGHT,)), (-1, 0)),
    "exp": (Call(np.exp, (TANH,)), (1 / e, e)),
    "exp of anything": (Call(np.exp, (X,)), (0, inf)),
    "exp of much": (Call(np.exp, (Call(np.multiply, (WEIGHT, 1000.0)),)), (1, inf)),
    "a quotient": (Call(np.divide, (TANH, Call(np.add, (WEIGHT, HALF)))), (-2, 2)),
    "a quotient by what may be 0": (Call(np.divide, (TANH, WEIGHT)), (-inf, inf)),
    "a bound": (Call(np.maximum, (X, LEAST)), (TINY, inf)),
    "a choice": (Call(np.where, (X, TANH, 3.0)), (-1, 3)),
    "a choice that is known": (Call(np.where, (Call(np.equal, (Call(np.add, (WEIGHT, HALF)), 0)), 9.0, WEIGHT)), (0, 1)),
    "a choice that is not": (Call(np.where, (Call(np.equal, (WEIGHT, 0)), 9.0, WEIGHT)), (0, 9)),
    "joined": (Call(np.concatenate, ((TANH, Call(np.exp, (TANH,))),)), (-1, e)),
    "a slice": (Call(np.reshape, (WEIGHT, (3, 2))), (0, 1)),
    "a share": (Call(np.divide, (WEIGHT, Call(np.add.reduce, (WEIGHT,), {"axis": -1, "keepdims": True}))), (0, 1)),
    "no share": (Call(np.divide, (TANH, Call(np.add.reduce, (TANH,), {"axis": -1, "keepdims": True}))), (-inf, inf)),
    "anything": (Call(np.add, (X, TANH)), (-inf, inf)),
    "what is no number": (Call(np.subtract, (Call(np.exp, (X,)), Call(np.exp, (Y,)))), (-inf, inf)),
}


def written_out(x, calls):
    """x with Slots in the place of the calls in it, which are added to `calls`."""
    if isinstance(x, tuple):
        return tuple([written_out(part, calls) for part in x])
    if not isinstance(x, Call):
        return x
    args = written_out(x.args, calls)
    calls.append(Call(x.function, args, x.keywords, slot(10 + len(calls))))
    return calls[-1].out


@pytest.mark.parametrize("line", RANGES)
def test_the_range_of_a_call(line):
    call, expected = RANGES[line]
    calls = [Call(np.tanh, (X,), {}, TANH), Call(np.where, (X, 0.0, 1.0), {}, WEIGHT)]
    out = written_out(call, calls)
    assert ranges(calls).get(out, (-inf, inf)) == pytest.approx(expected)
    if line != "a share":                    # which it takes two calls to know
        assert range_of(calls[-1], ranges(calls[:-1])) == pytest.approx(expected)


@pytest.mark.parametrize("function, x, y, expected", [
    (np.multiply, X, Y, True), (np.multiply, X, TANH, False), (np.multiply, TANH, X, False), (np.divide, TANH, X, True),
    (np.divide, X, TANH, True), (np.divide, X, HIGHER, False), (np.multiply, HALF, HALF, False)])
def test_what_may_overflow(function, x, y, expected):
    assert overflows(function, x, y, dict(KNOWN)) is expected


@pytest.mark.parametrize("function, bad", [
    (lambda x: ops.where(x > 0, ops.log(x) * HIGH, 0.0), 0.0),
    (lambda x: ops.where(x > 0, HIGH / x, 0.0), 0.0),
    (lambda x: ops.where(x < 50, ops.exp(ops.exp(x)), 0.0), 80.0),
    (lambda x: ops.where(x < 50, ops.exp(x) * ops.exp(x), 0.0), 80.0),
    (lambda x: ops.where(x < 20, ops.exp(x)**3, 0.0), 40.0),
], ids=["log", "quotient", "exp of exp", "product", "power"])
def test_the_branch_not_taken_has_gradient_zero(function, bad):
    """0 times two slopes, one after the other, is 0; the product of both would be infinite."""
    def gradient(x):
        x.grad = None
        ops.sum(function(x)).backward()
        return x.grad

    recorded = record(gradient)
    for good in (1.0, 2.0):
        x = Tensor([bad, good, 1.5], requires_grad=True)
        with np.errstate(all="ignore"):
            got, expected = recorded(x).numpy(), gradient(x).numpy()
        assert got[0] == expected[0] == 0
        np.testing.assert_allclose(got, expected, rtol=1e-5)
