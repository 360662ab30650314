"""The guard: no update is made from a loss or a gradient that is NaN or infinite, and its origin is named.

In normal running it reads one number a step, loss + gradient norm. Where that is not finite, the step is kept
in the run folder and run again with every op observed:

    guard = Guard(model, loss, optimiser, folder=run.folder, rngs={"dropout": rng})

    def step(i):
        batch = draw(rng)
        guard.begin(i, *batch)                 # what is needed to run this step again
        value = loss(*batch)
        optimiser.zero_grad()
        value.backward()
        guard.check(value)                     # NotFinite; parameters and optimiser are untouched
        optimiser.step()
        return {"loss": value.data, "norm": optimiser.norm}

`trace(loss, batch, model)` observes every op of a step at any time; `replay(path, loss, model)` does it for a
step that was kept.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tinyaug.arrays import NAMESPACES, device_of, to_device, to_host
from tinyaug.autograd import Tensor
from tinyaug.nn.module import Module
from tinyaug.train import checkpoint
from tinyaug.train.trace import PACKAGE, Birth, trace


class NotFinite(ArithmeticError):
    """A step gave NaN or infinity and was refused. step: its number; birth: the op it began in, or None."""

    def __init__(self, message: str, step: int, birth: Birth | None):
        super().__init__(message)
        self.step = step
        self.birth = birth


class OutOfMemory(MemoryError):
    """Memory ran out in a step: says in which op, how much was wanted, and which option to lower."""


TAPE = {str(PACKAGE / name) for name in ("autograd.py", "backward.py")}


class Guard:
    """Refuses steps that are not finite; the module docstring shows its use.

    model: its parameters are kept with a failed step, and name the modules in the report
    loss:  the function of the batch that gives the loss, a Tensor of one element
    optimiser: `measure()` gives the norm of the gradients as a 0-d array
    folder: where a failed step is kept, as `failed-step-N.npz`
    rngs:  the generators that `loss` draws from, so that the step that is run again is the very same
    """

    def __init__(self, model: Module, loss: Callable[..., Tensor], optimiser: Any, *, folder: str | Path,
                 rngs: dict[str, np.random.Generator] | None = None):
        self.model, self.loss, self.optimiser, self.folder = model, loss, optimiser, Path(folder)
        self.rngs = rngs or {}
        self.step = 0
        self.batch: tuple = ()
        self.states: dict[str, Any] = {}

    def begin(self, step: int, *batch: Any) -> None:
        """Note what the step starts from. Copies nothing: the batch must not be written to until `check`."""
        self.step, self.batch = step, batch
        self.states = {name: rng.bit_generator.state for name, rng in self.rngs.items()}

    def check(self, value: Tensor) -> None:
        """Raise NotFinite unless the loss and the gradient's norm are finite: one wait for the device."""
        norm = self.optimiser.norm if self.optimiser.measured else self.optimiser.measure()
        if not math.isfinite(float(value.data + norm)):
            raise self._explain(value, norm)

    def _explain(self, value: Tensor, norm: Any) -> NotFinite:
        for name, rng in self.rngs.items():
            rng.bit_generator.state = self.states[name]
        kept = self._keep()
        birth = trace(self.loss, self.batch, self.model, self.rngs)
        if birth is None:
            told = ("  run again, every op of it was finite: either the norm overflowed, or something "
                    "decides that is not in the batch, the parameters and the guard's rngs")
        else:
            told = str(birth)
        message = (f"step {self.step}: the loss is {float(value.data):.4g}, the norm of its gradients "
                   f"{float(norm):.4g}; the update was refused")
        return NotFinite(f"{message}\n{told}\n  {kept}", self.step, birth)

    def _keep(self) -> str:
        """Keep the batch, the parameters and the states of the generators."""
        arrays = {f"model/{name}": array for name, array in self.model.state().items()}
        batch: list[dict[str, Any]] = []
        for i, item in enumerate(self.batch):
            data = item.data if isinstance(item, Tensor) else item
            if type(data) in NAMESPACES:
                arrays[f"batch/{i}"] = to_host(data)
                batch.append({"tensor": isinstance(item, Tensor), "device": device_of(data)})
            else:
                batch.append({"value": data if _is_json(data) else None, "lost": not _is_json(data)})
        path = self.folder / f"failed-step-{self.step:07d}.npz"
        try:
            checkpoint.save(path, arrays, {"step": self.step, "batch": batch, "rngs": self.states})
        except OSError as error:
            return f"batch and parameters could not be kept in {path} ({error})"
        return f"batch and parameters are kept in {path}; tinyaug.train.guard.replay runs the step again"


def replay(path: str | Path, loss: Callable[..., Tensor], model: Module,
           rngs: dict[str, np.random.Generator] | None = None) -> Birth | None:
    """Run a kept `failed-step-N.npz` again: its parameters are loaded into `model`, its batch goes to `loss`.

    raises: CheckpointError for a damaged file; ValueError where a part of the batch could not be kept
    """
    _, arrays, meta = checkpoint.load(path)
    batch = []
    for i, item in enumerate(meta["batch"]):
        if item.get("lost"):
            raise ValueError(f"{path}: item {i} of the batch was neither array, Tensor nor JSON and is not "
                             "kept; give such things to the loss by a closure")
        data = to_device(arrays[f"batch/{i}"], item["device"]) if "device" in item else item["value"]
        batch.append(Tensor(data, dtype=data.dtype) if item.get("tensor") else data)
    model.load({name.removeprefix("model/"): a for name, a in arrays.items() if name.startswith("model/")})
    for name, rng in (rngs or {}).items():
        rng.bit_generator.state = meta["rngs"][name]
    return trace(loss, tuple(batch), model, rngs)


def explain_memory(error: MemoryError, step: int, lower: str) -> str:
    """A line for a MemoryError. Its own text tells the bytes wanted, and with CuPy the pool's use."""
    op, frames = "no op", error.__traceback__
    while frames:
        local = frames.tb_frame.f_locals
        if frames.tb_frame.f_code.co_filename in TAPE:
            if "node" in local:
                op = local["node"].op.__name__ + " (backward)"
            elif "body" in local:                   # an op's own function runs its body
                op = local["body"].__name__
        frames = frames.tb_next
    return f"out of memory in {op}: {str(error) or 'no detail'}; lower {lower}; saved after step {step}"


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
