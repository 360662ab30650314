"""What a task is: functions of one task file and a few words about them. `tasks/runner.py` drives them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Config = dict[str, Any]


class OptionError(Exception):
    """An option of the command line that cannot be: one line that names it and says what is allowed."""


def _anything(_: Any) -> None:
    """The check of a task whose settings may have any value; the options of one that has none of its own."""


def _nothing_kept(config: Config) -> Config:
    """Of a task whose model is built from its settings alone."""
    return {}


def _nothing(options: Any, weights: Path) -> None:
    """The command of a task that does nothing but train and evaluate."""


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task file ends in `TASK = Task(...)`.

    `config` is a plain dict: the recipe of the model with what `--set` changed, and "task", "model", "seed",
    "data" (the file given by `--data`, or None). `rng` is a Generator on the host, the only source of chance.
    Arrays are NumPy's; the runner moves them to the device. validate, evaluate and trace record no graph.

    name:      of the file
    title:     one line: what is learned
    paper:     whose task this is
    measures:  one line: what the numbers are
    minutes:   to train on two cores, by the default recipe
    found:     lines: what was measured, with the seeds, as the task's page tells it
    models:    {model name: recipe}, the default model first. A recipe is {key: default}; "steps" (at most so
               many), "batch" (sequences a step) and "validate_every" (steps) are read by the runner too
    build:     config, rng -> model
    batch:     config, rng, i -> arrays of the i-th step, counted from 1
    loss:      model, *Tensors of the batch -> (loss, {name: 0-d Tensor that is logged})
    optimiser: config, model -> Optimiser
    validate:  model, config, rng -> {name: number, ..., "done": training may end}
    evaluate:  model, config, rng -> {"metrics": {name: number}, "by_length": [{"length": ..., name: number}]}
    targets:   config, result -> {name: {"value": ..., "bound": ..., "reached": bool}}, the bars it is held to
    trace:     model, config, rng -> {name: array}: one run of the model, for the figures
    figures:   run folder, trace, metrics (the records of metrics.jsonl; none for shipped weights) -> paths
    rate:      config, i -> learning rate of the i-th step; None where it stays what the optimiser was made with
    check:     raises ValueError, "key: got ..., expected ...", for a setting out of range
    data:      what a file given by `--data` holds; None where the task draws all its data
    keeps:     config -> {name: value} of `--data` that the model is built from, a vocabulary, say: kept with its weights
    transfers: models whose weights are trained on drawn data and measured on `--data` too
    choices:   {setting of the recipe: the values that it may have}: `--ponder act` is `--set ponder=act`
    options:   adds options of the task's own, by an ArgumentParser's add_argument
    command:   options, folder of the shipped weights -> exit code, where one of its own options asks for something
               else than training; None where none does
    """

    name: str
    title: str
    paper: str
    measures: str
    minutes: float
    found: tuple[str, ...] = ()
    models: Mapping[str, Any]
    build: Callable
    batch: Callable
    loss: Callable
    optimiser: Callable
    validate: Callable
    evaluate: Callable
    targets: Callable
    trace: Callable
    figures: Callable
    rate: Callable[[Config, int], float] | None = None
    check: Callable[[Config], None] = _anything
    data: str | None = None
    keeps: Callable[[Config], Config] = _nothing_kept
    transfers: tuple[str, ...] = ()
    choices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    options: Callable[[Callable], None] = _anything
    command: Callable[[Any, Path], int | None] = _nothing

    def settings(self, model: str, changes: list[str], stored: Mapping[str, Any] | None = None) -> Config:
        """The recipe of a model, each setting as stored by a run, if it was, with changes "key=value" on top.

        raises: OptionError for an unknown key, a value of the wrong type, or one that the task refuses
        """
        recipe = dict(self.models[model])
        chosen = {key: (stored or {}).get(key, default) for key, default in recipe.items()}
        for change in changes:
            key, equals, text = change.partition("=")
            if not equals or key not in recipe:
                raise OptionError(f"--set {change}: got key {key!r}, expected key=value with one of "
                                  f"{', '.join(recipe)}")
            chosen[key] = _parse(key, text, recipe[key])
        chosen = json.loads(json.dumps(chosen))     # as a resumed run reads it back: tuples are lists
        for key in ("steps", "batch", "validate_every"):
            if chosen[key] < 1:
                raise OptionError(f"--set {key}={chosen[key]}: expected at least 1")
        try:
            self.check({"model": model, **chosen})
        except ValueError as error:
            raise OptionError(f"--set {error}") from None
        return chosen


def _parse(key: str, text: str, default: Any) -> Any:
    """The text of a setting as a value of its default's type: bool, int, float, text, or a list of one."""
    if isinstance(default, (tuple, list)):
        return [_parse(key, part, default[0]) for part in text.split(",")]
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False}[text.lower()]
        value = type(default)(text)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError
        return value
    except (ValueError, KeyError):
        kind = {bool: "true or false", int: "a whole number"}.get(type(default), "a finite number")
        raise OptionError(f"--set {key}: got {text!r}, expected {kind}, such as {default}") from None
