"""Programs over numbers, soft and hard: operations in a dict, and two ways to run a program of them.

A program is a list of steps. Each step applies an operation to two arguments, which are inputs (x1, x2, ...) or results of
earlier steps (t1, t2, ...). The last result is the answer. In a soft program all three choices of a step are
distributions, so it has a gradient; in a hard one each is the likeliest.
"""

from typing import NamedTuple

from tinyaug import ops
from tinyaug.autograd import Tensor, as_tensor

__all__ = ["OPERATIONS", "Choice", "Instruction", "divide", "execute", "harden", "live", "run_soft", "write"]

SMALLEST = 1e-6     # how close to zero a divisor may come: what is divided by it, and by its square, still fits float32


def divide(a, b):
    """a / b; where |b| < 1e-6, a / 1e-6 with the sign of b (0 counts as positive). Finite, and so is the gradient."""
    return a / ops.where(b < 0, ops.minimum(b, -SMALLEST), ops.maximum(b, SMALLEST))


OPERATIONS = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": divide,
    "maximum": ops.maximum,
    "minimum": ops.minimum,
}


class Choice(NamedTuple):
    """One step of a soft program: three distributions. A = inputs and earlier results."""

    operation: Tensor                 # (..., O)
    left: Tensor                      # (..., A)
    right: Tensor                     # (..., A)


class Instruction(NamedTuple):
    """One step of a hard program. An argument below the number of inputs is an input, the others are results."""

    operation: str
    left: int
    right: int


def run_soft(choices, inputs, operations):
    """Run a soft program: every operation is applied, and the results are averaged by its distribution.

        a = sum_j left(j) v(j)      b = sum_j right(j) v(j)      v(N + t) = sum_i operation(i) f_i(a, b)

    choices: a Choice a step, (..., O) and (..., A); inputs: (..., K, N), K draws of numbers for one program
    returns: the results of the steps, (..., K) each, and for each step those of all operations (..., K, O)
    """
    values = list(ops.unstack(inputs, axis=-1))
    results, everything = [], []
    for choice in choices:
        known = ops.stack(values, axis=-1)                                                  # (..., K, A)
        a, b = (_mean(known, weights) for weights in (choice.left, choice.right))
        each = ops.stack([function(a, b) for function in operations.values()], axis=-1)    # (..., K, O)
        results.append(_mean(each, choice.operation))
        everything.append(each)
        values.append(results[-1])
    return results, everything


def _mean(values, weights):
    """values (..., K, A) averaged by weights (..., A) -> (..., K)"""
    return ops.squeeze(values @ ops.expand_dims(weights, -1), axis=-1)


def harden(choices, operations):
    """The likeliest program of each row of the batch. choices: (B, O) and (B, A) -> B lists of Instructions"""
    names = list(operations)
    best = [[ops.argmax(weights, axis=-1).numpy().tolist() for weights in choice] for choice in choices]
    return [[Instruction(names[i], left, right) for i, left, right in steps]
            for steps in zip(*[zip(*step) for step in best])]


def live(program, inputs):
    """The numbers of the steps that the answer depends on, in order. inputs: how many there are."""
    needed, open_ = set(), [len(program) - 1]
    while open_:
        step = open_.pop()
        needed.add(step)
        open_ += [argument - inputs for argument in program[step][1:] if argument >= inputs]
    return sorted(needed)


def execute(program, inputs, operations):
    """Run a hard program. inputs: (..., N) -> the results of all steps (...), and which live steps divide by zero."""
    inputs = as_tensor(inputs)
    values = list(ops.unstack(inputs, axis=-1))
    for name, left, right in program:
        values.append(operations[name](values[left], values[right]))
    by_zero = [step for step in live(program, inputs.shape[-1])
               if program[step].operation == "divide" and (values[program[step].right].numpy() == 0).any()]
    return values[inputs.shape[-1]:], by_zero


def write(program, inputs):
    """A hard program as text, without steps that the answer does not depend on: t1 = multiply(x2, x3); t2 = add(x1, t1)."""
    kept = live(program, inputs)
    names = {i: f"x{i + 1}" for i in range(inputs)} | {inputs + step: f"t{i + 1}" for i, step in enumerate(kept)}
    return "; ".join(f"{names[inputs + step]} = {program[step].operation}({names[program[step].left]}, "
                     f"{names[program[step].right]})" for step in kept)
