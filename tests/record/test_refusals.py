"""What cannot be recorded is an error that names the line, and afterwards everything is as it was."""

import numpy as np
import pytest

from tinyaug import Tensor, ops, using_dtype
from tinyaug.autograd import recorder
from tinyaug.nn import LSTM, Dropout, Linear, unroll
from tinyaug.nn.module import Module, Parameter
from tinyaug.record import RecordError, record
from tinyaug.train.optimise import SGD

pytestmark = pytest.mark.host            # programs are of arrays on the host

X = np.arange(6.0).reshape(2, 3)
TABLE, OTHER = np.arange(4.0), np.arange(3.0)
MASK = np.array([True, False])


class Counted:
    """Something whose numbers change from call to call."""

    def __init__(self):
        self.calls = 0
        self.rng = np.random.default_rng(0)
        self.kept = None

    def number(self):
        self.calls += 1
        return self.calls


def fill_outside(x):
    TABLE[...] = ops.sum(x, axis=1).data


def add_outside(x):
    global TABLE
    TABLE += ops.sum(x).data


def keep(x, counted):
    y = ops.sum(x) if counted.kept is None else counted.kept + ops.sum(x)
    counted.kept = y
    return y


REFUSED = {     # a line: function(x, parameter, counted), and what the message says of it
    "branch": (lambda x, w, c: x if ops.sum(x) > 1 else w, "asks for the value"),
    "float": (lambda x, w, c: float(ops.sum(x)), "asks for the value"),
    "item": (lambda x, w, c: x * ops.sum(x).item(), "asks for the value"),
    "numpy": (lambda x, w, c: x.numpy().max(), "asks for the value"),
    "numpy function": (lambda x, w, c: np.asarray(x.data), "asks for the value"),
    "value of a Tensor from outside": (lambda x, w, c: x * float(ops.sum(w)), "asks for the value"),
    "value of a leaf from outside": (lambda x, w, c: x * w.item(), "asks for the value"),
    "index by a value": (lambda x, w, c: x[int(ops.sum(x))], "asks for the value"),
    "range": (lambda x, w, c: [x for _ in range(ops.sum(x).data)], "asks for the value"),
    "loop over elements": (lambda x, w, c: list(x.data), "looping over the elements"),
    "assignment": (lambda x, w, c: x.data.__setitem__(0, 1.0), "writes in place"),
    "in place": (lambda x, w, c: x.data.__iadd__(1.0), "add writes in place"),
    "assignment outside": (lambda x, w, c: fill_outside(x), "asks for the value"),
    "in place outside": (lambda x, w, c: add_outside(x), "add writes in place"),
    "copyto a part": (lambda x, w, c: np.copyto(x.data[0], 1.0), "copyto can only fill a whole array"),
    "copyto inside": (lambda x, w, c: np.copyto(np.zeros(4), ops.sum(x).data), "is made, or drawn, each time"),
    "a write that is not recorded": (lambda x, w, c: [x * OTHER, OTHER.fill(1.0)], "an array is written in place"),
    "method": (lambda x, w, c: x.data.sum(), "a recorded array has no sum"),
    "tile": (lambda x, w, c: np.tile(x.data, ops.argmax(x).data), "the shape of tile depends on values"),
    "reshape": (lambda x, w, c: x.data.reshape(ops.argmax(x).data, -1), "the shape of reshape depends on values"),
    "repeat": (lambda x, w, c: np.repeat(x.data, repeats=ops.argmax(x).data), "the shape of repeat depends on values"),
    "mask": (lambda x, w, c: x[x.data > 1], r"the shape of x\[mask\] depends on values"),
    "mask from outside": (lambda x, w, c: x[MASK], r"the shape of x\[mask\] depends on values"),
    "nonzero": (lambda x, w, c: np.nonzero(x.data), "the shape of nonzero depends on values"),
    "unique": (lambda x, w, c: np.unique(x.data), "the shape of unique depends on values"),
    "several arrays": (lambda x, w, c: np.split(x.data, 3, axis=1), "split gives several arrays"),
    "drawn mask": (lambda x, w, c: x * Tensor(c.rng.random(3)), r"shape \(3,\) is made, or drawn, each time"),
    "drawn array": (lambda x, w, c: x * c.rng.random(3), r"shape \(3,\) is made, or drawn, each time"),
    "made array": (lambda x, w, c: x * Tensor(np.ones(3)), "is made, or drawn, each time"),
    "made cotangent": (lambda x, w, c: [(w * x).backward(np.ones((2, 3))), w.grad], "is made, or drawn, each time"),
    "made result": (lambda x, w, c: np.ones(3), "is made, or drawn, each time"),
    "changing number": (lambda x, w, c: x * c.number(), "not do the same each time: .*multiply.* 1"),
    "changing list": (lambda x, w, c: ops.add(x, [c.number(), 0, 0]), "not do the same each time: .*add"),
    "changing constant": (lambda x, w, c: ops.add(c.number(), 1) * x, r"not .* each time: .*add\(1.*add\(2"),
    "changing slice": (lambda x, w, c: x[:, :c.number()], "not do the same each time: .*slice"),
    "changing calls": (lambda x, w, c: x * x if c.number() % 2 else x + x, "not do the same .*: .* = multiply"),
    "fewer calls": (lambda x, w, c: x * x if c.number() % 2 else x, "made 1 array calls, then 0"),
    "more calls": (lambda x, w, c: x if c.number() % 2 else x * x, "nothing more when it was recorded"),
    "changing order": (lambda x, w, c: [x * 2, x * 3][::1 if c.number() % 2 else -1], r"gave the arrays \[%2, .*\[%3"),
    "changing names": (lambda x, w, c: {str(c.number()): x}, r"gave \[\('1',\)\], then \[\('2',\)\] beside its arrays"),
    "changing result": (lambda x, w, c: (x, c.number()), r"gave \[1\], then \[2\] beside its arrays"),
    "kept Tensor": (lambda x, w, c: keep(x, c), "left from a recording that has ended"),
    "kept array": (lambda x, w, c: keep(x.data, c), "left from a recording that has ended"),
    "lost gradients": (lambda x, w, c: ops.sum(w * x).backward(), "1 gradients are left on Tensors"),
    "array of a Tensor replaced": (lambda x, w, c: setattr(w, "data", (w * 2.0).data), "was given another array"),
}


def code_of(line):
    return next(i for i, text in enumerate(open(__file__), 1) if f'"{line}": (' in text)


@pytest.mark.parametrize("line", REFUSED)
def test_it_is_refused_with_the_line_and_everything_is_put_back(line):
    function, said = REFUSED[line]
    w, counted, before = Parameter([1.0, 2.0, 3.0]), Counted(), TABLE.copy()
    own = w.data
    w.grad = gradient = Tensor([5.0, 5.0, 5.0])
    recorded = record(lambda x: function(x, w, counted))
    with pytest.raises(RecordError, match=f"(?s){said}") as caught:
        recorded(Tensor(X))
    assert str(caught.value).startswith("record: ")
    if "each time" in said or "value" in said or "place" in said:
        assert f"at {__file__}:" in str(caught.value)
    if line not in ("assignment outside", "in place outside", "kept Tensor", "kept array", "made result"):
        found = str(caught.value).partition(f"at {__file__}:")[2]
        assert not found or found.startswith(f"{code_of(line)}: ")
    assert w.data is own and w.grad is gradient and w.numpy().tolist() == [1, 2, 3]
    assert recorder() is None and not recorded.programs and np.array_equal(TABLE, before)
    assert (w * 2.0).numpy().tolist() == [2, 4, 6] and float(ops.sum(w)) == 6.0


@pytest.mark.parametrize("write", [
    lambda a, b: np.copyto(a, b), lambda a, b: a.fill(0), lambda a, b: np.add(a, 1, out=a), lambda a, b: np.copyto(b, a)],
    ids=["copyto", "fill", "out", "copyto back"])
def test_a_write_that_a_program_would_not_repeat_is_refused(write):
    """It is done while the function is recorded. The arrays lie in one memory, whose owner and views are locked."""
    whole = np.zeros(6, np.float32)
    a, b = whole[:3], whole[3:]

    def function(x):
        write(a, b)
        return x * a + ops.sum(Tensor(b)) + ops.sum(Tensor(whole))

    with pytest.raises(RecordError, match="is written in place, or from one that is not recorded") as caught:
        record(function)(Tensor(X))
    assert f"at {__file__}:" in str(caught.value) and "lambda a, b: " in str(caught.value)
    assert all(array.flags.writeable for array in (whole, a, b))


def test_a_number_that_changes_between_calls_is_found_at_the_second():
    rate = [0.1]
    recorded = record(lambda x: x * rate[0])
    assert recorded(Tensor(X)).numpy()[1, 2] == np.float32(0.5)
    rate[0] = 0.2
    with pytest.raises(RecordError, match=r"multiply\(.*, 0.1\) when it was recorded, .* = multiply\(.*, 0.2\)"):
        recorded(Tensor(X))


def test_noise_in_an_optimiser_is_refused_and_nothing_is_moved():
    model = Linear(3, 2, rng=np.random.default_rng(0))
    optimiser = SGD(model, rate=0.1, noise=0.1, rng=np.random.default_rng(0))
    before = model.state()
    with pytest.raises(RecordError, match=r"shape \(8,\) is made, or drawn, each time"):
        record(optimiser.advance)()
    assert type(optimiser.flat) is np.ndarray and optimiser.count == 0
    assert all(np.array_equal(before[name], x) for name, x in model.state().items())


def test_dropout_is_refused_while_it_trains_and_recorded_where_it_does_not():
    dropout = Dropout(0.5, rng=np.random.default_rng(0))
    x = Tensor(X)
    with pytest.raises(RecordError, match="is made, or drawn, each time"):
        record(lambda x: dropout(x, training=True))(x)
    assert np.array_equal(record(lambda x: dropout(x, training=False))(x).numpy(), x.numpy())


def test_an_update_without_gradients_inside_is_refused():
    """It would read the arrays of gradients that the next backward replaces."""
    model = Linear(3, 2, rng=np.random.default_rng(0))
    optimiser = SGD(model, rate=0.1)
    ops.sum(model(Tensor(X))).backward()
    with pytest.raises(RecordError, match="is made, or drawn, each time"):
        record(optimiser.step)()


@pytest.mark.parametrize("argument", [None, "text", [None]])
def test_an_argument_that_is_no_array_is_refused(argument):
    with pytest.raises(RecordError, match="argument 1 is .*, expected an array of numbers on the host"):
        record(lambda x, option: x)(Tensor(X), argument)


def test_an_array_on_a_device_is_refused():
    with pytest.raises(RecordError, match="(?s)argument 0 .* on the host"):
        record(lambda x: x)(Tensor(X).to("strict"))


def test_an_error_of_the_function_itself_passes_and_everything_is_put_back():
    model = LSTM(3, 4, rng=np.random.default_rng(0))
    recorded = record(lambda x: unroll(model, x)[0] @ Tensor(TABLE[:3]))
    with pytest.raises(ValueError, match="matmul"):
        recorded(Tensor(X[None]))
    assert recorder() is None and all(type(x.data) is np.ndarray for x in model.parameters())


class Scaled(Module):
    def __init__(self):
        self.scale = Parameter([2.0])

    def forward(self, x):
        return x * self.scale


def both(recorded, model):
    return recorded(Tensor(X)).numpy(), model(Tensor(X)).numpy()


def test_parameters_are_read_where_they_lie():
    model = Scaled()
    recorded = record(model)
    recorded(Tensor(X))
    model.load({"scale": np.array([3.0])})
    assert np.array_equal(*both(recorded, model)) and len(recorded.programs) == 1


@pytest.mark.parametrize("change", ["another array", "an optimiser", "another parameter"])
def test_where_a_parameter_is_another_array_everything_is_recorded_anew(change):
    model = Scaled()
    recorded = record(model)
    recorded(Tensor(X))
    recorded(Tensor(X[:1]))
    if change == "another array":
        model.scale.data = np.array([5.0], np.float32)
    elif change == "an optimiser":
        SGD(model, rate=0.1)
        np.copyto(model.scale.data, 7.0)
    else:
        model.scale = Parameter([9.0])
    assert np.array_equal(*both(recorded, model))
    assert len(recorded.programs) == 1
    np.copyto(model.scale.data, 11.0)
    assert np.array_equal(*both(recorded, model))


@pytest.mark.parametrize("way", [lambda w: w.detach(), ops.stop_gradient, Tensor, lambda w: Tensor(w.data), lambda w: w[:3]],
                         ids=["detach", "stop_gradient", "Tensor", "data", "getitem"])
def test_by_whichever_way_an_array_came_its_tensor_is_remembered(way):
    w = Parameter([1.0, 2.0, 3.0])
    recorded = record(lambda x: x * way(w))
    recorded(Tensor(X))
    w.data = np.array([4.0, 5.0, 6.0], np.float32)
    assert np.array_equal(recorded(Tensor(X)).numpy(), Tensor(X).numpy() * w.numpy())
    assert len(recorded.tensors) == 1


def test_a_later_shape_is_checked_where_it_meets_arrays_that_the_first_did_not():
    rng = np.random.default_rng(0)
    recorded = record(lambda x: x * Tensor(rng.random(3)) if x.shape[0] > 1 else x)
    recorded(Tensor(X[:1]))
    with pytest.raises(RecordError, match="is made, or drawn, each time"):
        recorded(Tensor(X))


def test_what_is_allowed():
    """Numbers and lists that stay, shapes, outside arrays, nests of results, a recorded function in another."""
    scale, mask = np.array([1.0, 2.0, 3.0]), np.array([[True], [False]])
    doubled = record(lambda x: x * 2)

    def function(x, plain):
        y = ops.where(mask, x * Tensor(scale), ops.add(x, [1, 2, 3])) * x.shape[0] + doubled(x)
        return {"y": y, "all": (ops.exp(0.5) * x, [plain, x.data.shape, len(x)]), "scale": scale, "none": None}

    with using_dtype("float64"):
        recorded = record(function)
        for draw in (1.0, 2.0, 3.0):
            got, expected = (f(Tensor(X * draw), np.array([draw])) for f in (recorded, function))
            assert np.array_equal(got["y"].numpy(), expected["y"].numpy())
            assert np.array_equal(got["all"][0].numpy(), expected["all"][0].numpy())
            assert got["all"][1][0] == [draw] and got["all"][1][1:] == [(2, 3), 2] and got["none"] is None
            assert np.array_equal(got["scale"], scale) and got["scale"] is not scale
        assert len(recorded.programs) == 1 and not recorded.tensors
        scale[0] = 8.0
        assert recorded(Tensor(X), np.ones(1))["scale"][0] == 8.0


def test_results_are_not_overwritten_by_the_next_call():
    recorded = record(lambda x: (x * 2, x))
    first = recorded(Tensor(X))
    recorded(Tensor(X + 1))
    assert np.array_equal(first[0].numpy(), X * 2) and np.array_equal(first[1].numpy(), X)
