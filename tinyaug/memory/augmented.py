"""A controller with a memory beside it: any Core, any Memory, and the result is a Core again."""

from typing import Any, NamedTuple

from tinyaug import ops
from tinyaug.nn.layers import Linear
from tinyaug.nn.module import Module

__all__ = ["MemoryAugmented", "AugmentedState"]


class AugmentedState(NamedTuple):
    """State of both parts."""

    controller: Any
    memory: Any


class MemoryAugmented(Module):
    """The controller sees the input and what was read a step ago, and gives the memory its orders.

        h_t = controller([x_t, r_{t-1}])
        r_t = memory(h_t W_control + b)
        y_t = [h_t, r_t] W_output + b

    x: (B, D) -> (B, O). The output sees what is read at this very step. NTM = LSTM + NTMMemory.

    raises: ValueError where the controller's input is not as wide as input and reads together
    """

    def __init__(self, controller, memory, *, input_size, output_size, rng):
        needed = input_size + memory.read_size
        if controller.input_size != needed:
            raise ValueError(f"MemoryAugmented: controller has input_size {controller.input_size}, expected {needed} "
                             f"(input {input_size} + reads {memory.read_size})")
        self.input_size, self.output_size = input_size, output_size
        self.controller, self.memory = controller, memory
        self.control = Linear(controller.output_size, memory.control_size, rng=rng)
        self.output = Linear(controller.output_size + memory.read_size, output_size, rng=rng)

    def initial_state(self, batch):
        return AugmentedState(self.controller.initial_state(batch), self.memory.initial_state(batch))

    def forward(self, x, state):
        batch = x.shape[0]
        reads = ops.reshape(state.memory.reads, (batch, self.memory.read_size))
        hidden, controller = self.controller(ops.concatenate([x, reads], axis=-1), state.controller)
        reads, memory = self.memory(self.control(hidden), state.memory)
        reads = ops.reshape(reads, (batch, self.memory.read_size))
        return self.output(ops.concatenate([hidden, reads], axis=-1)), AugmentedState(controller, memory)
