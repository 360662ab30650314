"""Encoders: a vector for each place of a sequence that knows what is around it.

Sequences of a batch differ in length; what is behind the end of one is padding, and `mask` (B, T) is True before it. A
padded step leaves the state as it was and gives zeros, so padding changes nothing.
"""

from tinyaug import ops
from tinyaug.autograd import Tensor
from tinyaug.nn.module import Module

__all__ = ["unroll_masked", "Bidirectional", "Pyramid"]


def unroll_masked(core, inputs, mask=None, backwards=False):
    """Run a core over sequences of several lengths.

    inputs: (B, T, D), mask: (B, T) or None; backwards: from the last step to the first
    returns: outputs (B, T, H), each at the place of its input, and the state after the last step that is not padding
    """
    state = core.initial_state(inputs.shape[0])
    steps = ops.unstack(inputs, axis=1)
    masks = [None] * len(steps) if mask is None else ops.split(mask, len(steps), axis=1)       # (B, 1) each
    outputs = []
    for x, real in (list(zip(steps, masks))[::-1] if backwards else zip(steps, masks)):
        y, after = core(x, state)
        state = after if real is None else _choose(real, after, state)
        outputs.append(y if real is None else ops.where(real, y, 0.0))
    return ops.stack(outputs[::-1] if backwards else outputs, axis=1), state


def _choose(real, after, before):
    """The new state where the step is real, else the old one; in any nest of tuples."""
    if isinstance(after, Tensor):
        return ops.where(ops.reshape(real, (-1,) + (1,) * (after.ndim - 1)), after, before)
    parts = [_choose(real, a, b) for a, b in zip(after, before)]
    return type(after)(*parts) if hasattr(after, "_fields") else tuple(parts)


class Bidirectional(Module):
    """Two cores, one from each end.

        h_j = [h_j forward, h_j backward]                                                    Bahdanau 2015, section 3.2

    inputs: (B, T, D), mask: (B, T) or None -> (B, T, H) and a summary (B, H): what each core made of the whole
    """

    def __init__(self, forwards, backwards):
        self.forwards, self.backwards = forwards, backwards
        self.input_size, self.output_size = forwards.input_size, forwards.output_size + backwards.output_size

    def forward(self, inputs, mask=None):
        there, _ = unroll_masked(self.forwards, inputs, mask)
        back, _ = unroll_masked(self.backwards, inputs, mask, backwards=True)
        summary = ops.concatenate([_last(there, mask), back[:, 0]], axis=-1)
        return ops.concatenate([there, back], axis=-1), summary


def _last(outputs, mask):
    """(B, T, H) -> (B, H): the output of each sequence's last step."""
    if mask is None:
        return outputs[:, -1]
    mask = ops.astype(mask, outputs.dtype)
    after = ops.concatenate([mask[:, 1:], mask[:, :1] * 0], axis=1)
    return ops.sum(outputs * ops.expand_dims(mask - after, -1), axis=1)      # 1 at the last step, 0 elsewhere


class Pyramid(Module):
    """Encoders one on another; between two of them each two neighbours become one, so that a long sequence becomes short.

        h_i^j = pBLSTM(h_{i-1}^j, [h_{2i}^{j-1}, h_{2i+1}^{j-1}])                            Chan 2015 eq. (5)

    layers:  Bidirectional encoders; each after the first sees inputs twice as wide as the one below gives
    inputs:  (B, T, D), mask: (B, T) or None, T a multiple of `factor`, 2^(layers - 1)
    returns: (B, T / factor, H), the mask (B, T / factor) and the summary (B, H)
    raises:  ValueError for another T, or where a layer does not fit on the one below
    """

    def __init__(self, layers):
        for below, above in zip(layers, layers[1:]):
            if above.input_size != 2 * below.output_size:
                raise ValueError(f"Pyramid: a layer of input_size {above.input_size} on one of output_size "
                                 f"{below.output_size}; expected {2 * below.output_size}, two neighbours")
        self.layers = list(layers)
        self.factor = 2 ** (len(layers) - 1)
        self.input_size, self.output_size = layers[0].input_size, layers[-1].output_size

    def forward(self, inputs, mask=None):
        if inputs.shape[1] % self.factor:
            raise ValueError(f"Pyramid: {inputs.shape[1]} steps, expected a multiple of {self.factor}; pad the sequences")
        x, summary = self.layers[0](inputs, mask)
        for layer in self.layers[1:]:
            x = pairs(x)
            mask = None if mask is None else mask[:, ::2]
            x, summary = layer(x, mask)
        return x, mask, summary


def pairs(x):
    """(B, T, H) -> (B, T / 2, 2H): each two neighbours side by side."""
    batch, length, width = x.shape
    return ops.reshape(x, (batch, length // 2, 2 * width))
