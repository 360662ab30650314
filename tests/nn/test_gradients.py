"""Every Core against finite differences over three steps: inputs, initial state and every parameter."""

import numpy as np
import pytest

from tests.nn.models import CORES, INPUTS, PONDERING, check_core, check_module, ntm
from tinyaug import Tensor, ops, using_dtype
from tinyaug.check import CheckError
from tinyaug.nn import LSTM, Embedding, FeedForward, LayerNorm, Linear


@pytest.mark.parametrize("name", CORES)
def test_core(name):
    check_core(CORES[name])


@pytest.mark.parametrize("name", PONDERING)
def test_pondering_core(name):
    check_core(PONDERING[name], steps=2)


@pytest.mark.parametrize("controller", [LSTM, FeedForward])
@pytest.mark.parametrize("read_heads", [1, 2])
@pytest.mark.parametrize("write_heads", [1, 2])
def test_ntm(controller, read_heads, write_heads):
    """Four steps, so that what is written is found by content, read, and written over."""
    check_core(ntm(controller, read_heads, write_heads, slots=4, width=2, memory_start="learned"), steps=4)


@pytest.mark.parametrize("start", ["first", "even", "zero"])
def test_ntm_from_every_start_of_the_weightings(start):
    check_core(ntm(LSTM, slots=4, width=2, memory_start="noise", weights_start=start))


@pytest.mark.parametrize("build, x", [
    (lambda rng: Linear(3, 2, rng=rng), (2, 4, 3)),
    (lambda rng: Linear(3, 2, rng=rng, bias=False), (5, 3)),
    (lambda rng: LayerNorm(4), (3, 4)),
], ids=["Linear", "Linear without bias", "LayerNorm"])
def test_layer(build, x):
    rng = np.random.default_rng(2)
    with using_dtype("float64"):
        layer = build(rng)
        check_module(layer, layer, rng.normal(size=x))


def test_embedding(put):
    with using_dtype("float64"):
        table = Embedding(5, 3, rng=np.random.default_rng(0))
        check_module(table, lambda: table(put([[0, 4], [4, 2]])))


def test_a_wrong_gradient_of_one_parameter_is_caught():
    """The check is no formality: a core that forgets the gradient of one parameter fails it, by name and input."""
    class Wrong(LSTM):
        def forward(self, x, state):
            bias, self.bias = self.bias, self.bias.detach()
            try:
                return super().forward(x, state)
            finally:
                self.bias = bias

    with pytest.raises(CheckError, match="Wrong: gradient of input"):
        check_core(lambda rng: Wrong(INPUTS, 2, rng=rng))


def test_a_wrong_factor_in_one_op_of_a_core_is_caught(monkeypatch):
    right = ops.tanh

    def wrong(x):
        y = right(x)
        return y + 0.01 * (y - y.detach()) if isinstance(y, Tensor) and y.requires_grad else y

    monkeypatch.setattr(ops, "tanh", wrong)
    with pytest.raises(CheckError, match="LSTM"):
        check_core(CORES["LSTM"])
