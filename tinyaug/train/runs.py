"""Run folders: one folder holds one run, and one process at a time works in it.

    config.json        what the run was asked to do; a resume must ask for the same
    environment.json   what it ran on, and under "resumed" what each resume ran on
    metrics.jsonl      a line a record: {"step": 50, "train": {...}} or {"step": 50, "validation": {...}}
    times.jsonl        {"step": 50, "seconds": 1.2}: the wall clock, kept apart so that metrics.jsonl is the
                       same, byte for byte, whenever the same run is repeated or resumed
    checkpoint-*.npz   see checkpoint.py
    figures/           pictures
    result.json        what came out
    lock               who works here, while somebody does

    with Run("runs/copy-1", config={"seed": 1}) as run:
        run.log(50, train={"loss": 0.7})
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tinyaug.arrays import default_dtype
from tinyaug.train import checkpoint, lock
from tinyaug.train.lock import RunError

THREADS = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS",
           "BLIS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
LOGS = ("metrics.jsonl", "times.jsonl")


class Run:
    """A run folder, held from construction until `close` (or the end of a `with` block).

    folder:  made where it does not exist
    config:  JSON values. A new run stores them; a resumed one brings equal ones, or None for the stored ones
    resume:  False for a new run, True to go on with the one in the folder
    device:  goes into environment.json
    raises:  RunError where another live process holds the folder, where a new run finds an old one, where
             there is nothing to resume, or where the config differs
    """

    def __init__(self, folder: str | Path, config: dict[str, Any] | None = None, *, resume: bool = False,
                 device: str = "cpu"):
        self.folder = Path(folder)
        self.resumed = resume
        self.lost: list[str] = []  # what could not be written: then the exit code is not 0
        if resume and not (self.folder / "config.json").is_file():
            raise RunError(f"{self.folder}: holds no run to resume (no config.json); start it anew")
        self.folder.mkdir(parents=True, exist_ok=True)
        lock.take(self.folder)
        try:
            self.config = self._resume(config, device) if resume else self._begin(config or {}, device)
        except BaseException:
            self.close()
            raise

    def _begin(self, config: dict[str, Any], device: str) -> dict[str, Any]:
        if (self.folder / "config.json").exists() or checkpoint.checkpoints(self.folder):
            raise RunError(f"{self.folder}: holds a run already; resume it, or choose another folder")
        self.write_json("environment.json", environment(device))
        self.write_json("config.json", config)  # last: a folder without one holds nothing worth keeping
        return config

    def _resume(self, config: dict[str, Any] | None, device: str) -> dict[str, Any]:
        stored = self._read_json("config.json")
        asked = stored if config is None else json.loads(json.dumps(config))
        for key in sorted(stored.keys() | asked.keys()):
            if stored.get(key) != asked.get(key):
                raise RunError(f"{self.folder}: config {key}: got {asked.get(key)!r}, expected "
                               f"{stored.get(key)!r} as this run began; resume it unchanged, or start in "
                               "another folder")
        first = self._read_json("environment.json") if (self.folder / "environment.json").exists() else {}
        first.setdefault("resumed", []).append(environment(device))
        self.write_json("environment.json", first)
        return stored

    @property
    def figures(self) -> Path:
        """The folder of the figures, made when first asked for."""
        (self.folder / "figures").mkdir(exist_ok=True)
        return self.folder / "figures"

    def log(self, step: int, **parts: dict[str, Any]) -> None:
        """Append {"step": step, **parts} to metrics.jsonl. Never raises: a record is not worth a run."""
        self._append("metrics.jsonl", {"step": step, **parts})

    def log_time(self, step: int, seconds: float) -> None:
        """Append how many seconds of training `step` steps took to times.jsonl. Never raises."""
        self._append("times.jsonl", {"step": step, "seconds": round(seconds, 3)})

    def read_log(self, name: str = "metrics.jsonl") -> list[dict[str, Any]]:
        """The records of a log, oldest first, without lines that a crash or a full disk left incomplete."""
        return list(_records(self.folder / name))

    def cut_logs(self, sizes: dict[str, int]) -> None:
        """Cut each log to what it was at a checkpoint: a resume from there tells the later steps anew."""
        for name in LOGS:
            self._try(f"cutting {name}", _cut, self.folder / name, sizes.get(name, 0))

    def sync_logs(self) -> dict[str, int]:
        """Make the logs durable, for a checkpoint must not outlive the records before it. Never raises.

        returns: the size of each log in bytes, for `cut_logs`
        """
        for name in LOGS:
            self._try(f"syncing {name}", _sync, self.folder / name)
        paths = [self.folder / name for name in LOGS]
        return {path.name: path.stat().st_size for path in paths if path.is_file()}

    def write_json(self, name: str, value: dict[str, Any]) -> None:
        """Write a JSON file of the folder at one moment: config.json, environment.json, result.json.

        raises: OSError from the disk
        """
        checkpoint.write(self.folder / name, (json.dumps(_plain(value), indent=2) + "\n").encode())

    def lose(self, what: str, error: Exception) -> None:
        """Warn that something could not be written, and remember it for the exit code. Never raises."""
        if what not in self.lost:
            say(f"warning: {self.folder}: {what} failed ({error}); the run goes on")
            self.lost.append(what)

    def close(self) -> None:
        """Let the folder go."""
        lock.release(self.folder)

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _append(self, name: str, record: dict[str, Any]) -> None:
        line = (json.dumps(_plain(record)) + "\n").encode()
        self._try(f"writing {name}", _append, self.folder / name, line)

    def _try(self, what: str, action: Callable[..., None], *args: Any) -> None:
        try:
            action(*args)
        except OSError as error:
            self.lose(what, error)

    def _read_json(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        try:
            value = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise RunError(f"{path}: cannot be read ({error}); start in another folder") from None
        if not isinstance(value, dict):
            raise RunError(f"{path}: got a {type(value).__name__}, expected a JSON object")
        return value


def environment(device: str = "cpu") -> dict[str, Any]:
    """What numbers depend on besides the config: versions, BLAS, threads, machine, load, revision, dtype."""
    blas = np.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})  # type: ignore[union-attr]
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "blas": {key: blas.get(key) for key in ("name", "version")},
        "threads": {name: os.environ.get(name) for name in THREADS},
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "device": device,
        "dtype": str(default_dtype()),
        "revision": _revision(),
    }


def say(line: str) -> None:
    """Print a line on the error stream. Never raises: the terminal may be gone and the run must not be."""
    try:
        print(line, file=sys.stderr, flush=True)
    except (OSError, ValueError):  # ValueError: the stream was closed
        pass


def _revision() -> str | None:
    """The git revision of the checkout that runs, with "+changes" where files differ; None outside of one."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        return None  # installed: a repository further up would be somebody else's
    try:
        told = subprocess.run(["git", "-C", str(root), "describe", "--always", "--abbrev=40", "--exclude=*",
                               "--dirty=+changes"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return told.stdout.strip() or None


def _plain(value: Any) -> Any:
    """Values as strict JSON has them: NumPy's become Python's; NaN and infinities, which it lacks, None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | None) else str(value)


def _append(path: Path, line: bytes) -> None:
    """Add a whole line, or raise OSError and leave the file as it was."""
    with open(path, "ab", buffering=0) as file:
        size = file.tell()
        try:
            if file.write(line) < len(line):  # a disk that fills up takes a part and says no more
                raise OSError("no space for the whole line")
        except OSError:
            file.truncate(size)
            raise


def _records(path: Path) -> Iterator[dict[str, Any]]:
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            yield json.loads(line)
        except ValueError:
            continue


def _cut(path: Path, size: int) -> None:
    if path.exists() and path.stat().st_size > size:  # never the other way: it would be filled up with zeros
        os.truncate(path, size)


def _sync(path: Path) -> None:
    if path.exists():
        with open(path, "rb+") as file:
            os.fsync(file.fileno())
