"""Attention against PyTorch's own: scaled_dot_product_attention, MultiheadAttention and TransformerEncoderLayer."""

import numpy as np
import pytest

from tests.nn.models import randomised
from tinyaug import Tensor, using_dtype
from tinyaug.attention import EncoderLayer, MultiHead, attend, scaled_dot

torch = pytest.importorskip("torch", reason="torch is not installed (extra `oracle`)")
pytestmark = [pytest.mark.oracle, pytest.mark.host]

B, R, Q, N, D = 3, 2, 4, 5, 6
LENGTHS = np.array([5, 2, 3])


def arrays(*shapes):
    rng = np.random.default_rng(0)
    return [rng.normal(size=shape) for shape in shapes]


def compare(ours, theirs, leaves, others, cotangent):
    """Outputs and gradients. leaves, others: Tensors of ours and theirs, in one order"""
    np.testing.assert_allclose(ours.numpy(), theirs.detach().numpy(), rtol=1e-10, atol=1e-12)
    ours.backward(cotangent)
    theirs.backward(torch.tensor(cotangent))
    for a, b in zip(leaves, others):
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("masked", [False, True])
def test_scaled_dot_product_attention(masked):
    given = arrays((B, R, Q, D), (B, R, N, D), (B, R, N, 3))
    mask = (np.arange(N) < LENGTHS[:, None])[:, None, None] if masked else None
    with using_dtype("float64"):
        ours = [Tensor(x, requires_grad=True) for x in given]
        theirs = [torch.tensor(x, requires_grad=True) for x in given]
        y, _ = attend(*ours, scaled_dot, None if mask is None else Tensor(mask))
        z = torch.nn.functional.scaled_dot_product_attention(*theirs, attn_mask=None if mask is None else torch.tensor(mask))
        compare(y, z, ours, theirs, arrays((B, R, Q, 3))[0])


def copy_heads(theirs, ours):
    """Our weights in PyTorch's MultiheadAttention, which has the three projections in one and biases for the keys."""
    width = ours.out.bias.shape[0]
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.tensor(np.concatenate([ours.query.weight.numpy().T, ours.key.weight.numpy().T,
                                                                 ours.value.weight.numpy().T])))
        theirs.in_proj_bias.copy_(torch.tensor(np.concatenate([ours.query.bias.numpy(), np.zeros(width),
                                                               ours.value.bias.numpy()])))
        theirs.out_proj.weight.copy_(torch.tensor(ours.out.weight.numpy().T))
        theirs.out_proj.bias.copy_(torch.tensor(ours.out.bias.numpy()))


def test_multi_head_attention():
    given = arrays((B, Q, D), (B, N, D), (B, N, D))
    hidden = np.arange(N) >= LENGTHS[:, None]
    with using_dtype("float64"):
        rng = np.random.default_rng(1)
        ours = randomised(MultiHead(D, R, rng=rng), rng)
        theirs = torch.nn.MultiheadAttention(D, R, batch_first=True, dtype=torch.float64)
        copy_heads(theirs, ours)
        leaves, others = [Tensor(x, requires_grad=True) for x in given], [torch.tensor(x, requires_grad=True) for x in given]
        y, weights = ours(*leaves, Tensor(~hidden[:, None]))
        z, looked = theirs(*others, key_padding_mask=torch.tensor(hidden), average_attn_weights=False)
        np.testing.assert_allclose(weights.numpy(), looked.detach().numpy(), rtol=1e-10, atol=1e-12)
        compare(y, z, [*leaves, ours.out.bias], [*others, theirs.out_proj.bias], arrays((B, Q, D))[0])


def test_transformer_encoder_layer():
    (x,) = arrays((B, N, D))
    hidden = np.arange(N) >= LENGTHS[:, None]
    with using_dtype("float64"):
        rng = np.random.default_rng(2)
        ours = randomised(EncoderLayer(D, R, 7, rng=rng), rng)
        theirs = torch.nn.TransformerEncoderLayer(D, R, 7, dropout=0.0, batch_first=True, norm_first=True,
                                                  dtype=torch.float64)
        copy_heads(theirs.self_attn, ours.look)
        pairs = [(ours.network.up, theirs.linear1), (ours.network.down, theirs.linear2)]
        with torch.no_grad():
            for mine, other in pairs:
                other.weight.copy_(torch.tensor(mine.weight.numpy().T))
                other.bias.copy_(torch.tensor(mine.bias.numpy()))
            for mine, other in ((ours.before_look, theirs.norm1), (ours.before_network, theirs.norm2)):
                other.weight.copy_(torch.tensor(mine.gain.numpy()))
                other.bias.copy_(torch.tensor(mine.bias.numpy()))
        leaf, other = Tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        y, _ = ours(leaf, Tensor(~hidden[:, None]))
        z = theirs(other, src_key_padding_mask=torch.tensor(hidden))
        compare(y, z, [leaf, ours.network.up.bias, ours.before_look.gain], [other, theirs.linear1.bias, theirs.norm1.weight],
                arrays((B, N, D))[0])
