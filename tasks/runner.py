"""Trains a task or takes its shipped weights, evaluates it, and fills the run folder. Knows no model."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tasks.task import Config, OptionError, Task
from tinyaug.arrays import default_dtype, to_device
from tinyaug.autograd import Tensor, no_grad
from tinyaug.record import RecordError, record
from tinyaug.train import checkpoint
from tinyaug.train.checkpoint import CheckpointError
from tinyaug.train.guard import Guard, NotFinite, OutOfMemory
from tinyaug.train.loop import train
from tinyaug.train.runs import Run, RunError, say

STREAMS = ("build", "data", "validate", "evaluate", "trace")    # dropout, if any, draws from build's
DEFAULT_SEED = 1


def run(task: Task, options: argparse.Namespace, weights: Path) -> int:
    """Do what a command line asks. returns: the exit code. raises: OptionError before anything is changed."""
    _refuse_combinations(task, options)
    try:
        to_device(np.zeros(1), options.device)
    except RuntimeError as error:
        raise OptionError(f"--{error}") from None
    try:
        return pretrained(task, options, weights) if options.pretrained else trained(task, options)
    except (CheckpointError, RunError) as error:
        raise OptionError(str(error)) from None
    except (NotFinite, OutOfMemory) as error:
        print(f"tasks: {error}", file=sys.stderr)
        return 1
    except OSError as error:        # a full disk: what was written before stands
        print(f"tasks: {error}; --resume goes on from the last checkpoint", file=sys.stderr)
        return 1


def _refuse_combinations(task: Task, options: argparse.Namespace) -> None:
    if options.pretrained:
        for name in ("resume", "steps", "minutes", "set"):
            if getattr(options, name):
                raise OptionError(f"--{name}: not together with --pretrained, which does not train")
    if options.data is not None and task.data is None:
        raise OptionError(f"--data {options.data}: {task.name} draws its data and reads no file")
    if options.data is not None and not options.data.exists():
        raise OptionError(f"--data {options.data}: got no such file, expected {task.data}")
    if options.trace is not None and not options.trace.parent.is_dir():
        raise OptionError(f"--trace {options.trace}: got no folder {options.trace.parent}; make it first")
    if options.trace is not None and options.trace.is_dir():
        raise OptionError(f"--trace {options.trace}: got a folder, expected a file to write")
    parents = [] if options.out is None else [options.out, *options.out.parents]
    if any(path.is_file() for path in parents):
        raise OptionError(f"--out {options.out}: got a file, expected a folder or a new name")


def streams(seed: int) -> dict[str, np.random.Generator]:
    """One Generator a purpose, all from one seed: more validation never changes the training data."""
    children = np.random.SeedSequence(seed).spawn(len(STREAMS))
    return {name: np.random.default_rng(child) for name, child in zip(STREAMS, children, strict=True)}


def trained(task: Task, options: argparse.Namespace) -> int:
    """Train, or go on with a run, then evaluate it."""
    folder = options.out or _folder(task, options, options.model or next(iter(task.models)))
    stored = _stored(task, folder) if options.resume else {}
    model_name = options.model or stored.get("model") or next(iter(task.models))
    if model_name not in task.models:
        raise OptionError(f"--resume: {folder} holds a run of model {model_name!r}, expected one of "
                          f"{', '.join(task.models)}")
    config = {
        "task": task.name,
        "model": model_name,
        "seed": stored.get("seed", DEFAULT_SEED) if options.seed is None else options.seed,
        "data": str(options.data) if options.data else stored.get("data"),
        **task.settings(model_name, options.set, stored),
    }
    config |= task.keeps(config)
    # How far to train is no part of what a run is: a resume may go on for longer.
    lasting = {key: value for key, value in config.items() if key != "steps"}
    rngs = streams(config["seed"])
    model = _on_device(task.build(config, rngs["build"]), options.device)
    optimiser = task.optimiser(config, model)

    def validate(i: int) -> dict[str, Any]:
        with no_grad():     # the same sequences each time: the stream begins anew
            return task.validate(model, config, streams(config["seed"])["validate"])

    with Run(folder, lasting, resume=options.resume, device=options.device) as place:
        outcome = train(place, _stepper(task, config, model, optimiser, rngs, folder, options),
                        stateful={"model": model, "optimiser": optimiser},
                        rngs={name: rngs[name] for name in ("build", "data")},
                        steps=options.steps or config["steps"], minutes=options.minutes,
                        validate=validate, validate_every=config["validate_every"], quiet=options.quiet,
                        resume_command=_resume_command(task, folder, options), lower="--set batch")
        if not outcome.interrupted:
            training = {"steps": outcome.steps, "sequences": outcome.steps * config["batch"],
                        "seconds": outcome.seconds,
                        "seconds_to_target": outcome.seconds if outcome.done else None}
            finish(task, model, config, training, place, options)
        return outcome.exit_code


def _stepper(task: Task, config: Config, model: Any, optimiser: Any, rngs: dict[str, np.random.Generator],
             folder: Path, options: argparse.Namespace) -> Callable[[int], dict[str, Any]]:
    """One step of training: draw, forward, backward, refuse what is not finite, update."""
    guard = Guard(model, lambda *batch: task.loss(model, *batch)[0], optimiser, folder=folder,
                  rngs={"build": rngs["build"]})

    def differentiate(*batch: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        optimiser.zero_grad()
        loss, logged = task.loss(model, *batch)
        loss.backward()
        optimiser.measure()
        return loss, logged

    update = optimiser.advance
    if not options.eager and options.device == "cpu":
        differentiate, update = (_Recording(function, name, rngs["build"])
                                 for function, name in ((differentiate, "the gradient"), (update, "the update")))

    def step(i: int) -> dict[str, Any]:
        batch = [Tensor(to_device(array, options.device)) for array in task.batch(config, rngs["data"], i)]
        guard.begin(i, *batch)
        loss, logged = differentiate(*batch)
        optimiser.measured = True
        guard.check(loss)
        if task.rate is not None:
            optimiser.set_rate(task.rate(config, i))
        update()
        optimiser.measured = False
        return {"loss": loss, **logged, "gradient_norm": optimiser.norm.copy()}

    return step


class _Recording:
    """A function that is recorded where it can be, and says so where it has to stay eager.

    rng: what the function may draw from, which is why it cannot be recorded; a failed recording takes nothing from it
    """

    def __init__(self, function: Callable, name: str, rng: np.random.Generator):
        self.eager, self.name, self.run, self.rng = function, name, record(function), rng

    def __call__(self, *arguments: Any) -> Any:
        state = self.rng.bit_generator.state if self.run is not self.eager else None
        try:
            return self.run(*arguments)
        except RecordError as error:
            say(f"{self.name} stays eager: {error}")
            self.run, self.rng.bit_generator.state = self.eager, state
            return self.run(*arguments)


def pretrained(task: Task, options: argparse.Namespace, weights: Path) -> int:
    """Evaluate shipped weights on fresh data drawn by the seed, or on `--data`."""
    seed = DEFAULT_SEED if options.seed is None else options.seed
    model, config, training = shipped(task, options.model, weights, seed, options.data)
    folder = options.out or _folder(task, options, config["model"], "pretrained-")
    if (folder / "config.json").exists() and _stored(task, folder).get("pretrained"):
        (folder / "config.json").unlink()       # made by such a command, and made again by this one
    with Run(folder, {**config, "pretrained": True}, device=options.device) as place:
        finish(task, _on_device(model, options.device), config, training, place, options)
    return 0


def shipped(task: Task, model: str | None, weights: Path, seed: int = DEFAULT_SEED,
            data: Path | None = None) -> tuple[Any, Config, dict[str, Any]]:
    """The model of shipped weights, its config, and what is known of its training.

    The weights of a model that was trained on real data are a file of their own, NAME-MODEL-data.npz.
    raises: OptionError where none are shipped, or they do not fit
    """
    name = model or next(iter(task.models))
    kind = "-data" if data and name not in task.transfers else ""
    path = weights / f"{task.name}-{name}{kind}.npz"
    if not path.exists():
        names = [other for other in task.models if (weights / f"{task.name}-{other}{kind}.npz").exists()]
        raise OptionError(f"--pretrained: no weights of model {name} are shipped{' for --data' if kind else ''}, expected "
                          f"one of {', '.join(names) or 'none; train it without --pretrained'}")
    _, arrays, meta = checkpoint.load(path)
    config = {**meta["config"], "seed": seed, "data": str(data) if data else None}
    result = task.build(config, streams(seed)["build"])
    try:
        result.load(arrays)
    except (ValueError, KeyError) as error:
        raise OptionError(f"--pretrained: {path} does not fit this model ({error})") from None
    return result, config, meta["training"]


def finish(task: Task, model: Any, config: Config, training: dict[str, Any], place: Run,
           options: argparse.Namespace) -> None:
    """Evaluate the model; write result.json, the trace and the figures; say what came out and where it is."""
    rngs = streams(config["seed"])
    with no_grad():
        found = task.evaluate(model, config, rngs["evaluate"])
        trace = task.trace(model, config, rngs["trace"])
    result = {
        **{key: config[key] for key in ("task", "model", "seed")},
        **training,
        "parameters": sum(parameter.size for parameter in model.parameters()),
        "device": options.device,
        "dtype": str(default_dtype()),
        "metrics": found["metrics"],
        "by_length": found.get("by_length", []),
    }
    target = task.targets(config, result)
    result |= {"target": target, "reached": bool(target) and all(bar["reached"] for bar in target.values())}
    place.write_json("result.json", result)
    if options.trace is not None:
        with open(options.trace, "wb") as file:
            np.savez_compressed(file, **trace)
    lines = [*summary(result), f"result: {place.folder / 'result.json'}"]
    try:
        figures = task.figures(place.folder, trace, place.read_log())
        lines += [f"figure: {path}" for path in figures]
    except ImportError as error:
        if error.name != "matplotlib":
            raise
        lines.append("figures: none, matplotlib is not installed; pip install -e .[tasks]")
    if not options.quiet:
        print("\n".join(lines))


def summary(result: dict[str, Any]) -> list[str]:
    """A result as lines to read: a table by length, and each bar that the task is held to."""
    lines = [f"{result['task']} ({result['model']}), seed {result['seed']}: {result['steps']} steps, "
             f"{result['sequences']} sequences, {result['seconds']:.1f} s of training"]
    lines += [f"{name}: {_short(value)}" for name, value in result["metrics"].items()]
    if rows := result["by_length"]:
        table = [list(rows[0]), *([_short(value) for value in row.values()] for row in rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines += ["  ".join(map(str.rjust, row, widths)) for row in table]
    lines += [f"target {name}: {_short(bar['value'])}, bound {_short(bar['bound'])}, "
              f"{'reached' if bar['reached'] else 'NOT reached'}" for name, bar in result["target"].items()]
    return lines


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _folder(task: Task, options: argparse.Namespace, model: str, kind: str = "") -> Path:
    seed = DEFAULT_SEED if options.seed is None else options.seed
    return Path("runs") / f"{task.name}-{model}-{kind}seed{seed}"


def _stored(task: Task, folder: Path) -> Config:
    """The config of the run in a folder. raises: OptionError where there is none, or one of another task"""
    path = folder / "config.json"
    try:
        stored = json.loads(path.read_bytes())
    except OSError:
        raise OptionError(f"--resume: {folder} holds no run (no config.json); start one without") from None
    except ValueError as error:
        raise OptionError(f"--resume: {path} cannot be read ({error}); start in another folder") from None
    if not isinstance(stored, dict) or stored.get("task") != task.name:
        raise OptionError(f"--resume: {path} is of another task, expected {task.name}; choose another --out")
    return stored


def _resume_command(task: Task, folder: Path, options: argparse.Namespace) -> str:
    extra = [part for name in ("steps", "minutes") if (value := getattr(options, name))
             for part in (f"--{name}", f"{value:g}" if name == "minutes" else str(value))]
    if options.device != "cpu":
        extra += ["--device", options.device]
    return shlex.join(["python", "-m", "tasks", task.name, "--out", str(folder), "--resume", *extra])


def _on_device(model: Any, device: str) -> Any:
    return model if device == "cpu" else model.to(device)
