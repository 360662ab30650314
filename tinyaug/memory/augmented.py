"""A controller with a memory beside it: any Core, any Memory, and the result is a Core again."""

from typing import Any, NamedTuple

from tinyaug import ops
from tinyaug.nn.layers import Linear
from tinyaug.nn.module import Module, Parameter

__all__ = ["MemoryAugmented", "AugmentedState"]


class AugmentedState(NamedTuple):
    """State of both parts. That of the memory has a field `reads` (B, R, W): what was read at the last step."""

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
        self.control.bias = Parameter(memory.control_start)
        self.output = Linear(controller.output_size + memory.read_size, output_size, rng=rng)

    def initial_state(self, batch):
        return AugmentedState(self.controller.initial_state(batch), self.memory.initial_state(batch))

    def forward(self, x, state):
        hidden, reads, state = self.think(x, state)
        return self.answer(hidden, reads), state

    def answer(self, hidden, reads):
        """y (B, O) from what `think` gives."""
        return self.output(ops.concatenate([hidden, reads], axis=-1))

    def think(self, x, state):
        """One step up to what the output sees: hidden (B, H), reads (B, R W) and the state."""
        flat = (x.shape[0], self.memory.read_size)
        seen = ops.concatenate([x, ops.reshape(state.memory.reads, flat)], axis=-1)
        hidden, controller = self.controller(seen, state.controller)
        reads, memory = self.memory(self.control(hidden), state.memory)
        return hidden, ops.reshape(reads, flat), AugmentedState(controller, memory)

    def trace(self, inputs):
        """Run over inputs (T, B, D) and keep everything that a figure may want to show.

        returns: {name: Tensor (T, B, ...)} of the outputs, the controller's hidden vector, each part of the memory's
                 state after every step (memory, weights, reads) and each order that its heads were given
        """
        state = self.initial_state(inputs.shape[1])
        steps = []
        for x in ops.unstack(inputs, axis=0):
            hidden, reads, state = self.think(x, state)
            orders = self.memory.layout.split(self.control(hidden))       # once more: `think` keeps them to itself
            steps.append({"output": self.answer(hidden, reads), "hidden": hidden, **state.memory._asdict(), **orders})
        return {name: ops.stack([step[name] for step in steps]) for name in steps[0]}
