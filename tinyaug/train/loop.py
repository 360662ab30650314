"""The training loop: steps, logs, validation, checkpoints and signals, for whatever a step does.

    rng = np.random.default_rng(1)
    model = Linear(4, 1, rng=rng)
    optimiser = RMSProp(model, rate=1e-3, clip_value=10)

    def loss(x):                                  # learn to add four numbers up
        return ops.mean_squared_error(model(x), ops.sum(x, axis=1, keepdims=True))

    guard = Guard(model, loss, optimiser, folder=folder)

    def step(i):                                  # the i-th step of the run, counted from 1
        x = Tensor(rng.normal(size=(16, 4)))
        guard.begin(i, x)
        value = loss(x)
        optimiser.zero_grad()
        value.backward()
        guard.check(value)                        # raises NotFinite before anything is updated
        optimiser.step()
        return {"loss": value, "norm": optimiser.norm}

    def validate(i):                              # after i steps
        error = loss(Tensor(np.eye(4))).item()
        return {"error": error, "done": error < 1e-4}

    with Run(folder, config={"seed": 1}, resume=resume) as run:
        outcome = train(run, step, stateful={"model": model, "optimiser": optimiser}, rngs={"data": rng},
                        steps=5_000, minutes=10, validate=validate, validate_every=100, best="error",
                        resume_command=f"python add.py --resume {folder}")
        run.write_json("result.json", {"steps": outcome.steps, "seconds": outcome.seconds})
    sys.exit(outcome.exit_code)

All that a step or a validation changes and a later one reads must be in `stateful` or `rngs`. Then a run that
was interrupted, or killed at any moment, and resumed ends with the same parameters and metrics.jsonl, byte
for byte, as one that was left alone. (Wall-clock times go to times.jsonl; they cannot repeat.)
"""

from __future__ import annotations

import gc
import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np

from tinyaug.autograd import Tensor
from tinyaug.train import checkpoint
from tinyaug.train.checkpoint import CheckpointError
from tinyaug.train.guard import OutOfMemory, explain_memory
from tinyaug.train.progress import Progress, numbers
from tinyaug.train.runs import Run, say

EXIT_LOST = 1  # the run ended as it should, but something of it could not be written


class Stateful(Protocol):
    """What a checkpoint can hold: a model, an optimiser, a curriculum, the position in a data set.

    state() gives {name: host array or JSON value}; load(state) takes it back, or raises and changes nothing.
    """

    def state(self) -> dict[str, Any]: ...

    def load(self, state: dict[str, Any]) -> None: ...


@dataclass
class Position:
    """Where a run stands. Every checkpoint holds it."""

    step: int = 0
    seconds: float = 0.0  # of training: the steps alone
    wall: float = 0.0  # with validation, checkpoints and logs
    validated: int = 0  # the step of the last validation
    validation: dict[str, Any] = field(default_factory=dict)  # and what it said
    best: dict[str, Any] | None = None  # {"step", "value"} of the best validation
    done: bool = False  # a validation ended the run
    sums: dict[str, Any] = field(default_factory=dict)  # of the metrics since the last record
    count: int = 0  # of the steps since then
    logs: dict[str, int] = field(default_factory=dict)  # bytes of each log: a resume cuts it to there

    def add(self, metrics: Mapping[str, Any]) -> None:
        """Add one step's metrics. They stay where they are: nothing waits for a device here."""
        for name, value in metrics.items():
            self.sums[name] = self.sums.get(name, 0.0) + (value.data if isinstance(value, Tensor) else value)
        self.count += 1

    def means(self) -> dict[str, float]:
        """The mean of each metric since the last record. Reads them, so waits for the device."""
        return {name: float(total) / self.count for name, total in self.sums.items()}

    def saved(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "sums": {name: float(total) for name, total in self.sums.items()}}


@dataclass(frozen=True)
class Outcome:
    """How a run ended. Steps and seconds include those before a resume."""

    steps: int
    seconds: float  # of training: the steps alone
    wall: float  # with validation, checkpoints and logs
    done: bool  # a validation said so
    validation: dict[str, Any]  # what the last validation said
    best: dict[str, Any] | None  # {"step", "value"} of the best one; its checkpoint is kept
    interrupted: bool
    exit_code: int  # 0; 1 where something could not be written; 130 or 143 after SIGINT or SIGTERM


def train(run: Run, step: Callable[[int], Mapping[str, Any]], *, stateful: dict[str, Stateful],
          rngs: dict[str, np.random.Generator], steps: int | None = None, minutes: float | None = None,
          validate: Callable[[int], Mapping[str, Any]] | None = None, validate_every: int = 500,
          best: str | None = None, checkpoint_every: int = 500, keep: int = 3, log_every: int = 50,
          quiet: bool = False, resume_command: str | None = None, lower: str = "the batch size") -> Outcome:
    """Train until `steps` steps or `minutes` minutes of training, in all, or until a validation says "done".

    step:      i -> metrics of the i-th step, numbers or 0-d arrays; their mean is logged every `log_every`
               steps, and only then read, so that the loop adds no waiting for a device
    validate:  i -> what is known after i steps; {"done": True} ends the run
    best:      the value of the validations that is best where lowest: its checkpoint is kept besides the last
               `keep`, and is written at once
    run:       where `run.resumed`, everything is first put back to the newest valid checkpoint
    resume_command: what to tell who interrupts the run
    lower:     the option to lower where memory runs out
    raises:    CheckpointError where the run cannot be resumed, OutOfMemory (after a checkpoint), and whatever
               step and validate raise
    """
    if steps is None and minutes is None and validate is None:
        raise ValueError("train: got no steps, minutes or validate, expected at least one: it would not end")
    at = Position()
    saved = -1
    if run.resumed and (found := checkpoint.newest_valid(run.folder)) is not None:
        at = _restore(found, stateful, rngs)
        saved = at.step
    run.cut_logs(at.logs)
    clock = time.perf_counter
    began = clock() - at.wall

    def save() -> None:
        nonlocal saved
        at.wall = clock() - began
        try:
            at.logs = run.sync_logs()
            arrays, meta = _snapshot(stateful, rngs)
            meta.update(step=at.step, position=at.saved(), config=run.config)
            checkpoint.save(checkpoint.checkpoint_path(run.folder, at.step), arrays, meta)
            checkpoint.retain(run.folder, at.step, keep, at.best["step"] if at.best else None)
            saved = at.step
        except OSError as error:  # a full disk: the last checkpoint stands, and the next may find room
            run.lose("writing a checkpoint", error)

    with _Signals() as signals, _collector_off(), Progress(at.step, at.seconds, steps, minutes, quiet) as progress:
        while not at.done and not signals.received:
            if validate and at.step % validate_every == 0 and at.validated < at.step:
                improved = _judge(at, dict(validate(at.step)), best)
                run.log(at.step, validation=at.validation)
                progress.tell(f"validation after step {at.step}: {numbers(at.validation)}")
                if improved:
                    save()
                continue  # it may have ended the run, or a signal may have come
            if at.step % checkpoint_every == 0 and saved < at.step:
                save()
            if steps is not None and at.step >= steps or minutes is not None and at.seconds >= 60 * minutes:
                break
            states = {name: rng.bit_generator.state for name, rng in rngs.items()}
            start = clock()
            try:
                at.add(step(at.step + 1))
            except MemoryError as error:
                for name, state in states.items():
                    rngs[name].bit_generator.state = state
                save()
                raise OutOfMemory(explain_memory(error, saved, lower)) from error
            at.seconds += clock() - start
            at.step += 1
            progress.show(at.step, at.seconds, at.means)
            if at.step % log_every == 0:
                run.log(at.step, train=at.means())
                run.log_time(at.step, at.seconds)
                at.sums, at.count = {}, 0
        if saved < at.step:
            save()
    if signals.received:
        how = resume_command or f"resuming the run in {run.folder}"
        say(f"stopped after step {at.step}, " + (f"go on with: {how}" if saved == at.step else
                                                 "which could not be saved; the last checkpoint stands"))
    code = 128 + signals.received if signals.received else EXIT_LOST if run.lost else 0
    return Outcome(at.step, at.seconds, clock() - began, at.done, at.validation, at.best,
                   bool(signals.received), code)


@contextmanager
def _collector_off() -> Iterator[None]:
    """No garbage collection while training: the tape has no reference cycles, and each search for them, among all the
    nodes of a step, costs up to 40 % of a small step's time."""
    on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if on:
            gc.enable()


def _judge(at: Position, told: dict[str, Any], best: str | None) -> bool:
    """Take down what a validation told. returns: whether it is the best so far"""
    at.done = bool(told.pop("done", False))
    at.validated, at.validation = at.step, told
    if best is None:
        return False
    if best not in told:
        raise ValueError(f"train: best is {best!r}, expected one of what validate gives: {', '.join(told)}")
    if at.best is not None and not told[best] < at.best["value"] or math.isnan(told[best]):
        return False
    at.best = {"step": at.step, "value": float(told[best])}
    return True


def _snapshot(stateful: dict[str, Stateful], rngs: dict[str, np.random.Generator]) -> tuple[dict, dict]:
    """All state as (arrays, meta) of a checkpoint: arrays as "owner/name", everything else in meta."""
    arrays: dict[str, np.ndarray] = {}
    plain: dict[str, dict[str, Any]] = {owner: {} for owner in stateful}
    for owner, thing in stateful.items():
        for name, value in thing.state().items():
            if isinstance(value, np.ndarray):
                arrays[f"{owner}/{name}"] = value
            else:
                plain[owner][name] = value
    return arrays, {"state": plain, "rngs": {name: rng.bit_generator.state for name, rng in rngs.items()}}


def _restore(found: checkpoint.Checkpoint, stateful: dict[str, Stateful],
             rngs: dict[str, np.random.Generator]) -> Position:
    """Put everything back to a checkpoint, or raise CheckpointError and leave everything as it was."""
    states, rng_states = found.meta["state"], found.meta["rngs"]
    for what, got, expected in (("state", states, stateful), ("generator", rng_states, rngs)):
        if got.keys() != expected.keys():
            raise CheckpointError(f"{found.path}: holds the {what} of {', '.join(sorted(got)) or 'nothing'}, "
                                  f"expected of {', '.join(sorted(expected)) or 'nothing'}; resume with the "
                                  "program that wrote it")
    for name, array in found.arrays.items():
        owner, _, name = name.partition("/")
        states[owner][name] = array
    before = {owner: {name: np.array(value) if isinstance(value, np.ndarray) else value
                      for name, value in thing.state().items()} for owner, thing in stateful.items()}
    rngs_before = {name: rng.bit_generator.state for name, rng in rngs.items()}
    try:
        for name, rng in rngs.items():
            rng.bit_generator.state = rng_states[name]
        for owner, thing in stateful.items():
            thing.load(states[owner])
        return Position(**found.meta["position"])
    except Exception as error:
        for name, rng in rngs.items():
            rng.bit_generator.state = rngs_before[name]
        for owner, thing in stateful.items():
            thing.load(before[owner])
        raise CheckpointError(f"{found.path}: does not fit ({error}); resume with the program and config "
                              "that wrote it") from error


class _Signals:
    """SIGINT and SIGTERM inside the `with` block: the first is noted, the second ends the process."""

    received = 0

    def __enter__(self) -> _Signals:
        self.before: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():  # no other thread may handle signals
            self.before = {number: signal.signal(number, self) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __call__(self, number: int, frame: Any) -> None:
        if self.received:
            os._exit(128 + number)  # a checkpoint in the writing does no harm: it has not been renamed yet
        self.received = number
        with suppress(OSError):  # and not `print`: the signal may have come in the middle of one
            os.write(2, b"\nfinishing the step and saving; once more to stop at once\n")

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
