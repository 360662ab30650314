"""The memory of the Neural Turing Machine (Graves, Wayne, Danihelka 2014): a matrix and the heads that move over it."""

from typing import NamedTuple

from tinyaug import ops
from tinyaug.autograd import Tensor
from tinyaug.memory.addressing import content_weights, interpolate, sharpen, shift
from tinyaug.memory.control import ControlLayout
from tinyaug.nn import initialise
from tinyaug.nn.cells import repeat_for_batch
from tinyaug.nn.module import Constant, Module, Parameter

__all__ = ["NTMMemory", "NTMState", "erase_and_add"]


class NTMState(NamedTuple):
    """What the memory carries from step to step. H = read heads, then write heads."""

    memory: Tensor                    # (B, N, W)
    weights: Tensor                   # (B, H, N)
    reads: Tensor                     # (B, R, W)


def erase_and_add(memory, weights, erase, add):
    """Each head first erases, then adds, at the slots that it attends to.

        M~(i) = M(i) * (1 - w(i) e)                                                          NTM eq. (3)
        M(i) = M~(i) + w(i) a                                                                NTM eq. (4)

    memory: (B, N, W), weights: (B, H, N), erase: (B, H, W) in 0 .. 1, add: (B, H, W) -> (B, N, W)

    With several heads all erase before any adds, so their order does not matter.
    """
    heads = weights.shape[1]
    columns = ops.swapaxes(weights, -1, -2)                                                  # (B, N, H)
    for column, row in zip(ops.split(columns, heads, axis=-1), ops.split(erase, heads, axis=1)):
        memory = memory * (1 - column @ row)
    return memory + columns @ add


class NTMMemory(Module):
    """A memory of `slots` rows, `width` numbers each, with any number of read and write heads.

    control: (B, control_size), the controller's orders for all heads, squashed by the table `layout`
    returns: reads (B, R, W) and the state

    All heads address the memory as the step before left it; then the read heads read, r = sum_i w(i) M(i), NTM eq.
    (2), and the write heads write, eqs. (3) and (4).

    memory_start: "constant" (1e-6 everywhere; Collier and Beel 2018), "noise" (fixed, uniform in +-1/sqrt(N + W)) or
                  "learned" (the paper's "bias values")
    weights_start: "first" (all heads on slot 0), "zero" (nowhere) or "even"
    heads_start:   "still" (all orders begin at 0) or "moving" (an untrained head goes on by one slot a step)
    control_start: (control_size,), what `heads_start` means for the orders: the first bias of the layer that gives them
    raises:       ValueError for sizes below 1, shifts that are even or more than slots, or an unknown start

    Deviation: the paper's (2) and (5) have M_t, here it is M_{t-1}: what is written is found and read a step later.

    Deviation: the paper does not say where the heads start. A head that starts somewhere can learn to move on from
    there; one that starts nowhere has to find a place first, and some seeds never do. Nor does it say how the orders
    start. Heads that move have only to learn when to go back: without it, some seeds of a controller that has no state of
    its own never begin.
    """

    state_notes = {"memory": lambda self: self.memory_start, "weights": lambda self: self.weights_start,
                   "reads": "learned vectors"}

    def __init__(self, *, slots, width, read_heads=1, write_heads=1, shifts=3, memory_start="constant",
                 weights_start="first", heads_start="still", rng):
        if read_heads < 1 or write_heads < 1:
            raise ValueError(f"NTMMemory: {read_heads} read and {write_heads} write heads; expected at least one of each")
        if slots < 1 or width < 1:
            raise ValueError(f"NTMMemory: {slots} slots of width {width}; expected at least 1 of each")
        if shifts < 1 or shifts % 2 == 0 or shifts > slots:
            raise ValueError(f"NTMMemory: {shifts} shifts over {slots} slots; expected an odd number of at most {slots}")
        heads = read_heads + write_heads
        self.slots, self.width, self.read_heads, self.write_heads = slots, width, read_heads, write_heads
        if heads_start not in ("still", "moving"):
            raise ValueError(f"NTMMemory: heads_start {heads_start!r}, expected still or moving")
        self.memory_start, self.weights_start = memory_start, weights_start
        self.layout = ControlLayout("NTMMemory", [
            (heads, [("key", width, ops.tanh), ("strength", 1, ops.softplus), ("gate", 1, ops.sigmoid),
                     ("shift", shifts, ops.softmax), ("sharpening", 1, ops.oneplus)]),
            (write_heads, [("erase", width, ops.sigmoid), ("add", width, ops.tanh)]),
        ])
        self.control_size, self.read_size = self.layout.size, read_heads * width
        # moving: 12 % (sigmoid of -2) by content, the rest from where the head was; 79 % of three shifts goes to the last
        moving = {"gate": -2.0, "shift": [0.0] * (shifts - 1) + [2.0]}
        self.control_start = self.layout.start(**moving if heads_start == "moving" else {})
        self.start_memory = _start_memory(memory_start, slots, width, rng)
        self.start_weights = Constant(_start_weights(weights_start, heads, slots))
        self.start_reads = Parameter(initialise.zeros((read_heads, width)))

    def describe(self):
        """The control vector as a table: name, heads x size and squashing function of each part."""
        return self.layout.describe()

    def initial_state(self, batch):
        return NTMState(*[repeat_for_batch(x, batch) for x in (self.start_memory, self.start_weights, self.start_reads)])

    def forward(self, control, state):
        order = self.layout.split(control)
        weights = self.address(order, state)
        read_weights, write_weights = ops.split(weights, [self.read_heads], axis=1)
        reads = read_weights @ state.memory                                                  # (B, R, W)
        memory = erase_and_add(state.memory, write_weights, order["erase"], order["add"])
        return reads, NTMState(memory, weights, reads)

    def address(self, order, state):
        """The weightings of all heads, NTM eqs. (5) to (9): (B, H, N)."""
        weights = content_weights(order["key"], order["strength"], state.memory)
        weights = interpolate(weights, state.weights, order["gate"])
        weights = shift(weights, order["shift"])
        return sharpen(weights, order["sharpening"])


def _start_memory(start, slots, width, rng):
    """What every sequence finds in the memory: (N, W), a Parameter where it is learned, else a Constant."""
    if start == "constant":
        return Constant(initialise.constant((slots, width), 1e-6))
    limit = (slots + width) ** -0.5
    if start == "noise":
        return Constant(initialise.uniform(rng, (slots, width), limit))
    if start == "learned":
        return Parameter(initialise.uniform(rng, (slots, width), limit))
    raise ValueError(f"NTMMemory: memory_start {start!r}, expected constant, noise or learned")


def _start_weights(start, heads, slots):
    """Where the heads are before the first step: (H, N)."""
    weights = initialise.zeros((heads, slots))
    if start == "first":
        weights[:, 0] = 1.0
    elif start == "even":
        weights += 1 / slots
    elif start != "zero":
        raise ValueError(f"NTMMemory: weights_start {start!r}, expected first, zero or even")
    return weights
