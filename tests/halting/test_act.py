"""Adaptive computation time: the paper's equations against loops, the gradient of the cost, and who has halted."""

import numpy as np
import pytest

from tests.halting import loops
from tests.nn.models import check_module, ntm, randomised
from tinyaug import Tensor, ops, using_dtype
from tinyaug.check import check
from tinyaug.halting import ACT, halting_weights
from tinyaug.nn import GRU, LSTM, RNN, HiddenState, flatten_state, unroll
from tinyaug.nn.cells import repeat_for_batch
from tinyaug.nn.module import Constant, Module
from tinyaug.record import record

D, H = 2, 3


def model(core=RNN, limit=6, seed=0, scale=0.8, **options):
    rng = np.random.default_rng(seed)
    return randomised(ACT(core(D + 1, H, rng=rng), limit=limit, rng=rng, **options), rng, scale)


def columns(*halting):
    """Halting probabilities of a few examples, each as long as the others, as a Tensor (N, B)."""
    return Tensor(np.transpose(halting))


@pytest.mark.parametrize("h, epsilon, weights, steps, remainder", [
    ([0.2, 0.3, 0.4, 0.5, 0.9], 0.01, [0.2, 0.3, 0.4, 0.1, 0.0], 4, 0.1),
    ([0.2, 0.3, 0.4, 0.5, 0.9], 0.15, [0.2, 0.3, 0.5, 0.0, 0.0], 3, 0.5),        # 0.9 is enough
    ([0.995, 0.5, 0.5, 0.5, 0.5], 0.01, [1.0, 0.0, 0.0, 0.0, 0.0], 1, 1.0),      # a single step
    ([0.1, 0.1, 0.1, 0.1, 0.1], 0.01, [0.1, 0.1, 0.1, 0.1, 0.6], 5, 0.6),        # the limit
    ([0.25, 0.25, 0.5, 0.1, 0.1], 0.25, [0.25, 0.25, 0.5, 0.0, 0.0], 3, 0.5),    # 1 - epsilon is reached exactly after 3
])
def test_weights_steps_and_remainder_by_hand(h, epsilon, weights, steps, remainder):
    with using_dtype("float64"):
        got = halting_weights(columns(h), epsilon)
    np.testing.assert_allclose(got[0].numpy()[:, 0], weights, atol=1e-15)
    assert got[1].numpy().tolist() == [steps]
    np.testing.assert_allclose(got[2].numpy(), [remainder], atol=1e-15)


@pytest.mark.parametrize("limit", [1, 2, 7])
@pytest.mark.parametrize("epsilon", [0.01, 0.3])
def test_weights_against_loops_and_their_sum_is_1(limit, epsilon):
    h = np.random.default_rng(limit).uniform(0, 0.7, (limit, 200)).astype(np.float32)
    weights, steps, remainder = (x.numpy() for x in halting_weights(Tensor(h), epsilon))
    assert np.abs(weights.sum(axis=0) - 1).max() < 1e-6 and weights.dtype == np.float32 and weights.min() >= 0
    for b in range(200):
        N, R, p = loops.halt(h[:, b].astype(float).tolist(), epsilon, limit)
        assert steps[b] == N and remainder[b] == pytest.approx(R, abs=1e-6)
        np.testing.assert_allclose(weights[:, b], [*p, *[0.0] * (limit - N)], atol=1e-6)


def test_the_gradient_of_the_cost_is_the_papers():
    """d(N + R)/dh^n = -1 for n < N and 0 from N on (section 2.2): N is constant, though it jumps."""
    with using_dtype("float64"):
        h = Tensor(np.transpose([[0.2, 0.3, 0.4, 0.5, 0.9], [0.995, 0.5, 0.5, 0.5, 0.5]]), requires_grad=True)
        _, steps, remainder = halting_weights(h, 0.01)
        assert not steps.requires_grad
        ops.sum(steps + remainder).backward()
    np.testing.assert_array_equal(h.grad.numpy().T, [[-1, -1, -1, 0, 0], [0, 0, 0, 0, 0]])


def test_the_gradient_of_the_weights_is_the_papers():
    """dp^n/dh^m = 1 for m = n < N, -1 for n = N and m < N, else 0: whatever is looked at in the mean."""
    with using_dtype("float64"):
        h = Tensor([[0.2], [0.3], [0.4], [0.5]], requires_grad=True)
        for n, row in enumerate([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [-1, -1, -1, 0]]):
            h.grad = None
            halting_weights(h, 0.01)[0][n, 0].backward()
            np.testing.assert_array_equal(h.grad.numpy()[:, 0], row)


def test_the_cost_is_not_continuous_and_its_gradient_is_that_of_one_side():
    """A little more probability, one step less: the cost falls by 1 + R's jump, which no gradient tells."""
    def cost(first):
        _, steps, remainder = halting_weights(columns([first, 0.5, 0.5]), 0.1)
        return (steps + remainder).item()

    with using_dtype("float64"):
        assert cost(0.399) - cost(0.401) == pytest.approx(1 + (0.101 - 0.599), abs=1e-6)
        check(lambda h: halting_weights(h, 0.1)[2], np.array([[0.2], [0.5], [0.9]]))


def test_three_inputs_against_loops():
    """State and output are means over the steps; the mark is 1 at the first step; the next input goes on from the mean."""
    for seed in range(5):
        with using_dtype("float64"):
            core = model(seed=seed, epsilon=0.05)
            inputs = np.random.default_rng(seed).normal(size=(3, 1, D))
            outputs, state = unroll(core, Tensor(inputs), trace=(states := []))
        expected = loops.act_rnn({name: x.tolist() for name, x in core.state().items()}, inputs[:, 0].tolist(), 0.05, 6)
        for t, (y, N, _) in enumerate(expected):
            np.testing.assert_allclose(outputs.numpy()[t, 0], y, rtol=1e-9, atol=1e-12)
            np.testing.assert_allclose(states[t].core.hidden.numpy()[0], y, rtol=1e-9, atol=1e-12)
            assert states[t].steps.numpy() == [N]
        assert state.ponder_cost.numpy()[0] == pytest.approx(sum(N + R for _, N, R in expected), rel=1e-12)
    assert max(N for _, N, _ in expected) > 1


def test_at_first_it_takes_two_steps():
    core = ACT(RNN(D + 1, H, rng=np.random.default_rng(0)), rng=np.random.default_rng(0))
    _, state = core(Tensor(np.zeros((4, D))), core.initial_state(4))
    assert core.halting.bias.numpy().tolist() == [1.0] and state.steps.numpy().tolist() == [2.0] * 4


class Counter(Module):
    """A core that counts its calls in its state and gives what it sees: x -> (x + count, count + 1)."""

    input_size = output_size = D + 1

    def __init__(self):
        self.start = Constant(np.zeros(1))

    def initial_state(self, batch):
        return HiddenState(repeat_for_batch(self.start, batch))

    def forward(self, x, state):
        return x + state.hidden, HiddenState(state.hidden + 1)


def halting_by(core, bias, weight=(0.0, 0.0, 0.0), **options):
    """ACT over a core with a halting unit set by hand."""
    act = ACT(core, rng=np.random.default_rng(0), **options)
    act.load(act.state() | {"halting.weight": np.array(weight)[:, None], "halting.bias": np.array([bias])})
    return act


def test_the_mark_of_the_first_step_and_the_means_by_hand():
    """h = 1/2 at every step and epsilon 0.01: two steps of weight 1/2. Marks 1 and 0, counts 0 and 1."""
    act = halting_by(Counter(), 0.0)
    y, state = act(Tensor([[3.0, 5.0]]), act.initial_state(1))
    np.testing.assert_array_equal(y.numpy(), [[3.5, 5.5, 1.0]])          # the mean of [3, 5, 1] and [4, 6, 1]: 0 + count
    np.testing.assert_array_equal(state.core.hidden.numpy(), [[1.5]])    # of 1 and 2
    assert (state.steps.item(), state.ponder_cost.item()) == (2.0, 2.5)
    thought, _ = act.ponder(Tensor([[3.0, 5.0]]), act.initial_state(1))
    np.testing.assert_array_equal(thought.outputs.numpy()[:2, 0], [[3, 5, 1], [4, 6, 1]])


def together_and_alone(core, inputs):
    """The outputs and last states of a batch, and of each of its rows alone, to the bit."""
    outputs, state = unroll(core, Tensor(inputs))
    everything = [outputs.numpy(), *[x.numpy()[None] for _, x in flatten_state(state)]]
    for b in range(inputs.shape[1]):
        alone, state = unroll(core, Tensor(inputs[:, b:b + 1]))
        yield b, everything, [alone.numpy(), *[x.numpy()[None] for _, x in flatten_state(state)]]


def test_whoever_has_halted_changes_nothing_to_the_bit():
    """Examples that halt after 1, 2 and 5 steps: in one batch, each is what it is alone, where nobody else thinks on."""
    act = halting_by(Counter(), -3.0, weight=(3.0, 0.0, 0.0), limit=5)
    inputs = np.array([[[3.0, 0.0], [0.9, 1.0], [-3.0, 2.0]]] * 3)
    counts = unroll(act, Tensor(inputs[:1]))[1].steps.numpy().tolist()
    assert len(set(counts)) == 3
    for b, batch, alone in together_and_alone(act, inputs):
        for a, c in zip(batch, alone):
            assert np.ascontiguousarray(a[:, b]).tobytes() == a[:, b:b + 1].tobytes() == c.tobytes()


@pytest.mark.parametrize("core", [RNN, LSTM, GRU])
def test_to_the_limit_or_not_is_the_same_to_the_bit(core, monkeypatch):
    """The loop that stops when all have halted, and the one that cannot look: outputs and states; gradients but for the
    order of sums."""
    results = []
    act, inputs = model(core, limit=9, seed=3), np.random.default_rng(1).normal(size=(4, 3, D))
    for look in (True, False):
        monkeypatch.setattr("tinyaug.halting.act.may_look", lambda x, look=look: look)
        act.zero_grad()
        outputs, state = unroll(act, Tensor(inputs))
        ops.sum(outputs * outputs + ops.sum(state.ponder_cost)).backward()
        results.append(([outputs.numpy(), *[x.numpy() for _, x in flatten_state(state)]],
                        [x.grad.numpy() for x in act.parameters()]))
        steps = [len(act.ponder(Tensor(x), act.initial_state(3))[0].outputs) for x in inputs]
        assert max(steps) < 9 if look else min(steps) == 9
    (early, slopes), (late, others) = results
    for a, b in zip(early, late):
        np.testing.assert_array_equal(a, b)
    for a, b in zip(slopes, others):                # sums over more steps, by zeros
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)


@pytest.mark.host
def test_recorded_it_takes_other_numbers_of_steps_than_when_it_was_recorded():
    """What is recorded on a batch that halts at once is right for one that thinks to the limit."""
    act = halting_by(Counter(), -3.0, weight=(3.0, 0.0, 0.0), limit=5)

    def run(x):
        y, state = act(x, act.initial_state(2))
        return y, state.steps, state.ponder_cost

    recorded = record(run, passes=[])
    for first in (3.0, -3.0, 0.9):
        x = Tensor([[first, 1.0], [first + 0.1, 2.0]])
        for a, b in zip(recorded(x), run(x)):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert len(recorded.programs) == 1


@pytest.mark.parametrize("core", [RNN, LSTM])
def test_a_whole_step_with_its_cost(core):
    """Error of a readout plus the ponder cost, by inputs and all parameters, the halting unit's among them."""
    with using_dtype("float64"):
        rng = np.random.default_rng(4)
        act = model(core, limit=4, seed=2)

        def step(inputs, targets):
            outputs, state = unroll(act, inputs)
            return ops.mean_squared_error(outputs, targets) + 0.1 * ops.mean(state.ponder_cost)

        check_module(act, step, rng.normal(size=(3, 2, D)), rng.normal(size=(3, 2, H)))


def test_the_memory_is_averaged_too():
    """ACT over an NTM: memory and weightings after an input are the means of those after its steps."""
    rng = np.random.default_rng(0)
    with using_dtype("float64"):
        inner = randomised(ntm(LSTM)(rng), rng)
        act = halting_by(inner, 0.0, weight=(0.0,) * 4)
        x = Tensor(rng.normal(size=(2, 2)))
        _, state = act(x, act.initial_state(2))
        one = inner(ops.concatenate([x, Tensor(np.ones((2, 1)))], axis=-1), inner.initial_state(2))[1]
        two = inner(ops.concatenate([x, Tensor(np.zeros((2, 1)))], axis=-1), one)[1]
    for name in ("memory", "weights", "reads"):
        mean = (getattr(one.memory, name).numpy() + getattr(two.memory, name).numpy()) / 2
        np.testing.assert_allclose(getattr(state.core.memory, name).numpy(), mean, atol=1e-12)
    np.testing.assert_allclose(state.core.memory.weights.numpy().sum(axis=-1), 1, atol=1e-9)


def test_the_trace_is_the_run_itself():
    act = model(LSTM, limit=5)
    inputs = Tensor(np.random.default_rng(0).normal(size=(4, 3, D)))
    trace = act.trace(inputs)
    assert {name: x.shape for name, x in trace.items()} == {
        "output": (4, 3, H), "outputs": (4, 5, 3, H), "halting": (4, 5, 3), "weights": (4, 5, 3), "steps": (4, 3),
        "remainder": (4, 3), "ponder_cost": (4, 3)}
    outputs, state = unroll(act, inputs, trace=(states := []))
    np.testing.assert_array_equal(trace["output"].numpy(), outputs.numpy())
    np.testing.assert_array_equal(trace["steps"].numpy(), [state.steps.numpy() for state in states])
    np.testing.assert_allclose(trace["ponder_cost"].numpy().sum(axis=0), state.ponder_cost.numpy(), rtol=1e-6)
    np.testing.assert_allclose((trace["weights"].numpy()[..., None] * trace["outputs"].numpy()).sum(axis=1),
                               outputs.numpy(), atol=1e-6)


@pytest.mark.parametrize("options, says", [
    ({"epsilon": 0.0}, "ACT: epsilon 0.0, expected more than 0 and less than 1, such as 0.01"),
    ({"epsilon": 1.0}, "ACT: epsilon 1.0, expected"),
    ({"epsilon": -0.1}, "ACT: epsilon -0.1, expected"),
    ({"limit": 0}, "ACT: a limit of 0 steps, expected at least 1"),
])
def test_a_setting_that_cannot_be(options, says):
    with pytest.raises(ValueError, match=says):
        model(**options)


class Whole(Counter):
    """A core that counts in whole numbers."""

    def initial_state(self, batch):
        return HiddenState(Tensor(np.zeros((batch, 1), int), dtype=int))


def test_a_state_without_a_mean_is_refused_by_name():
    with pytest.raises(TypeError, match="ACT: state hidden of Whole is int64, expected floats: the state is averaged"):
        ACT(Whole(), rng=np.random.default_rng(0))
