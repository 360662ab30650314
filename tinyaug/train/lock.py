"""The lock of a run folder: two processes never work in one, and a dead one never bars the way.

A file that names its process by the number alone outlives that process, and numbers are given out again. A
number together with the moment at which the process began belongs to one process for ever: hence both.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tinyaug.train import checkpoint

try:
    import fcntl
except ImportError:  # Windows: the moment between judging a dead lock and taking it is unguarded there
    fcntl = None  # type: ignore[assignment]


class RunError(Exception):
    """A run folder that cannot be used as asked: held by another run, of another config, or no run at all."""


def take(folder: Path) -> None:
    """Hold the folder for this process. raises: RunError where another live process holds it"""
    with _alone(folder):
        holder = _holder(folder)
        if holder is not None:
            raise RunError(f"{folder}: process {holder['pid']} on {holder['host']} works in this folder; "
                           f"wait for it, choose another, or, if it is gone, delete {folder / 'lock'}")
        me = {"pid": os.getpid(), "began": _began(os.getpid()), "host": platform.node()}
        checkpoint.write(folder / "lock", json.dumps(me).encode())


def release(folder: Path) -> None:
    """Let the folder go, where this process holds it."""
    with _alone(folder):
        holder = _holder(folder)
        if holder is not None and holder["pid"] == os.getpid():
            (folder / "lock").unlink()


def _holder(folder: Path) -> dict[str, Any] | None:
    """Who holds the folder: None where nobody does, or where the process that did is gone."""
    try:
        holder = json.loads((folder / "lock").read_bytes())
        pid, began, host = holder["pid"], holder["began"], holder["host"]
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        return {"pid": "?", "host": "?"}  # not ours to judge
    if host == platform.node() and began is not None and _began(pid) != began:
        return None
    return holder


def _began(pid: int) -> str | None:
    """When a process began, as text to compare; None where it is dead (or the system does not tell)."""
    try:
        if Path("/proc/self/stat").exists():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()  # from field 3 on
            if fields[0] in "ZX":  # it has exited, and waits for its parent to read how
                return None
            boot = Path("/proc/sys/kernel/random/boot_id")  # field 22 counts from the boot
            return f"{boot.read_text().strip() if boot.exists() else ''} {fields[19]}"
        told = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True)
        return told.stdout.strip() or None
    except OSError:
        return None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No two processes judge and take a lock at the same time. The system lets go when a process dies."""
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
