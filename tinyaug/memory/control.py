"""How a flat control vector is cut into the orders of a memory's heads."""

from functools import partial
from itertools import accumulate

from tinyaug import ops
from tinyaug.nn import initialise

__all__ = ["ControlLayout"]


class ControlLayout:
    """An ordered table: groups of heads, and for each head of a group its (name, size, squashing function).

    owner:  the name to use in errors
    groups: [(number of heads, [(name, size, squashing function), ...]), ...]
    size:   of the whole vector: for each group, for each of its heads, the parts in order

    One vector in, named and squashed parts out.
    """

    def __init__(self, owner, groups):
        self.owner, self.groups = owner, groups
        self.widths = [sum(size for _, size, _ in parts) for _, parts in groups]
        sizes = [heads * width for (heads, _), width in zip(groups, self.widths)]
        self.size = sum(sizes)
        self._cuts = list(accumulate(sizes))[:-1]
        self._inner = [list(accumulate(size for _, size, _ in parts))[:-1] for _, parts in groups]

    def split(self, control):
        """(B, size) -> {name: (B, heads, its size)}, each part squashed.

        raises: ValueError where the vector is not as wide as the table
        """
        batch, width = control.shape
        if width != self.size:
            parts = ", ".join(f"{name} {heads * size}" for heads, parts in self.groups for name, size, _ in parts)
            raise ValueError(f"{self.owner}: control has width {width}, its layout needs {self.size} ({parts}); "
                             f"build the controller with control_size={self.size}")
        orders = {}
        for (heads, parts), inner, width, group in zip(self.groups, self._inner, self.widths,
                                                       ops.split(control, self._cuts, axis=-1)):
            pieces = ops.split(ops.reshape(group, (batch, heads, width)), inner, axis=-1)
            orders.update((name, squash(piece)) for (name, _, squash), piece in zip(parts, pieces))
        return orders

    def start(self, **values):
        """A control vector (size,) of zeros, but for the parts that are named: part=values, of all heads that have it."""
        vector, at = initialise.zeros(self.size), 0
        for heads, parts in self.groups:
            for name, size, _ in parts * heads:
                vector[at:at + size] = values.get(name, 0.0)
                at += size
        return vector

    def describe(self):
        """The table as text."""
        rows = [f"{name:<14}{heads} x {size:<6}{_name(squash)}"
                for heads, parts in self.groups for name, size, squash in parts]
        return "\n".join([f"{self.owner} control vector, {self.size} numbers", *rows])


def _name(squash):
    return squash.func.__name__ if isinstance(squash, partial) else squash.__name__
