"""Module: a model as a tree of plain attributes.

Nothing is registered. A module's parameters are found by walking its attributes in the order in which they were set,
into lists, tuples and dicts, so a parameter's name is the path by which you would reach it: `memory.heads.0.weight`.
A parameter that is reached twice is one parameter and goes by its first name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinyaug.arrays import array_module, to_device, to_host
from tinyaug.autograd import Tensor
from tinyaug.autograd import active_modules as _active

__all__ = ["Parameter", "Constant", "Module", "active", "flatten_state"]


class Parameter(Tensor):
    """A Tensor that is learned."""

    __slots__ = ()

    def __init__(self, data, dtype=None):
        super().__init__(data, requires_grad=True, dtype=dtype)


class Constant(Tensor):
    """A Tensor that belongs to a model and is saved with it, but is not learned: a fixed random start, say."""

    __slots__ = ()

    def __init__(self, data, dtype=None):
        super().__init__(data, requires_grad=False, dtype=dtype)


def active() -> list[Module]:
    """The modules that are being called at this moment, outermost first."""
    return list(_active)


def _walk(value, path, seen):
    """(path, object) for every Module, Parameter and Constant below `value`, each once."""
    if isinstance(value, (Module, Parameter, Constant)):
        if id(value) in seen:
            return
        seen.add(id(value))
        yield path, value
    if isinstance(value, Module):
        children = vars(value).items()
    elif isinstance(value, dict):
        children = value.items()
    elif isinstance(value, (list, tuple)):
        names = getattr(value, "_fields", range(len(value)))
        children = zip(names, value)
    else:
        return
    for name, child in children:
        yield from _walk(child, f"{path}.{name}" if path else str(name), seen)


class Module:
    """Base of all models. Define `forward`; call the module itself.

    Sizes are given to the constructor, never inferred later; randomness comes from its `rng`, a NumPy Generator.
    """

    # what a reader should know of a piece of state: {field: how it starts, or a function of the module that says so}
    state_notes: Mapping[str, Any] = {}

    def __call__(self, *args, **keywords):
        _active.append(self)
        try:
            return self.forward(*args, **keywords)
        finally:
            _active.pop()

    def forward(self, *args, **keywords):
        raise NotImplementedError(f"{type(self).__name__} has no forward")

    def named_modules(self):
        """(dotted name, Module) for this one (its name is "") and all below it."""
        return ((path, x) for path, x in _walk(self, "", set()) if isinstance(x, Module))

    def named_parameters(self):
        """(dotted name, Parameter) in the order of the walk, a shared one once."""
        return ((path, x) for path, x in _walk(self, "", set()) if isinstance(x, Parameter))

    def parameters(self) -> list[Parameter]:
        """All parameters."""
        return [x for _, x in self.named_parameters()]

    def _named_tensors(self):
        return ((path, x) for path, x in _walk(self, "", set()) if isinstance(x, Tensor))

    def count(self) -> int:
        """How many numbers are learned."""
        return sum(x.size for x in self.parameters())

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for x in self.parameters():
            x.grad = None

    def to(self, device: str) -> Module:
        """Move every parameter and constant to `device`, in place; returns the module."""
        for _, x in self._named_tensors():
            x.data = to_device(to_host(x.data), device)
        return self

    def state(self) -> dict[str, np.ndarray]:
        """{dotted name: host array} of every parameter and constant, copied."""
        return {name: np.array(to_host(x.data)) for name, x in self._named_tensors()}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """Put saved values in place. Names and shapes are checked first: either all are loaded or none.

        raises: ValueError that lists what is missing, unknown, of another shape or no numbers
        """
        own = dict(self._named_tensors())
        given = {name: np.asarray(x) for name, x in state.items()}
        wrong = [f"{name} is missing" for name in own if name not in given]
        wrong += [f"{name} is unknown" for name in given if name not in own]
        shared = [(name, given[name], x) for name, x in own.items() if name in given]
        wrong += [f"{name} has shape {a.shape}, expected {x.shape}" for name, a, x in shared if a.shape != x.shape]
        wrong += [f"{name} has dtype {a.dtype}, expected numbers" for name, a, _ in shared if a.dtype.kind not in "fiu"]
        if wrong:
            raise ValueError(f"{type(self).__name__}: cannot load: " + "; ".join(wrong))
        for _, a, x in shared:
            x.data[...] = array_module(x.data).asarray(a.astype(x.dtype))

    def summary(self, batch: int = 1) -> str:
        """A table of every parameter and, for a Core or Memory, of every piece of state."""
        rows = [("parameter", "shape", "numbers")]
        rows += [(name, str(x.shape), f"{x.size:,}") for name, x in self.named_parameters()]
        rows.append(("total", "", f"{self.count():,}"))
        text = _table(rows)
        if hasattr(self, "initial_state"):
            states = [("state", "shape", "start", "start learned", "reset", "gradient")]
            for name, x in flatten_state(self.initial_state(batch)):
                states.append((name, str(x.shape), _state_note(self, name), "yes" if x.requires_grad else "no",
                             "every sequence", "through all steps"))
            text += "\n\n" + _table(states)
        return text


def _state_note(module, name):
    """How a piece of state starts, by the module whose state it is: its path is that of the module."""
    *path, field = name.split(".")
    for part in path:
        module = module.cores[int(part)] if part.isdigit() else getattr(module, part)
    note = module.state_notes.get(field, "zeros")
    return note(module) if callable(note) else note


def flatten_state(state, path=""):
    """(dotted name, Tensor) for every Tensor in a nest of NamedTuples and tuples."""
    if isinstance(state, Tensor):
        yield path, state
        return
    for name, part in zip(getattr(state, "_fields", range(len(state))), state):
        yield from flatten_state(part, f"{path}.{name}" if path else str(name))


def _table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows)
