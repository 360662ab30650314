"""Problems that take some inputs longer to think about than others (Graves 2016, section 3).

Each returns inputs (T, B, D) in float32 and targets (T, B, P): the right class at P places of every step, -1 where no
answer is due.
"""

import numpy as np

__all__ = ["GATES", "addition", "logic", "parity", "sort"]

# The paper's table 1: what a gate says to (P, Q) = (1, 1), (1, 0), (0, 1), (0, 0). All gates of two inputs that need both.
GATES = {"NOR": (0, 0, 0, 1), "Xq": (0, 0, 1, 0), "ABJ": (0, 1, 0, 0), "XOR": (0, 1, 1, 0), "NAND": (0, 1, 1, 1),
         "AND": (1, 0, 0, 0), "XNOR": (1, 0, 0, 1), "if/then": (1, 0, 1, 1), "then/if": (1, 1, 0, 1), "OR": (1, 1, 1, 0)}


def parity(rng, batch, size=16, least=1, most=None):
    """Is the number of +1 odd? `least` to `most` (all, if None) elements are +1 or -1, the others 0 (section 3.1).

    returns: inputs (1, B, size); targets (1, B, 1), 1 for odd
    """
    count = rng.integers(least, (size if most is None else most) + 1, (batch, 1))
    order = rng.random((batch, size)).argsort(axis=1)
    inputs = np.where(order < count, rng.integers(0, 2, (batch, size)) * 2 - 1, 0)
    targets = (inputs == 1).sum(axis=1) % 2
    return inputs[None].astype(np.float32), targets[None, :, None]


def logic(rng, batch, length, gates=10):
    """Two bits and a list of gates; each gate takes the last two bits and appends one (section 3.2).

        b_{i+1} = gate_i(b_i, b_{i-1}),  i = 1 .. G

    A step has b_0, b_1 and G of `gates` chunks, each a gate of GATES one-hot, G drawn evenly; the other chunks are 0. The
    target is the last bit. From the second step on, b_0 is the target of the step before, and its input is 0.

    returns: inputs (length, B, 2 + 10 gates); targets (length, B, 1)
    """
    tables = np.array(list(GATES.values()))
    bits = rng.integers(0, 2, (length, batch, 2))
    bits[1:, :, 0] = 0
    chosen = rng.integers(0, len(tables), (length, batch, gates))
    count = rng.integers(1, gates + 1, (length, batch))
    used = np.arange(gates) < count[..., None]
    chunks = np.eye(len(tables))[chosen] * used[..., None]
    inputs = np.concatenate([bits, chunks.reshape(length, batch, -1)], axis=-1)
    targets = np.empty((length, batch, 1), int)
    for t in range(length):
        before, bit = bits[t, :, 0] if t == 0 else targets[t - 1, :, 0], bits[t, :, 1]
        for i in range(gates):
            after = tables[chosen[t, :, i], 3 - 2 * bit - before]
            before, bit = np.where(used[t, :, i], bit, before), np.where(used[t, :, i], after, bit)
        targets[t, :, 0] = bit
    return inputs.astype(np.float32), targets


def addition(rng, batch, length, digits=5):
    """Numbers of 1 to `digits` digits; say the sum of all so far (section 3.3).

    A number is its digits one-hot, the units first, and 0 where it has no more. The answer has digits + 1 places of 11
    classes, the units first: 0 to 9, and 10 where the sum has no more. None is due at the first step.

    returns: inputs (length, B, 10 digits); targets (length, B, digits + 1)

    Deviation: the units stand first, so that each digit of all numbers has a place of its own.
    """
    count = rng.integers(1, digits + 1, (length, batch, 1))
    number = rng.integers(0, 10, (length, batch, digits))
    first = rng.integers(1, 10, (length, batch, digits))
    place = np.arange(digits)
    number = np.where((place == count - 1) & (count > 1), first, number)               # no leading zero but in 0 itself
    used = place < count
    inputs = np.eye(10)[number] * used[..., None]
    total = (number * used * 10 ** place).sum(axis=-1).cumsum(axis=0)[..., None]
    power = 10 ** np.arange(digits + 1)
    targets = np.where((total >= power) | (power == 1), total // power % 10, 10)
    targets[0] = -1
    return inputs.reshape(length, batch, -1).astype(np.float32), targets


def sort(rng, batch, length, classes=15, gap=0.0):
    """Random numbers, one a step, the last one marked; then say their positions from the smallest up (section 3.4).

    Numbers are normal, drawn again until no two are closer than `gap`; two that nobody can tell apart have no answer.

    returns: inputs (2 length, B, 2): number and mark; targets (2 length, B, 1), each below `classes`

    raises: ValueError for more numbers than classes, or a gap at which numbers hardly fit
    """
    if length > classes or gap * length > 2:
        raise ValueError(f"sort: {length} numbers with a gap of {gap}, expected at most {classes} and a gap of at most "
                         f"{2 / length:.2g}")
    numbers = rng.normal(size=(batch, length))
    while (close := (np.diff(np.sort(numbers, axis=1), axis=1) < gap).any(axis=1)).any():
        numbers[close] = rng.normal(size=(close.sum(), length))
    inputs = np.zeros((2 * length, batch, 2), np.float32)
    inputs[:length, :, 0] = numbers.T
    inputs[length - 1, :, 1] = 1.0
    targets = np.full((2 * length, batch, 1), -1)
    targets[length:, :, 0] = numbers.argsort(axis=1).T
    return inputs, targets
