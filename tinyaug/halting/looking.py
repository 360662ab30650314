"""A decoder with attention in the form of a Core, so that it can ponder: every further step is a further look."""

from typing import Any, NamedTuple

from tinyaug import ops
from tinyaug.attention.attend import attend
from tinyaug.attention.scores import scaled_dot
from tinyaug.autograd import Tensor
from tinyaug.nn import initialise
from tinyaug.nn.cells import repeat_for_batch
from tinyaug.nn.layers import Linear
from tinyaug.nn.module import Module, Parameter

__all__ = ["Looking", "LookingState"]


class LookingState(NamedTuple):
    """State of a core that looks."""

    core: Any                         # the inner core's
    context: Tensor                   # (B, W)     c, what was seen last
    source: Tensor                    # (B, N, W)  what is looked at; no step changes it


class Looking(Module):
    """A Core that looks at a source with N places after every step, and at the next step knows what it saw.

        y, s' = core([x, c], s)
        c' = attend(y W_q + b_q, source)                                 keys and values are the source
        output = [y, c']

    x: (B, D) -> (B, H + W), where the inner core has input_size D + W and output_size H

    Each place has a learned vector of its own, by which places can be told apart; to it `initial_state` adds what is there.
    The source lies in the state and goes where that goes; a mean of states, each with the same source, has it, too.

    raises: ValueError where the inner core's input has no room for what was seen
    """

    state_notes = {"context": "learned vector", "source": "learned vectors + what is given"}

    def __init__(self, core, *, slots, width, rng):
        if core.input_size <= width:
            raise ValueError(f"Looking: core has input_size {core.input_size}, expected more than the width {width}: it "
                             "sees its input and beside it the context")
        self.core, self.slots = core, slots
        self.query = Linear(core.output_size, width, rng=rng)
        self.places = Parameter(initialise.glorot(rng, (slots, width)))
        self.start_context = Parameter(initialise.zeros(width))
        self.input_size, self.output_size = core.input_size - width, core.output_size + width

    def initial_state(self, batch, source=None):
        """source: (B, n, W) with n at most N: what is at the first n places"""
        places = repeat_for_batch(self.places, batch)
        if source is not None:
            if source.shape[1] > self.slots:
                raise ValueError(f"Looking: got a source with {source.shape[1]} places, expected at most {self.slots}")
            source = ops.concatenate([source, ops.zeros_like(places[:, source.shape[1]:])], axis=1)
            places = places + source
        return LookingState(self.core.initial_state(batch), repeat_for_batch(self.start_context, batch), places)

    def forward(self, x, state):
        y, core = self.core(ops.concatenate([x, state.context], axis=-1), state.core)
        context, _ = attend(ops.expand_dims(self.query(y), 1), state.source, state.source, scaled_dot)
        context = context[:, 0]
        return ops.concatenate([y, context], axis=-1), LookingState(core, context, state.source)
