"""Each pass on a small program: what it removes, and that the values stay. Any of them may be applied alone."""

from importlib import import_module

import numpy as np
import pytest

from tests.record.programs import (
    BIAS,
    LARGE,
    MEMORY,
    OTHER,
    WEIGHT,
    WIDE,
    chain,
    counts,
    difference,
    erased,
    gates,
    gradient,
    read_twice,
    recurrent,
    several_steps,
    slopes,
    two_gates,
)
from tinyaug import Tensor, ops, using_dtype
from tinyaug.record import passes, record
from tinyaug.record.passes import (
    PASSES,
    adjacent,
    bulk,
    columns,
    common,
    complements,
    constants,
    dead,
    distribute,
    dot_products,
    factors,
    merge_products,
    recompute,
    scales,
    signs,
    transposes,
)
from tinyaug.record.program import Call, Slot, reads
from tinyaug.record.stacking import after_seed

pytestmark = pytest.mark.host            # programs are of arrays on the host

PROGRAMS = {    # name: (function, passes before, the pass, calls it removes, calls that are in the program after it)
    "dead": (gradient, [], dead, 2, []),
    "common": (lambda x: ops.exp(x) / ops.sum(ops.exp(x)), [], common, 1, []),
    "common, with other numbers": (lambda x: (x * 1.0, x * True, x * 0.0, x * -0.0), [], common, 0, []),
    "constants": (lambda x: x * 2.0 + 2.0 - 1, [], constants, 0, []),
    "dot_products": (lambda x: ops.sum(LARGE * (x @ WEIGHT)[:, :1] * LARGE, axis=-1), [], dot_products, 1, [np.vecdot]),
    "dot_products, too short": (lambda x: ops.sum(x * x, axis=-1), [], dot_products, 0, []),
    "columns": (recurrent, [dead, common], columns, -17, []),
    "merge_products": (several_steps, [], merge_products, -2, []),
    "transposes": (slopes, [dead, common], transposes, -1, [np.positive]),
    "transposes, of a weight that is read a few times": (recurrent, [dead, common], transposes, 0, []),
    "scales": (gates, [dead, constants], scales, 0, []),
    "scales, not where a column is read in two ways": (read_twice, [dead, constants], scales, 0, []),
    "adjacent": (gates, [dead, constants, scales], adjacent, -2, []),
    "distribute": (two_gates, [dead, common], distribute, -3, []),
    "complements": (slopes, [dead], complements, 0, []),
    "factors": (chain, [dead, common, complements], factors, -1, []),
    "signs": (difference, [dead, common], signs, 1, []),
    "recompute": (erased, [dead], recompute, -160, []),
    "recompute, too little": (difference, [dead], recompute, 0, []),
    "bulk": (slopes, [dead, complements], bulk, -2, [np.stack]),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_a_pass_removes(name):
    function, first, the_pass, removed, functions = PROGRAMS[name]
    before, after = counts(function, first), counts(function, [*first, the_pass])
    assert len(before.calls) - len(after.calls) == removed
    assert after.counts[the_pass.__name__] == len(after.calls)
    for kind in functions:
        assert kind in {call.function for call in after.calls} - {call.function for call in before.calls}


def test_merged_products_are_one():
    products = [[call for call in counts(several_steps, applied).calls if call.function is np.matmul]
                for applied in ([], [merge_products])]
    assert [len(found) for found in products] == [10, 1] and products[1][0].out.shape == (20, 3)


def test_what_does_not_wait_is_multiplied_for_all_steps_at_once():
    """Forward [x, h] W is x Wx for all four steps and h Wh in each; backward dx is one product, dh one in each."""
    program = counts(recurrent, [dead, common, columns, merge_products, dead])
    products = [(call.args[0].shape, call.out.shape) for call in program.calls if call.function is np.matmul]
    each, once = ((2, 3), (2, 3)), ((8, 3), (8, 3))
    assert sorted(products) == sorted([once] * 2 + [each] * 7 + [((6, 8), (6, 3))])     # nobody asks for the first dh
    biases = [call.out.shape for call in program.calls if call.function is np.add and call.args[1].shape == (3,)]
    assert biases == [(8, 3)]


def test_of_large_products_only_columns_that_nobody_reads_are_dropped(monkeypatch):
    monkeypatch.setattr(import_module("tinyaug.record.columns"), "FITS", 0)
    inputs = np.ones((2, 3))

    def without_inputs(x):
        w = Tensor(WIDE, requires_grad=True)
        h = x * 0.5
        for _ in range(3):
            h = ops.tanh(ops.concatenate([inputs, h], axis=-1) @ w + BIAS)
        ops.sum(h).backward()
        return w.grad

    for function, widths in ((recurrent, [3] * 4 + [6] * 4), (without_inputs, [3] * 3 + [3] * 2)):
        program = counts(function, [dead, common, columns])
        assert [call.out.shape[1] for call in program.calls if call.function is np.matmul][:-1] == widths


def test_products_that_need_each_other_stay():
    def chain(x):
        w = Tensor(WEIGHT)
        for _ in range(3):
            x = ops.tanh(x @ w)
        return x
    assert len(counts(chain, []).calls) == len(counts(chain, [merge_products]).calls)


def test_of_products_that_wait_for_each_other_one_kind_is_merged():
    """The second product with either weight needs the first with the other: merged, both would wait for ever."""
    def crossed(x):
        one, two = Tensor(WEIGHT), Tensor(OTHER)
        return x @ one @ two, x @ two @ one
    products = [call for call in counts(crossed, [merge_products]).calls if call.function is np.matmul]
    assert len(products) == 3


def test_bulk_keeps_apart_what_waits_for_each_other_through_a_view():
    slots = [Slot(i, (2, 2), np.dtype(np.float64), "call") for i in range(40)]
    label = "op (backward)", ""
    calls = [Call(np.exp, (slots[0],), {}, slots[1 + i]) for i in range(9)]
    calls += [Call(np.square, (slots[1 + i],), {}, slots[11 + i], label) for i in range(9)]
    calls += [Call(np.transpose, (slots[11], (1, 0)), {}, slots[20], label),
              Call(np.square, (slots[20],), {}, slots[21], label)]
    changed = bulk(calls, [*slots[11:20], slots[21]])
    made = [call.out for call in changed]
    assert [call.function for call in changed if call.out in (slots[20], slots[21])] == [np.transpose, np.square]
    assert all(made.index(slot) < i for i, call in enumerate(changed) for slot in reads(call) if slot in made)
    assert len({slot.number for slot in made}) == len(made)


def test_a_transposed_weight_lies_in_memory_as_it_is_read():
    upright = []
    for applied in ([dead, common], [dead, common, transposes]):
        program = counts(slopes, applied)
        right = [args[1] for function, args in program.steps if function is np.dot]
        upright.append((sum(x.flags.c_contiguous for x in right), len(right)))
    assert upright == [(11, 20), (20, 20)]       # 10 forward, 9 backward, and one for the gradient of the weight


def test_a_complement_leaves_one_product_to_the_backward_pass():
    """g - g y^2 is two calls that wait for g, g (1 - y^2) one: of ten steps ten fewer."""
    waiting = []
    for applied in ([dead], [dead, complements]):
        calls = counts(slopes, applied).calls
        late = after_seed(calls)
        waiting.append(len([call for call in calls if call.out in late and call.label[0] == "tanh (backward)"]))
    assert waiting == [20, 10]


def test_bulk_takes_the_slopes_of_all_steps_at_once():
    one, other = counts(slopes, [dead, complements]), counts(slopes, [dead, complements, bulk])
    assert len(other.steps) < len(one.steps)
    factors = [[call.out.shape for call in program.calls if call.function is np.subtract] for program in (one, other)]
    assert factors == [[(2, 3)] * 10, [(10, 2, 3)]]


def test_bulk_takes_the_slopes_of_many_steps_in_stretches():
    program = counts(lambda x: slopes(x, 140), [dead, complements, bulk])
    stretches = [call.out.shape for call in program.calls if call.function is np.subtract]
    assert stretches == [(32, 2, 3)] * 4 + [(12, 2, 3)]
    made = [call.out for call in program.calls]
    assert all(made.index(slot) < i for i, call in enumerate(program.calls) for slot in reads(call) if slot in made)


def test_of_memories_that_follow_one_from_the_other_every_eighth_is_kept():
    one, other = (counts(lambda x: erased(x, weighted=True), applied, 1) for applied in ([dead], [dead, recompute]))
    kept = []
    for program in (one, other):
        forward = {call.out for call in program.calls if call.label[0] == "multiply" and call.out.shape == MEMORY.shape}
        backward = [call for call in program.calls if call.label[0] == "multiply (backward)"]
        kept.append(forward & {slot for call in backward for slot in reads(call)})
    assert [len(found) for found in kept] == [79, 9]
    assert 3 * other.bytes < one.bytes


def test_half_a_sigmoid_goes_into_the_weights():
    before, after = (counts(gates, applied) for applied in ([dead, constants], [dead, constants, scales, adjacent]))
    halved = [[call.out.shape for call in program.calls
               if call.function is np.multiply and call.args[1].origin == "constant"] for program in (before, after)]
    assert halved == [[(2, 1)] * 4, [(3, 3), (3,), (2, 1), (2, 1)]]     # once, whatever the number of time steps
    assert [call.out.shape for call in after.calls if call.function is np.tanh] == [(2, 3)]


def test_with_the_factors_of_all_steps_in_bulk_a_step_is_shorter():
    def steps(x):
        w = Tensor(WEIGHT, requires_grad=True)
        y = x
        for _ in range(10):
            y = ops.tanh(ops.sigmoid(y @ w))
        ops.sum(y).backward()
        return w.grad
    before = [dead, complements]
    apart, together = (counts(steps, [*before, *applied]) for applied in ([bulk], [factors, bulk]))
    waiting = [len([call for call in program.calls if call.function is np.multiply and call.out.shape == (2, 3)])
               for program in (apart, together)]
    assert waiting[1] <= waiting[0] - 10


def test_numbers_become_arrays():
    program = counts(lambda x: x * 2.0 + 2.0 - 1, [constants])
    assert not any(type(x) in (int, float) for call in program.calls for x in call.args)
    assert len({id(call.args[1]) for call in program.calls}) == 2


@pytest.mark.parametrize("alone", PASSES, ids=lambda one: one.__name__)
def test_a_pass_alone_keeps_the_values(alone):
    for function, *_ in PROGRAMS.values():
        counts(function, [alone])


def test_the_passes_in_another_order_keep_the_values():
    for function, *_ in PROGRAMS.values():
        counts(function, PASSES[::-1])


def test_every_pass_is_shown_here():
    assert {row[2] for row in PROGRAMS.values()} == set(PASSES)


# what is read before a write is what was there before it

def old_and_new(x):
    """A copy of what a write changes, a product with it that is summed later, and what is there afterwards."""
    state = Tensor(STATE_NOW)
    old, squares, top = ops.reshape(+ops.reshape(state, (3, 2)), (2, 3)), state * state, ops.max(state, axis=1)
    np.copyto(STATE_NOW, (x + old).data)
    after = Tensor(STATE_NOW) * 1.0
    return old * 1.0, ops.sum(squares, axis=1), ops.maximum(top, 0.5), after, ops.sum(after * after, axis=1) + 2.0


@pytest.mark.parametrize("applied", [[], *[[one] for one in PASSES], PASSES],
                         ids=lambda applied: "+".join(one.__name__ for one in applied) or "none")
def test_no_pass_reads_across_a_write(applied, monkeypatch):
    monkeypatch.setattr(passes, "LONG", 2)
    global STATE_NOW
    found = []
    with using_dtype("float64"):
        for recorded in (False, True):
            STATE_NOW = np.ones((2, 3))
            function = record(old_and_new, passes=applied) if recorded else old_and_new
            draw = np.random.default_rng(1)
            found.append([[y.numpy().copy() for y in function(Tensor(draw.normal(size=(2, 3))))] for _ in range(4)])
            found[-1].append([STATE_NOW.copy()])
    for a, b in zip(*found):
        for one, other in zip(a, b, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12)
