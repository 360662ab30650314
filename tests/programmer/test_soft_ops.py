"""Soft and hard programs over numbers: by hand-set weights against loops, and against Python's own arithmetic."""

import numpy as np
import pytest

from tinyaug import Tensor, ops, using_dtype
from tinyaug.check import check
from tinyaug.programmer import OPERATIONS, Choice, Instruction, execute, harden, live, run_soft, write
from tinyaug.programmer.soft_ops import SMALLEST, divide

PLAIN = {"add": lambda a, b: a + b, "subtract": lambda a, b: a - b, "multiply": lambda a, b: a * b,
         "divide": lambda a, b: a / b, "maximum": max, "minimum": min}
PROGRAM = [Instruction("multiply", 1, 2), Instruction("subtract", 0, 0), Instruction("add", 0, 3)]


def weightings(rng, *shape):
    weights = rng.random(shape)
    return weights / weights.sum(axis=-1, keepdims=True)


def random_choices(rng, batch, inputs, steps):
    return [Choice(weightings(rng, batch, len(OPERATIONS)), weightings(rng, batch, inputs + t),
                   weightings(rng, batch, inputs + t)) for t in range(steps)]


def test_a_soft_program_against_loops():
    """a = sum_j left(j) v(j), b alike; the result is sum_i operation(i) f_i(a, b), and is an argument of what follows."""
    rng = np.random.default_rng(0)
    batch, draws, inputs, steps = 2, 3, 3, 3
    choices, numbers = random_choices(rng, batch, inputs, steps), rng.uniform(1, 4, (batch, draws, inputs))
    with using_dtype("float64"):
        results, everything = run_soft([Choice(*map(Tensor, choice)) for choice in choices], Tensor(numbers), OPERATIONS)
    for b in range(batch):
        for k in range(draws):
            values = list(numbers[b, k])
            for t, choice in enumerate(choices):
                left, right = (sum(w * v for w, v in zip(weights[b], values)) for weights in choice[1:])
                each = [function(left, right) for function in PLAIN.values()]
                values.append(sum(w * v for w, v in zip(choice.operation[b], each)))
                np.testing.assert_allclose(everything[t].numpy()[b, k], each, rtol=1e-12)
                np.testing.assert_allclose(results[t].numpy()[b, k], values[-1], rtol=1e-12)


def test_the_gradient_of_a_soft_program():
    rng = np.random.default_rng(1)
    flat = [weights for choice in random_choices(rng, 2, 3, 2) for weights in choice]

    def function(numbers, *weights):
        return ops.stack(run_soft([Choice(*weights[i:i + 3]) for i in (0, 3)], numbers, OPERATIONS)[0])
    check(function, rng.uniform(1, 4, (2, 3, 3)), *flat)


def test_certain_choices_are_the_hard_program():
    """One-hot weights: soft run, hardened program and its execution are one thing."""
    rng = np.random.default_rng(2)
    numbers = rng.uniform(1, 9, (1, 5, 3))
    names = list(OPERATIONS)
    choices = [Choice(*[Tensor(np.eye(size)[[index]]) for size, index in
                        ((6, names.index(step.operation)), (3 + t, step.left), (3 + t, step.right))])
               for t, step in enumerate(PROGRAM)]
    assert harden(choices, OPERATIONS) == [PROGRAM]
    soft = run_soft(choices, Tensor(numbers), OPERATIONS)[0][-1].numpy()
    hard = execute(PROGRAM, Tensor(numbers[0], dtype="float64"), OPERATIONS)[0][-1].numpy()
    np.testing.assert_allclose(soft[0], hard, rtol=1e-6)
    np.testing.assert_array_equal(hard, numbers[0, :, 0] + numbers[0, :, 1] * numbers[0, :, 2])


def test_a_program_is_written_without_the_steps_that_do_not_matter():
    assert live(PROGRAM, 3) == [0, 2]
    assert write(PROGRAM, 3) == "t1 = multiply(x2, x3); t2 = add(x1, t1)"


def test_what_is_written_says_what_is_run():
    """Python runs the printed text and comes to the same, to the last bit."""
    rng = np.random.default_rng(3)
    for _ in range(50):
        program = [Instruction(str(rng.choice(list(OPERATIONS))), *map(int, rng.integers(0, 3 + t, 2))) for t in range(3)]
        numbers = rng.uniform(1, 9, 3)
        names = dict(PLAIN) | {f"x{i + 1}": float(x) for i, x in enumerate(numbers)}
        try:
            exec(write(program, 3), names)
        except ZeroDivisionError:
            assert execute(program, Tensor(numbers, dtype="float64"), OPERATIONS)[1]
            continue
        found, by_zero = execute(program, Tensor(numbers, dtype="float64"), OPERATIONS)
        last = [name for name in names if name[0] == "t"][-1]
        if abs(names[last]) < 1e5 and not by_zero:          # beyond, a divisor was near zero, where ours is held
            assert found[-1].item() == names[last]


@pytest.mark.parametrize("b", [0.0, -0.0, 1e-9, -1e-9, 1e-30])
def test_division_by_zero_is_finite_with_its_gradient(b):
    a, b = Tensor([3.0], requires_grad=True), Tensor([b], requires_grad=True)
    quotient = divide(a, b)
    quotient.backward(Tensor([1.0]))
    sign = -1 if b.numpy()[0] < 0 else 1
    assert quotient.numpy()[0] == pytest.approx(sign * 3.0 / SMALLEST)
    assert np.isfinite(a.grad.numpy()).all() and np.isfinite(b.grad.numpy()).all()


def test_division_by_zero_is_said_and_only_where_it_matters():
    numbers = Tensor([1.0, 2.0, 2.0], dtype="float64")
    by_zero = [Instruction("subtract", 1, 2), Instruction("divide", 0, 3)]
    assert execute(by_zero, numbers, OPERATIONS)[1] == [1]
    assert execute([*by_zero, Instruction("add", 0, 1)], numbers, OPERATIONS)[1] == []
