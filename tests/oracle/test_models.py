"""Cells and the Neural Turing Machine against HIPS autograd: outputs and every gradient, to 1e-10 in float64.

Each model is written once more on `autograd.numpy`, from its equations: `begin(p, batch)` gives the first state and
`step(p, x, state)` the output and the next one; p is a dict of arrays, {parameter's name: value}.
"""

import numpy
import pytest

from tests.nn.models import ntm, randomised
from tinyaug import Tensor, using_dtype
from tinyaug.nn import GRU, LSTM, RNN, FeedForward, Readout, Stack, unroll

autograd = pytest.importorskip("autograd", reason="HIPS autograd is not installed (extra `test`)")
np = pytest.importorskip("autograd.numpy", reason="HIPS autograd is not installed (extra `test`)")
pytestmark = [pytest.mark.oracle, pytest.mark.host]

T, B, D, H = 5, 3, 3, 4


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def softplus(x):
    return np.logaddexp(0.0, x)


def under(p, prefix):
    """The parameters of the part of that name."""
    return {name.removeprefix(prefix + "."): x for name, x in p.items() if name.startswith(prefix + ".")}


def start(row, batch):
    return np.tile(row, (batch,) + (1,) * len(row.shape))


class lstm:
    @staticmethod
    def begin(p, batch):
        return start(p["start_hidden"], batch), start(p["start_cell"], batch)

    @staticmethod
    def step(p, x, state):
        h, c = state
        z = np.dot(np.concatenate([x, h], axis=1), p["weight"]) + p["bias"]
        n = z.shape[1] // 4
        i, f, g, o = sigmoid(z[:, :n]), sigmoid(z[:, n:2 * n]), np.tanh(z[:, 2 * n:3 * n]), sigmoid(z[:, 3 * n:])
        c = f * c + i * g
        h = o * np.tanh(c)
        return h, (h, c)


class gru:
    @staticmethod
    def begin(p, batch):
        return start(p["start_hidden"], batch)

    @staticmethod
    def step(p, x, h):
        z = sigmoid(np.dot(np.hstack([x, h]), p["gates.weight"]) + p["gates.bias"])
        r, u = z[:, :h.shape[1]], z[:, h.shape[1]:]
        n = np.tanh(np.dot(np.hstack([x, r * h]), p["candidate.weight"]) + p["candidate.bias"])
        h = u * h + (1 - u) * n
        return h, h


class rnn:
    begin = gru.begin

    @staticmethod
    def step(p, x, h):
        h = np.tanh(np.dot(np.hstack([x, h]), p["linear.weight"]) + p["linear.bias"])
        return h, h


class readout:
    @staticmethod
    def begin(p, batch):
        return ()

    @staticmethod
    def step(p, x, state):
        return np.dot(x, p["linear.weight"]) + p["linear.bias"], ()


class feed_forward:
    begin = readout.begin

    @staticmethod
    def step(p, x, state):
        return np.tanh(readout.step(p, x, state)[0]), ()


def stack(*cores):
    class stacked:
        @staticmethod
        def begin(p, batch):
            return [core.begin(under(p, f"cores.{k}"), batch) for k, core in enumerate(cores)]

        @staticmethod
        def step(p, x, states):
            after = []
            for k, core in enumerate(cores):
                x, state = core.step(under(p, f"cores.{k}"), x, states[k])
                after.append(state)
            return x, after
    return stacked


def machine(controller, read_heads, write_heads, width):
    heads = read_heads + write_heads

    class neural_turing_machine:
        @staticmethod
        def begin(p, batch):
            m = [start(p[f"memory.start_{name}"], batch) for name in ("memory", "weights", "reads")]
            return controller.begin(under(p, "controller"), batch), m

        @staticmethod
        def step(p, x, state):
            inner, (m, before, r) = state
            h, inner = controller.step(under(p, "controller"), np.hstack([x, r.reshape(len(x), -1)]), inner)
            z = np.dot(h, p["control.weight"]) + p["control.bias"]
            one = width + 6
            writing = z[:, heads * one:].reshape(len(x), write_heads, 2 * width)
            after = []
            for k in range(heads):                                              # one head after the other
                o = z[:, k * one:(k + 1) * one]
                key, strength = np.tanh(o[:, :width]), softplus(o[:, width:width + 1])
                gate, s = sigmoid(o[:, width + 1:width + 2]), softmax(o[:, width + 2:width + 5])
                gamma = 1 + softplus(o[:, width + 5:])
                lengths = np.sqrt(np.sum(key ** 2, 1)[:, None] + 1e-8) * np.sqrt(np.sum(m ** 2, 2) + 1e-8)
                w = softmax(strength * np.einsum("bw,bnw->bn", key, m) / lengths)
                w = gate * w + (1 - gate) * before[:, k]
                w = s[:, :1] * np.roll(w, -1, 1) + s[:, 1:2] * w + s[:, 2:] * np.roll(w, 1, 1)
                w = (w + 1e-12) ** gamma
                after.append(w / np.sum(w, axis=1, keepdims=True))
            r = np.stack([np.einsum("bn,bnw->bw", w, m) for w in after[:read_heads]], axis=1)
            for k in range(write_heads):
                m = m * (1 - after[read_heads + k][:, :, None] * sigmoid(writing[:, k, None, :width]))
            for k in range(write_heads):
                m = m + after[read_heads + k][:, :, None] * np.tanh(writing[:, k, None, width:])
            y = np.dot(np.hstack([h, r.reshape(len(x), -1)]), p["output.weight"]) + p["output.bias"]
            return y, (inner, (m, np.stack(after, axis=1), r))
    return neural_turing_machine


def run(reference, p, inputs):
    """Outputs (T, B, H) of the reference."""
    state, outputs = reference.begin(p, inputs.shape[1]), []
    for x in inputs:
        y, state = reference.step(p, x, state)
        outputs.append(y)
    return np.stack(outputs)


def small_ntm(kind, **options):
    return ntm(kind, memory_start="learned", **options)


CASES = {
    "LSTM": (lambda rng: LSTM(D, H, rng=rng), lstm),
    "GRU": (lambda rng: GRU(D, H, rng=rng), gru),
    "RNN": (lambda rng: RNN(D, H, rng=rng), rnn),
    "FeedForward": (lambda rng: FeedForward(D, H, rng=rng), feed_forward),
    "Readout": (lambda rng: Readout(D, H, rng=rng), readout),
    "Stack": (lambda rng: Stack([LSTM(D, 5, rng=rng), GRU(5, 2, rng=rng), Readout(2, H, rng=rng)]),
              stack(lstm, gru, readout)),
    "NTM(LSTM)": (small_ntm(LSTM), machine(lstm, 1, 1, 3)),
    "NTM(GRU)": (small_ntm(GRU), machine(gru, 1, 1, 3)),
    "NTM(FeedForward)": (small_ntm(FeedForward), machine(feed_forward, 1, 1, 3)),
    "NTM(LSTM), 2 + 2 heads": (small_ntm(LSTM, read_heads=2, write_heads=2), machine(lstm, 2, 2, 3)),
    "NTM(FeedForward), 2 + 1 heads": (small_ntm(FeedForward, read_heads=2), machine(feed_forward, 2, 1, 3)),
}


@pytest.mark.parametrize("name", CASES)
def test_outputs_and_gradients(name, tally):
    build, reference = CASES[name]
    rng = numpy.random.default_rng(11)
    with using_dtype("float64"):
        core = randomised(build(rng), rng)
        inputs, cotangent = rng.normal(size=(T, B, D)), rng.normal(size=(T, B, H))
        x = Tensor(inputs, requires_grad=True)
        outputs, _ = unroll(core, x)
        outputs.backward(cotangent)
    values = core.state()
    expected = run(reference, values, inputs)
    by_value, by_input = autograd.grad(lambda p, x: np.sum(run(reference, p, x) * cotangent), argnum=(0, 1))(values, inputs)
    pairs = {"output": (outputs.numpy(), expected), "input": (x.grad.numpy(), by_input)}
    pairs |= {path: (p.grad.numpy(), by_value[path]) for path, p in core.named_parameters()}
    for what, (ours, theirs) in pairs.items():
        try:
            numpy.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10, err_msg=f"{name}: {what}")
        except AssertionError:
            tally.failed(f"{name}: {what}")
            raise
        tally.matched(name)
