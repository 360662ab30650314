"""What one op costs, forward and backward: chains of 1000 of the same op on arrays so small that only overhead is left.

Arrays are (1, 32), matmul's 32 x 32. The tape is on trial here, so ours is eager; recorded is shown beside it.
"""

from types import SimpleNamespace

import numpy as np

from tests.bench import checking_tape, smallest_tape
from tests.bench.measure import Contender, compare
from tests.bench.plain import eager_and_recorded, torch_step
from tests.bench.table import BOUND, CHECKED
from tinyaug import ops

CHAINS = {
    "tanh": lambda np, y, w: np.tanh(y),
    "add": lambda np, y, w: y + w,
    "multiply": lambda np, y, w: y * w,
    "matmul": lambda np, y, w: y @ w,
    "concatenate": lambda np, y, w: np.concatenate([y[:, 16:], y[:, :16]], 1),
    "softmax": lambda np, y, w: np.softmax(y, -1),
}
FORGETS = 4          # softmax of softmax is even soon, and its gradient 0: what is compared is a chain of 4
LENGTH = 1000


def run(case, options):
    length = 20 if options.quick else LENGTH
    if case != "softmax":
        return compare(contenders(case, length), options.quick)
    short = compare(contenders(case, FORGETS), quick=True)
    long = [contender._replace(read=None) for contender in contenders(case, length)]
    return compare(long, options.quick) | {"gradients": short["gradients"]}


def contenders(case, length):
    import torch
    x, w, c = arrays(case)

    def loss(np, x, w, c):
        y = x
        for _ in range(length):
            y = CHAINS[case](np, y, w)
        return np.sum(y * c)

    uses_w = case in ("add", "multiply", "matmul")
    inputs = {"x": x, "w": w} if uses_w else {"x": x}
    rest = (c,) if uses_w else (w, c)
    theirs = SimpleNamespace(tanh=torch.tanh, concatenate=torch.cat, softmax=torch.softmax, sum=torch.sum)
    leaves = {name: torch.tensor(array, requires_grad=True) for name, array in inputs.items()}
    constants = [torch.tensor(array) for array in rest]
    first = Contender("PyTorch eager", torch_step(lambda: loss(theirs, *leaves.values(), *constants), leaves))
    ours = eager_and_recorded(lambda *tensors: loss(ops, *tensors), inputs, constants=rest)
    return [first, *ours, *smallest(case, length, inputs, c), *autograd(loss, inputs, rest)]


def smallest(case, length, inputs, c):
    """The bounds: the same chain on a tape that does nothing else, and on one that checks what comes back."""
    def step():
        leaves = {name: smallest_tape.Number(x) for name, x in inputs.items()}
        y = leaves["x"]
        for _ in range(length):
            y = CHAINS[case](smallest_tape, y, leaves.get("w"))
        smallest_tape.backward(y, c)
        return {name: leaf.grad for name, leaf in leaves.items()}

    def checked():
        y = x = checking_tape.Number(inputs["x"])
        for _ in range(length):
            y = CHAINS[case](checking_tape, y, None)
        checking_tape.backward(y, c)
        return {"x": x.arrived}

    return [Contender(BOUND, step), *([] if "w" in inputs else [Contender(CHECKED, checked)])]


def arrays(case):
    """A start x, a second operand w that neither blows up nor vanishes in 1000 steps, and a cotangent c."""
    rng = np.random.default_rng(0)
    x, c = rng.normal(size=(2, 32 if case == "matmul" else 1, 32)).astype(np.float32)
    if case == "matmul":
        return x, np.linalg.qr(rng.normal(size=(32, 32)))[0].astype(np.float32), c
    return x, (1 + 1e-3 * rng.normal(size=(1, 32))).astype(np.float32), c


def autograd(loss, inputs, rest):
    """HIPS autograd, where it is installed."""
    try:
        import autograd
        import autograd.numpy as anp
    except ModuleNotFoundError:
        return []
    words = SimpleNamespace(tanh=anp.tanh, sum=anp.sum, concatenate=anp.concatenate,
                            softmax=lambda x, axis: _softmax(anp, x, axis))
    gradient = autograd.grad(lambda args: loss(words, *args, *rest))
    values = list(inputs.values())
    return [Contender("HIPS autograd", lambda: gradient(values), lambda found: dict(zip(inputs, found)))]


def _softmax(np, x, axis):
    parts = np.exp(x - np.max(x, axis, keepdims=True))
    return parts / np.sum(parts, axis, keepdims=True)
