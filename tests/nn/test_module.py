"""Module: names are paths, a shared parameter is one, loading is all or nothing, the summary is a table."""

import numpy as np
import pytest

from tinyaug import Tensor, ops
from tinyaug.memory import MemoryAugmented, NTMMemory
from tinyaug.nn import LSTM, Constant, FeedForward, Linear, Module, Parameter, Readout, Stack, active, flatten_state


def rng():
    return np.random.default_rng(0)


class Part(Module):
    def __init__(self, size):
        self.weight = Parameter(np.zeros(size))

    def forward(self, x):
        return x + self.weight


class Nest(Module):
    """Parameters and modules in lists, tuples and dicts, beside things that are neither."""

    def __init__(self):
        self.last = Parameter(np.zeros(1))
        self.name, self.size, self.nothing = "nest", 3, None
        self.heads = [Part(2), Part(3)]
        self.pair = (Parameter(np.zeros(4)), [Parameter(np.zeros(5))])
        self.table = {"a": Part(6), "b": {"c": Parameter(np.zeros(7))}}
        self.fixed = Constant(np.arange(2.0))
        self.plain = Tensor(np.zeros(9), requires_grad=True)        # not a Parameter: not the module's to learn


def test_names_are_paths_in_the_order_of_the_attributes():
    found = {name: x.shape for name, x in Nest().named_parameters()}
    assert list(found.items()) == [("last", (1,)), ("heads.0.weight", (2,)), ("heads.1.weight", (3,)), ("pair.0", (4,)),
                                   ("pair.1.0", (5,)), ("table.a.weight", (6,)), ("table.b.c", (7,))]


def test_a_memory_augmented_core_is_named_by_its_parts():
    memory = NTMMemory(slots=4, width=2, memory_start="learned", rng=rng())
    controller = Stack([FeedForward(5, 6, rng=rng()), LSTM(6, 4, rng=rng())])
    core = MemoryAugmented(controller, memory, input_size=3, output_size=2, rng=rng())
    assert [name for name, _ in core.named_parameters()] == [
        "controller.cores.0.linear.weight", "controller.cores.0.linear.bias", "controller.cores.1.weight",
        "controller.cores.1.bias", "controller.cores.1.start_hidden", "controller.cores.1.start_cell",
        "memory.start_memory", "memory.start_reads", "control.weight", "control.bias", "output.weight", "output.bias"]
    assert [name for name, _ in core.named_modules()] == [
        "", "controller", "controller.cores.0", "controller.cores.0.linear", "controller.cores.1", "memory",
        "control", "output"]


def test_a_shared_parameter_is_one_and_goes_by_its_first_name():
    class Shared(Module):
        def __init__(self):
            self.first = Linear(2, 2, rng=rng())
            self.second = Linear(2, 2, rng=rng())
            self.second.weight = self.first.weight
            self.again = self.first

        def forward(self, x):
            return self.second(self.first(x))

    module = Shared()
    assert [name for name, _ in module.named_parameters()] == ["first.weight", "first.bias", "second.bias"]
    assert [name for name, _ in module.named_modules()] == ["", "first", "second"]
    assert module.count() == 8 and len(module.parameters()) == 3
    ops.sum(module(Tensor(np.ones((1, 2))))).backward()         # x W W: both uses count
    w = module.first.weight.numpy()
    expected = np.outer(np.ones(2), w.sum(1)) + np.outer(w.sum(0), np.ones(2))
    np.testing.assert_allclose(module.first.weight.grad.numpy(), expected, rtol=1e-6)


def test_modules_that_hold_each_other_are_walked_once():
    one, other = Part(2), Part(3)
    one.partner, other.partner = other, one
    assert [name for name, _ in one.named_parameters()] == ["weight", "partner.weight"]


def test_state_holds_copies_of_parameters_and_constants():
    module = Nest()
    state = module.state()
    assert state["fixed"].tolist() == [0, 1] and "plain" not in state
    state["fixed"][:] = 5
    assert module.state()["fixed"].tolist() == [0, 1]


def test_load_puts_everything_in_place():
    module = Nest()
    changed = {name: x + 1 for name, x in module.state().items()}
    held = module.last
    module.load(changed)
    assert {name: x.tolist() for name, x in module.state().items()} == {name: x.tolist() for name, x in changed.items()}
    assert module.last is held and held.numpy().tolist() == [1.0]


@pytest.mark.parametrize("change, says", [
    (lambda s: s.pop("pair.1.0"), "pair.1.0 is missing"),
    (lambda s: s.update(stray=np.zeros(1)), "stray is unknown"),
    (lambda s: s.update({"table.b.c": np.zeros(8)}), r"table.b.c has shape \(8,\), expected \(7,\)"),
    (lambda s: s.update({"last": np.zeros(())}), r"last has shape \(\), expected \(1,\)"),
    (lambda s: s.update({"last": np.zeros((1, 1))}), r"last has shape \(1, 1\), expected \(1,\)"),
    (lambda s: s.update({"last": np.array([{}])}), "last has dtype object, expected numbers"),
    (lambda s: s.update({"last": np.array(["a"])}), "last has dtype <U1, expected numbers"),
])
def test_load_refuses_before_it_changes_anything(change, says):
    module = Nest()
    state = {name: x + 1 for name, x in module.state().items()}
    change(state)
    before = module.state()
    with pytest.raises(ValueError, match="Nest: cannot load: .*" + says):
        module.load(state)
    for name, x in module.state().items():
        np.testing.assert_array_equal(x, before[name])


def test_load_lists_all_that_is_wrong():
    with pytest.raises(ValueError, match="last is missing.*heads.0.weight is missing.*stray is unknown"):
        Nest().load({"stray": np.zeros(1)})


def test_zero_grad_forgets():
    part = Part(2)
    ops.sum(part(Tensor([1.0, 2.0]))).backward()
    assert part.weight.grad.numpy().tolist() == [1, 1]
    part.zero_grad()
    assert part.weight.grad is None


def test_active_modules_outermost_first_and_none_after_an_error():
    seen = []

    class Inner(Module):
        def forward(self, fail):
            seen.append(active())
            if fail:
                raise KeyError("planted")

    class Outer(Module):
        def __init__(self):
            self.inner = Inner()

        def forward(self, fail):
            self.inner(fail)

    outer = Outer()
    outer(False)
    assert seen == [[outer, outer.inner]] and active() == []
    with pytest.raises(KeyError):
        outer(True)
    assert active() == []


def test_a_module_without_forward_says_so():
    with pytest.raises(NotImplementedError, match="Empty has no forward"):
        type("Empty", (Module,), {})()()


def test_summary_of_a_layer_is_the_table_of_its_parameters():
    assert Linear(20, 60, rng=rng()).summary() == "\n".join([
        "parameter  shape     numbers",
        "weight     (20, 60)  1,200",
        "bias       (60,)     60",
        "total                1,260"])


def test_summary_of_a_core_tells_what_becomes_of_its_state():
    memory = NTMMemory(slots=4, width=2, rng=rng())
    core = MemoryAugmented(FeedForward(5, 3, rng=rng()), memory, input_size=3, output_size=1, rng=rng())
    assert core.summary(batch=7).split("\n\n")[1] == "\n".join([
        "state           shape      start            start learned  reset           gradient",
        "memory.memory   (7, 4, 2)  constant         no             every sequence  through all steps",
        "memory.weights  (7, 2, 4)  first            no             every sequence  through all steps",
        "memory.reads    (7, 1, 2)  learned vectors  yes            every sequence  through all steps"])


def test_summary_tells_each_part_of_a_model_apart():
    """Two memories in one stack, and a state that two cores name alike: each row speaks of its own module."""
    def augmented(start):
        memory = NTMMemory(slots=4, width=2, memory_start=start, rng=rng())
        return MemoryAugmented(FeedForward(5, 3, rng=rng()), memory, input_size=3, output_size=3, rng=rng())

    rows = {line.split()[0]: line.split()[4] for line in Stack(
        [augmented("constant"), augmented("learned")]).summary().splitlines() if "every sequence" in line}
    assert rows["0.memory.memory"] == "constant" and rows["1.memory.memory"] == "learned"


def test_flatten_state_names_by_path():
    stack = Stack([LSTM(2, 3, rng=rng()), Readout(3, 1, rng=rng())])
    assert [name for name, _ in flatten_state(stack.initial_state(1))] == ["0.hidden", "0.cell"]
