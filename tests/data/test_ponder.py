"""Generators of what takes some inputs longer to think about: every answer against a loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyaug.data.ponder import GATES, addition, logic, parity, sort

seeds = st.integers(0, 2 ** 32)


@given(seeds, st.integers(1, 5), st.integers(1, 20))
def test_parity(seed, batch, size):
    inputs, targets = parity(np.random.default_rng(seed), batch, size)
    assert inputs.shape == (1, batch, size) and targets.shape == (1, batch, 1) and inputs.dtype == np.float32
    for vector, target in zip(inputs[0].tolist(), targets[0, :, 0]):
        assert set(vector) <= {-1, 0, 1} and any(vector)
        assert target == vector.count(1) % 2


def test_parity_draws_the_number_of_elements_evenly_and_their_places_too():
    inputs, targets = parity(np.random.default_rng(0), 20000, 8, 3, 6)
    count = np.abs(inputs[0]).sum(axis=1)
    assert all(abs((count == n).mean() - 1 / 4) < 0.02 for n in (3, 4, 5, 6))
    assert np.abs(np.abs(inputs[0]).mean(axis=0) - 4.5 / 8).max() < 0.02 and abs(targets.mean() - 0.5) < 0.02
    assert abs(inputs.mean()) < 0.01


def gate(name, p, q):
    """The gates in words."""
    return {"NOR": not (p or q), "Xq": q and not p, "ABJ": p and not q, "XOR": p != q, "NAND": not (p and q),
            "AND": p and q, "XNOR": p == q, "if/then": q or not p, "then/if": p or not q, "OR": p or q}[name]


def test_the_gates_are_those_of_the_papers_table():
    for name, column in GATES.items():
        assert [bool(gate(name, p, q)) for p, q in ((1, 1), (1, 0), (0, 1), (0, 0))] == [bool(x) for x in column], name
    assert len(set(GATES.values())) == 10


@given(seeds, st.integers(1, 4), st.integers(1, 10), st.integers(1, 10))
def test_logic(seed, batch, length, gates):
    inputs, targets = logic(np.random.default_rng(seed), batch, length, gates)
    assert inputs.shape == (length, batch, 2 + 10 * gates) and targets.shape == (length, batch, 1)
    names = list(GATES)
    for b in range(batch):
        result = None
        for t in range(length):
            before, bit = inputs[t, b, :2].astype(bool)
            if t:
                assert not before
                before = result
            chunks = inputs[t, b, 2:].reshape(gates, 10)
            used = int(chunks.sum())
            assert 1 <= used <= gates and (chunks[:used].sum(axis=1) == 1).all() and not chunks[used:].any()
            for chunk in chunks[:used]:
                before, bit = bit, bool(gate(names[chunk.argmax()], bit, before))
            result = bit
            assert targets[t, b, 0] == result


@given(seeds, st.integers(1, 4), st.integers(1, 5), st.integers(1, 5))
def test_addition(seed, batch, length, digits):
    inputs, targets = addition(np.random.default_rng(seed), batch, length, digits)
    assert inputs.shape == (length, batch, 10 * digits) and targets.shape == (length, batch, digits + 1)
    for b in range(batch):
        total = 0
        for t in range(length):
            chunks = inputs[t, b].reshape(digits, 10)
            used = int(chunks.sum())
            assert 1 <= used <= digits and (chunks[:used].sum(axis=1) == 1).all() and not chunks[used:].any()
            text = "".join(str(chunk.argmax()) for chunk in chunks[:used])[::-1]
            assert text == str(int(text))                           # no leading zero
            total += int(text)
            said = targets[t, b].tolist()
            if t == 0:
                assert set(said) == {-1}
            else:
                units_first = [int(digit) for digit in str(total)[::-1]]
                assert said == units_first + [10] * (digits + 1 - len(units_first))


@given(seeds, st.integers(1, 4), st.integers(1, 10))
def test_sort(seed, batch, length):
    inputs, targets = sort(np.random.default_rng(seed), batch, length, classes=10, gap=0.02)
    assert inputs.shape == (2 * length, batch, 2) and targets.shape == (2 * length, batch, 1)
    assert (targets[:length] == -1).all() and not inputs[length:].any()
    assert (inputs[:, :, 1].sum(axis=0) == 1).all() and (inputs[length - 1, :, 1] == 1).all()
    for b in range(batch):
        order = targets[length:, b, 0]
        assert sorted(order) == list(range(length))
        assert (np.diff(inputs[order, b, 0].astype(float)) >= 0.02 - 1e-6).all()


@pytest.mark.parametrize("length, gap", [(11, 0.0), (10, 0.3)])
def test_numbers_that_do_not_fit(length, gap):
    with pytest.raises(ValueError, match="sort: .* expected at most 10"):
        sort(np.random.default_rng(0), 1, length, classes=10, gap=gap)


@pytest.mark.parametrize("draw", [lambda rng: parity(rng, 3), lambda rng: logic(rng, 3, 4), lambda rng: addition(rng, 3, 4),
                                  lambda rng: sort(rng, 3, 4)])
def test_the_generator_is_the_only_source_of_chance(draw):
    rng = np.random.default_rng(5)
    first = draw(rng)[0]
    assert np.array_equal(first, draw(np.random.default_rng(5))[0]) and not np.array_equal(first, draw(rng)[0])
