"""Tracing: run a step with every op observed, and name the op where its NaN or infinity came from."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyaug.arrays import NAMESPACES, to_host
from tinyaug.autograd import Tensor, observe
from tinyaug.nn.module import Module, active

PACKAGE = Path(__file__).parents[1]
ENGINE = (str(PACKAGE / "ops"), str(PACKAGE / "train"), str(PACKAGE / "nn" / "module.py"),
          *(str(PACKAGE / f"{name}.py") for name in ("arguments", "arrays", "autograd", "backward", "derivatives", "strict",
                                                    "tensor")))


@dataclass(frozen=True)
class Birth:
    """The op where the first NaN or infinity came from.

    phase:  "forward" or "backward"
    given:  what went into the op was not finite already, and no op had made it: a batch, or a parameter
    inputs, cotangents, outputs: shape, dtype and range of the finite values of each; on the way back,
            cotangents are what came in and outputs are the gradients that went out
    line:   the code that called the op; module: the dotted name of the module it was called in
    before: where a NaN was made of an infinity, the op that had made that infinity
    """

    phase: str
    op: str
    given: bool
    inputs: tuple[str, ...]
    cotangents: tuple[str, ...]
    outputs: tuple[str, ...]
    line: str
    module: str
    before: Birth | None = None

    def __str__(self) -> str:
        lines = [f"op:      {self.op} ({self.phase})", f"line:    {self.line}", f"module:  {self.module}"]
        lines += [f"input:   {text}" for text in self.inputs]
        lines += [f"cotangent: {text}" for text in self.cotangents]
        lines += [f"{'output' if self.phase == 'forward' else 'gradient'}:  {text}" for text in self.outputs]
        if self.given:
            lines.append("what went in was not finite and no op had made it: see batch and parameters")
        if self.before:
            lines.append(f"it was infinite before, from: {self.before.op} at {self.before.line}")
        return "\n".join("  " + line for line in lines)


def trace(loss: Callable[..., Tensor], batch: tuple, model: Module,
          rngs: dict[str, np.random.Generator] | None = None) -> Birth | None:
    """Run loss(*batch) and its backward pass with every op observed.

    returns: where the NaN or infinity of the loss or of a gradient came from, None where all is finite
    Gradients and generators are left as they were found.
    """
    observer = _Observer(model)
    gradients = [parameter.grad for parameter in model.parameters()]
    states = {name: rng.bit_generator.state for name, rng in (rngs or {}).items()}
    try:
        with np.errstate(all="ignore"), observe(observer):
            value = loss(*batch)
            if not _is_finite(value.data):
                return observer.births.get(id(value.data))
            if value.requires_grad:
                value.backward()
        return observer.first_backward
    finally:
        for parameter, gradient in zip(model.parameters(), gradients, strict=True):
            parameter.grad = gradient
        for name, rng in (rngs or {}).items():
            rng.bit_generator.state = states[name]


class _Observer:
    """Follows NaN and infinity from op to op.

    Only what reaches the loss counts: a mask of -inf, or a NaN in the branch that `where` did not take, is no
    fault. So every array that is not finite keeps the birth it descends from; the loss is asked for its own.
    """

    def __init__(self, model: Module):
        self.names = {id(module): name for name, module in model.named_modules()}
        self.births: dict[int, Birth] = {}
        self.kept: list[Any] = []  # the arrays behind the ids, so that no id is given out again
        self.places: dict[Any, tuple[str, str]] = {}
        self.first_backward: Birth | None = None

    def __call__(self, phase: str, name: str, node: Any, inputs: tuple, outputs: tuple) -> None:
        if phase == "forward":
            place = _line(), self._module()
            if node is not None:
                self.places[node] = place
            if any(not _is_finite(x) for x in outputs):
                self._forward(name, inputs, outputs, place)
        elif self.first_backward is None:
            wanted = [isinstance(x, Tensor) and x.requires_grad for x in node.inputs]
            gradients = tuple(g for g, want in zip(outputs, wanted, strict=False) if want and g is not None)
            if any(not _is_finite(g) for g in gradients):
                place = self.places.get(node, ("unknown", "unknown"))
                values = [x.data if isinstance(x, Tensor) else x for x in node.inputs]
                given = any(not _is_finite(g) for g in inputs)
                self.first_backward = _birth("backward", name, given, values, inputs, gradients, place, None)

    def _forward(self, name: str, inputs: tuple, outputs: tuple, place: tuple[str, str]) -> None:
        before = next((self.births[id(x)] for x in inputs if id(x) in self.births), None)
        new_nan = any(_has_nan(x) for x in outputs) and not any(_has_nan(x) for x in inputs)
        if before is None or new_nan:
            given = before is None and any(not _is_finite(x) for x in inputs)
            birth = _birth("forward", name, given, inputs, (), outputs, place, before)
        else:
            birth = before
        for x in outputs:
            if not _is_finite(x):
                self.births[id(x)] = birth
                self.kept.append(x)

    def _module(self) -> str:
        names = [self.names[id(module)] for module in active() if id(module) in self.names]
        return (names[-1] or "the model itself") if names else "none"


def _birth(phase: str, op: str, given: bool, inputs: Any, cotangents: Any, outputs: Any,
           place: tuple[str, str], before: Birth | None) -> Birth:
    told, came, gave = (tuple(_range(x) for x in arrays) for arrays in (inputs, cotangents, outputs))
    return Birth(phase, op, given, told, came, gave, *place, before)


def _float(x: Any) -> np.ndarray | None:
    """x on the host where it can hold NaN, else None."""
    array = to_host(x) if type(x) in NAMESPACES else np.asarray(x) if isinstance(x, float) else None
    return array if array is not None and array.dtype.kind == "f" else None


def _is_finite(x: Any) -> bool:
    array = _float(x)
    return array is None or bool(np.isfinite(array).all())


def _has_nan(x: Any) -> bool:
    array = _float(x)
    return array is not None and bool(np.isnan(array).any())


def _range(x: Any) -> str:
    """Shape, dtype, and the range of the finite values, as text."""
    if type(x) not in NAMESPACES:
        return repr(x)[:60]
    array = to_host(x)
    text = f"{array.shape} {array.dtype}"
    finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array
    if finite.size and array.dtype.kind in "fiu":
        text += f", finite values in [{finite.min():.4g}, {finite.max():.4g}]"
    bad = array.size - finite.size
    return text + (f", {bad} of {array.size} not finite" if bad else "")


def _line() -> str:
    """The innermost line outside of the engine; where that is in tinyaug, also the caller's own line."""
    frame = sys._getframe(2)
    found: list[str] = []
    while frame is not None and len(found) < 2:
        path = frame.f_code.co_filename
        if not path.startswith(ENGINE) and (not found or not path.startswith(str(PACKAGE))):
            text = linecache.getline(path, frame.f_lineno).strip()
            found.append(f"{path}:{frame.f_lineno}" + (f": {text}" if text else ""))
            if not path.startswith(str(PACKAGE)):
                break
        frame = frame.f_back  # type: ignore[assignment]
    return ", called from ".join(found) or "unknown"
