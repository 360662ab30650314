"""How a flat control vector is cut into the orders of a memory."""

from itertools import accumulate
from math import prod

from tinyaug import ops

__all__ = ["ControlLayout"]


class ControlLayout:
    """An ordered table of (name, shape, squashing function): one vector in, named and squashed parts out."""

    def __init__(self, owner, parts):
        self.owner, self.parts = owner, parts
        self.sizes = [prod(shape) for _, shape, _ in parts]
        self.size = sum(self.sizes)
        self._cuts = list(accumulate(self.sizes))[:-1]

    def split(self, control):
        """(B, size) -> {name: (B, *shape)}, each part squashed.

        raises: ValueError where the vector is not as wide as the table
        """
        batch, width = control.shape
        if width != self.size:
            parts = ", ".join(f"{name} {size}" for (name, _, _), size in zip(self.parts, self.sizes))
            raise ValueError(f"{self.owner}: control has width {width}, its layout needs {self.size} ({parts}); "
                             f"build the controller with control_size={self.size}")
        pieces = ops.split(control, self._cuts, axis=-1)
        return {name: squash(ops.reshape(piece, (batch, *shape)))
                for (name, shape, squash), piece in zip(self.parts, pieces)}

    def describe(self):
        """The table as text."""
        rows = [f"{name:<14}{str(shape):<12}{squash.__name__}" for name, shape, squash in self.parts]
        return "\n".join([f"{self.owner} control vector, {self.size} numbers", *rows])
