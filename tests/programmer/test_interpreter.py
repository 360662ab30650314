"""The neural programmer-interpreter: its equations against loops, its gradient, and its stack."""

import numpy as np
import pytest

from tests.nn.models import check_module, randomised
from tinyaug import Tensor, ops, using_dtype
from tinyaug.programmer import Interpreter
from tinyaug.programmer.interpreter import run


def small(rng, later=0):
    return Interpreter(programs=3, symbols=3, hidden=3, width=2, rng=rng, later=later)


@pytest.mark.parametrize("later", [0, 2])
def test_two_steps_against_loops(later):
    """Encode what is seen, step the LSTM with the program's embedding, read end, key and arguments."""
    rng = np.random.default_rng(0)
    with using_dtype("float64"):
        net = randomised(small(rng, later), rng)
        state = net.initial_state(2)
        w = {name: x.numpy() for name, x in net.named_parameters()}
        embeddings, keys = (np.concatenate([w[f"{name}.weight"], w.get(f"later_{name}.weight", np.zeros((0, 2)))])
                            for name in ("embedding", "key"))
        program, hidden, cell = [0, 2 + later], [w["core.start_hidden"]] * 2, [w["core.start_cell"]] * 2
        for _ in range(2):
            seen = rng.integers(0, 3, (2, 4))
            said, state = net(Tensor(seen), Tensor(program), state)
            for b in range(2):
                shown = np.concatenate([np.eye(3)[symbol] for symbol in seen[b]])
                encoded = np.maximum(shown @ w["look.weight"] + w["look.bias"], 0)
                encoded = np.maximum(encoded @ w["understand.weight"] + w["understand.bias"], 0)
                x = np.concatenate([encoded, embeddings[program[b]], hidden[b]])
                i, f, g, o = np.split(x @ w["core.weight"] + w["core.bias"], 4)
                cell[b] = cell[b] / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
                hidden[b] = np.tanh(cell[b]) / (1 + np.exp(-o))
                end = hidden[b] @ w["end.weight"] + w["end.bias"]
                key = hidden[b] @ w["find.weight"] + w["find.bias"]
                np.testing.assert_allclose(said.end.numpy()[b], end[0], rtol=1e-9)
                np.testing.assert_allclose(said.program.numpy()[b], keys @ key, rtol=1e-9)
                np.testing.assert_allclose(said.arguments.numpy()[b].ravel(),
                                           hidden[b] @ w["order.weight"] + w["order.bias"], rtol=1e-9)


def test_the_gradient_of_a_whole_step():
    rng = np.random.default_rng(1)
    with using_dtype("float64"):
        net = randomised(small(rng, later=2), rng)
        seen, program = Tensor(rng.integers(0, 3, (3, 2, 4))), Tensor([4, 1])

        def function():
            state, total = net.initial_state(2), 0.0
            for look in ops.unstack(seen):
                said, state = net(look, program, state)
                total = total + ops.softplus(said.end) + ops.logsumexp(said.program, axis=-1) \
                    + ops.logsumexp(said.arguments, axis=(-1, -2))
            return total
        check_module(net, function)


class Tally:
    """A pad that notes its orders."""

    def __init__(self):
        self.orders = []

    def observe(self):
        return (len(self.orders),) * 4

    def act(self, order):
        self.orders.append(order)


def scripted(seen, running, hidden, cell):
    """Program 1 calls 2 twice, and 2 acts once: what a step says, told by the program and by its own count of steps."""
    said = []
    for program, steps in zip(running.numpy(), hidden.numpy()[:, 0]):
        said.append((steps == {1: 2, 2: 1}[int(program)], {1: 2, 2: 0}[int(program)]))
    over, call = zip(*said)
    return Tensor(np.array(over)), Tensor(np.array(call)), Tensor(np.array([[7, 8, 9]] * len(said))), hidden + 1, cell


def test_the_stack_brings_back_the_state_of_the_caller():
    """A call starts afresh; when it is over, its caller goes on where it was. Two pads side by side, each call noted."""
    start, noted = (Tensor(np.zeros((1, 2))), Tensor(np.zeros((1, 2)))), []
    pads = [Tally(), Tally()]
    ended = run(scripted, pads, 1, start=start, act=0, limit=50, note=lambda i, call: noted.append((i, call)))
    assert ended == [True, True] and all(pad.orders == [(7, 8, 9)] * 2 for pad in pads)
    assert [(call.depth, call.program) for i, call in noted if i == 0] == [(1, 2), (2, 0), (1, 2), (2, 0)]
    assert [call.seen for i, call in noted if i == 1] == [(0,) * 4, (0,) * 4, (1,) * 4, (1,) * 4]


def test_a_program_that_does_not_end_is_told():
    start = (Tensor(np.zeros((1, 2))), Tensor(np.zeros((1, 2))))
    assert run(scripted, [Tally()], 1, start=start, act=0, limit=4) == [False]
