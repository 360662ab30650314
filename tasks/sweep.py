"""`--sweep 0.001,0.01`: train a task with several time penalties and seeds, and compare error and steps.

Each run is a process of its own with one BLAS thread, as many at a time as there are cores.
"""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tasks.task import OptionError


def options(add):
    """--sweep, --seeds and --jobs, as options of a task."""
    add("--sweep", type=_penalties, metavar="PENALTIES", help="train with each of these time penalties, then compare")
    add("--seeds", type=int, default=1, help="with --sweep: so many seeds of each, from --seed on")
    add("--jobs", type=int, default=os.cpu_count() or 1, help="with --sweep: so many runs at a time")


def _penalties(text):
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = [-1.0]
    if min(values) < 0:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected numbers of at least 0, such as 0.001,0.01")
    return values


def command(task):
    """The Task.command of a task with these options."""
    def run(options, weights):
        if options.sweep is None:
            return None
        if options.pretrained or options.resume:
            raise OptionError(f"--sweep: not together with --{'pretrained' if options.pretrained else 'resume'}")
        if options.seeds < 1 or options.jobs < 1:
            raise OptionError(f"--sweep: got {options.seeds} seeds and {options.jobs} jobs, expected at least 1 of each")
        folder = options.out or Path("runs") / f"{task}-sweep"
        first = 1 if options.seed is None else options.seed
        runs = [(penalty, seed) for penalty in options.sweep for seed in range(first, first + options.seeds)]
        with ThreadPoolExecutor(options.jobs) as pool:
            rows = list(pool.map(lambda run: _one(task, options, folder, *run), runs))
        (folder / "sweep.json").write_text(json.dumps(rows, indent=1))
        if not options.quiet:
            print("penalty  seed  error   steps  seconds")
            for row in rows:
                print(f"{row['time_penalty']:<7g}  {row['seed']:>4}  {row['error']:.4f}  {row['steps']:5.2f}  "
                      f"{row['seconds']:7.0f}")
            print(f"result: {folder / 'sweep.json'}")
        try:
            from viz import ponder as draw
            print(f"figure: {draw.sweep(folder, rows, task)}")
        except ImportError as error:
            if error.name != "matplotlib":
                raise
        return 0
    return run


def _one(task, options, folder, penalty, seed):
    """Train once, unless the folder holds the result of an earlier try. returns: a row of the comparison"""
    out = (folder / f"penalty-{penalty:g}-seed{seed}").resolve()
    if not (out / "result.json").exists():
        words = [word for change in [*options.set, f"time_penalty={penalty}"] for word in ("--set", change)]
        words += [word for name in ("model", "steps", "minutes") if (value := getattr(options, name))
                  for word in (f"--{name}", str(value))]
        words += ["--resume"] if (out / "config.json").exists() else ["--seed", str(seed), *words]
        threads = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
        done = subprocess.run([sys.executable, "-m", "tasks", task, "--out", str(out), "--quiet", *words],
                              env=os.environ | threads, cwd=Path(__file__).resolve().parents[1])
        if done.returncode:
            raise OptionError(f"--sweep: the run in {out} ended with code {done.returncode}")
    result = json.loads((out / "result.json").read_text())
    measured = {key: result["metrics"][key] for key in ("error", "steps", "correlation") if key in result["metrics"]}
    return {"time_penalty": penalty, "seed": seed, **measured, "seconds": result["seconds"],
            "parameters": result["parameters"]}
