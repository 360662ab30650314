"""The command line: `python -m tasks` lists the tasks, `python -m tasks copy` trains one."""

from __future__ import annotations

import argparse
import importlib
import math
import pkgutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

from tasks import summary
from tasks.task import OptionError, Task

HELPERS = {"answering", "own_table", "pondering", "runner", "ship", "start", "summary", "sweep", "task", "wiki", "writing"}


def names() -> list[str]:
    """The task files, by name."""
    found = {module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])}
    return sorted(name for name in found - HELPERS if not name.startswith("_"))


def load(name: str) -> Task:
    """The task of a file. Imported when asked for: `--help` shall not wait for it."""
    return importlib.import_module(f"tasks.{name}").TASK


def main(arguments: list[str], names: Callable[[], list[str]] = names, load: Callable[[str], Task] = load,
         weights: Path = Path(__file__).parent / "weights") -> int:
    """Run a command line. returns: the exit code; 2 where an option, file or device cannot be as asked."""
    warnings.formatwarning = lambda message, *_, **__: f"warning: {message}\n"      # without a line of source
    try:
        if not arguments:
            print(listing([load(name) for name in names()]))
            return 0
        if arguments[0] in ("-h", "--help"):
            print("usage: python -m tasks                     list the tasks\n"
                  "       python -m tasks TASK [options]      train, evaluate, draw\n"
                  "       python -m tasks TASK --help         the options, models and settings of a task\n"
                  "       python -m tasks summary RUN ...     several runs in one table: solved of n, median, range\n"
                  f"tasks: {', '.join(names())}")
            return 0
        if arguments[0] == "summary":
            return summary.command(arguments[1:])
        if arguments[0] not in names():
            raise OptionError(f"got task {arguments[0]!r}, expected one of {', '.join(names())}")
        task = load(arguments[0])
        options = parser(task).parse_args(arguments[1:])
        options.set = [f"{setting}={value}" for setting in task.choices
                       if (value := getattr(options, setting)) is not None] + options.set
        done = task.command(options, weights)
        from tasks import runner
        return runner.run(task, options, weights) if done is None else done
    except OptionError as error:
        print(f"tasks: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:       # outside of training, which ends by itself: see tinyaug/train/loop.py
        print("tasks: stopped; what was written stands", file=sys.stderr)
        return 130


def listing(tasks: list[Task]) -> str:
    """All tasks, each with its paper, models, what it measures and what came of it, and how long it takes on two cores."""
    lines = []
    for task in tasks:
        lines += [f"{task.name}: {task.title}", f"    paper     {task.paper}",
                  f"    models    {', '.join(task.models)}", f"    measures  {task.measures}",
                  *(f"    found     {line}" for line in task.found),
                  f"    takes     about {task.minutes:g} min on two cores", ""]
    return "\n".join([*lines, "python -m tasks TASK trains one; python -m tasks TASK --help says how."])


class Parser(argparse.ArgumentParser):
    """argparse, but what is wrong is one line."""

    def error(self, message: str):
        raise OptionError(message.removeprefix("argument ") + f"; see {self.prog} --help")


def parser(task: Task) -> Parser:
    """The options of a task."""
    recipes = [f"  {model}: " + " ".join(f"{key}={_text(value)}" for key, value in recipe.items())
               for model, recipe in task.models.items()]
    result = Parser(prog=f"python -m tasks {task.name}", description=f"{task.title} ({task.paper})",
                    epilog="models and their settings:\n" + "\n".join(recipes), allow_abbrev=False,
                    formatter_class=argparse.RawDescriptionHelpFormatter)
    add = result.add_argument
    add("--model", choices=list(task.models), help=f"default: {next(iter(task.models))}")
    add("--eager", action="store_true", help="run every op as it comes, without recording the step")
    add("--seed", type=_number(int, 0), help="of everything that is drawn; default: 1")
    add("--steps", type=_number(int, 1), help="train for so many steps at most, in all")
    add("--minutes", type=_number(float, 0), help="train for so many minutes at most, in all")
    add("--out", type=Path, metavar="FOLDER", help="run folder; default: runs/TASK-MODEL-seedSEED")
    add("--resume", action="store_true", help="go on from the run folder's newest valid checkpoint")
    add("--pretrained", action="store_true", help="no training: evaluate the weights that are shipped")
    add("--device", choices=["cpu", "cuda", "strict"], default="cpu")
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting; may be repeated")
    add("--quiet", action="store_true", help="no progress and no tables")
    add("--trace", type=Path, metavar="FILE", help="save named arrays of one run of the model as NPZ")
    add("--data", type=Path, metavar="PATH", help=task.data or "of no use here: the data are drawn")
    for setting, values in task.choices.items():
        add(f"--{setting}", choices=values, help=f"the same as --set {setting}=VALUE")
    task.options(add)
    return result


def _number(kind: type, least: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not least <= value < math.inf:
            what = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"got {text!r}, expected {what} of at least {least}")
        return value

    return parse


def _text(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, (tuple, list)) else str(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
