"""Several runs in one table: `python -m tasks summary RUN ...`, solved of n, median and range of every number."""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

from tasks.task import OptionError

__all__ = ["command", "summary"]


def command(arguments: list[str]) -> int:
    """Print what the runs came to. returns: the exit code"""
    parser = argparse.ArgumentParser(prog="python -m tasks summary", description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="run folders, or their result.json")
    print(summary([read(path) for path in parser.parse_args(arguments).runs]))
    return 0


def read(path: Path) -> dict:
    """The result of a run. raises: OptionError where there is none"""
    path = path / "result.json" if path.is_dir() else path
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise OptionError(f"summary: {path}: {getattr(error, 'strerror', None) or 'is no result of a run'}; "
                          "a run that has ended leaves result.json in its folder") from None


def summary(results: list[dict]) -> str:
    """One block for each task and model: the seeds, how many reached every bar, then a line for each number."""
    groups: dict = {}
    for result in results:
        groups.setdefault((result["task"], result["model"]), []).append(result)
    return "\n\n".join(_block(*key, sorted(group, key=lambda result: result["seed"])) for key, group in groups.items())


def _block(task, model, group):
    solved = sum(all(bar["reached"] for bar in result.get("target", {}).values()) for result in group)
    seeds = ", ".join(str(result["seed"]) for result in group)
    columns: dict = {}                     # name -> its value in each run that has it
    for result in group:
        for name, value in _numbers(result):
            columns.setdefault(name, []).append(value)
    bars = {name: bar for result in group for name, bar in result.get("target", {}).items()}
    rows = [[name, *map(_told, (statistics.median(values), min(values), max(values))), str(len(values)),
             _told(bars[name]["bound"]) if name in bars else "",
             f"{sum(result['target'][name]['reached'] for result in group if name in result['target'])}"
             if name in bars else ""] for name, values in columns.items()]
    heads = ["", "median", "least", "most", "runs", "bar", "reached"]
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    table = ["  ".join([row[0].ljust(widths[0]), *[cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]])
             for row in [heads, *rows]]
    return "\n".join([f"{task} {model}: {solved} of {len(group)} reached every bar; seeds {seeds}",
                      *[line.rstrip() for line in table]])


def _numbers(result):
    """(name, number) of the time taken, the bars and metrics, and the errors by length."""
    yield from ((name, result[name]) for name in ("steps", "seconds"))
    yield from ((name, bar["value"]) for name, bar in result.get("target", {}).items()
                if name != "seconds" and bar["value"] is not None)
    yield from ((name, value) for name, value in result.get("metrics", {}).items() if name not in result.get("target", {}))
    for row in result.get("by_length", ()):
        where = " ".join([value for value in row.values() if isinstance(value, str)] + [str(row["length"])])
        yield from ((f"{name} at {where}", value) for name, value in row.items()
                    if name != "length" and isinstance(value, (int, float)))


def _told(value):
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:.4g}"
