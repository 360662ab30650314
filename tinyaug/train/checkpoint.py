"""Checkpoints: files that are either whole or refused.

A checkpoint is an NPZ archive, so `numpy.load` and any unzip program open it: one `.npy` entry an array, and
`meta.json` for everything that is no array (step, RNG states, data position, config). Two things are added:

- The archive's comment ends in the SHA-256 of all bytes before it. `load` compares it before it parses
  anything, so one flipped bit or one missing byte, wherever it is, is found.
- `write` puts the bytes beside the old file, makes them durable, and only then renames them over it. A rename
  is atomic: whoever opens the path, at any moment, finds the old file or the new one, and never a mixture.

    save(checkpoint_path(folder, 200), {"model/w": w}, {"step": 200})
    path, arrays, meta = newest_valid(folder)
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

FORMAT = 1
META = "meta.json"
DIGEST_LENGTH = 64
NAME = re.compile(r"checkpoint-(\d+)\.npz")

Arrays = dict[str, np.ndarray]
Meta = dict[str, Any]


class CheckpointError(Exception):
    """A checkpoint that cannot be used: says which file, what is wrong, and the last good file beside it."""


class Checkpoint(NamedTuple):
    """A checkpoint that was read: where from, its arrays by name, and the rest."""

    path: Path
    arrays: Arrays
    meta: Meta


def checkpoint_path(folder: str | Path, step: int) -> Path:
    """The file that the checkpoint after `step` steps has in a run folder."""
    return Path(folder) / f"checkpoint-{step:07d}.npz"


def save(path: str | Path, arrays: Arrays, meta: Meta) -> None:
    """Write a checkpoint; whatever happens meanwhile, `path` holds the old one whole or this one whole.

    raises: ValueError for an array of Python objects, TypeError where meta is not JSON, OSError from the disk
    """
    write(path, _pack(arrays, meta))


def load(path: str | Path) -> Checkpoint:
    """Read a checkpoint, all of it or nothing.

    raises: CheckpointError with the path, what is wrong, and the newest good checkpoint of the same folder
    """
    path = Path(path)
    try:
        return _read(path)
    except _Unusable as error:
        others = (other for other in reversed(checkpoints(path.parent)) if other != path)
        good = next((other for other in others if _is_valid(other)), None)
        way_out = f"the last good file is {good}" if good else f"no good checkpoint is left in {path.parent}"
        raise CheckpointError(f"{path}: {error}; {way_out}") from error


def checkpoints(folder: str | Path) -> list[Path]:
    """The checkpoint files of a run folder, good or not, oldest step first."""
    paths = Path(folder).glob("checkpoint-*.npz")
    return sorted((path for path in paths if NAME.fullmatch(path.name)), key=_step)


def newest_valid(folder: str | Path) -> Checkpoint | None:
    """The checkpoint of the highest step that loads, with a warning for each newer one that does not.

    returns: None where the folder has no checkpoint
    raises:  CheckpointError where it has some and none is good: starting anew in silence would hide the loss
    """
    paths = checkpoints(folder)
    for path in reversed(paths):
        try:
            return _read(path)
        except _Unusable as error:
            warnings.warn(f"{path}: {error}; trying the one before it", stacklevel=2)
    if paths:
        raise CheckpointError(f"{folder}: none of its {len(paths)} checkpoints is good; "
                              "restore one from a copy, or start in another folder")
    return None


def retain(folder: str | Path, step: int, keep: int, best: int | None = None) -> None:
    """Remove all checkpoints up to `step` but the last `keep` of them and that of step `best`.

    Files of later steps are left alone: after a resume they are ones that could not be read, and counting
    them among the last `keep` would remove good ones in their favour.
    """
    old = [path for path in checkpoints(folder) if _step(path) <= step]
    for path in old[:-keep]:
        if _step(path) != best:
            path.unlink(missing_ok=True)


def write(path: str | Path, data: bytes) -> None:
    """Replace a file's content at one moment and durably: it holds the old bytes or `data`, nothing between.

    raises: OSError (a full disk, say), with the old file as it was and no rest of the new one
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.partial")
    try:
        with open(beside, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # before the rename: the name must never stand for bytes still to come
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    if hasattr(os, "O_DIRECTORY"):  # the rename is durable once the folder is; Windows cannot sync a folder
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


class _Unusable(Exception):
    """What is wrong with one file; `load` adds where to go from there."""


def _pack(arrays: Arrays, meta: Meta) -> bytes:
    """The bytes of the archive. Equal content gives equal bytes: the entries carry no time."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo(META), json.dumps({"format": FORMAT, **meta}, default=_as_json))
        for name, array in arrays.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asanyarray(array), allow_pickle=False)
        archive.comment = b"sha256 " + b"0" * DIGEST_LENGTH
    body = buffer.getvalue()[:-DIGEST_LENGTH]
    return body + hashlib.sha256(body).hexdigest().encode()


def _read(path: Path) -> Checkpoint:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _Unusable(f"cannot be read ({error.strerror})") from error
    body, digest = data[:-DIGEST_LENGTH], data[-DIGEST_LENGTH:]
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise _Unusable(f"its {len(data)} bytes do not give the SHA-256 at their end: changed, or cut short")
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            meta = json.loads(archive[META])
            arrays = {name: archive[name] for name in archive.files if name != META}
    except Exception as error:  # the bytes are as they were written, so this was never a checkpoint
        raise _Unusable(f"is no checkpoint ({error})") from error
    if meta.get("format") != FORMAT:
        raise _Unusable(f"has format {meta.get('format')}, this version reads format {FORMAT}")
    return Checkpoint(path, arrays, meta)


def _is_valid(path: Path) -> bool:
    try:
        _read(path)
    except _Unusable:
        return False
    return True


def _step(path: Path) -> int:
    match = NAME.fullmatch(path.name)
    assert match is not None  # `checkpoints` lets no other name through
    return int(match[1])


def _as_json(value: Any) -> Any:
    """Arrays and NumPy scalars as lists and numbers: the states of some bit generators hold them."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    raise TypeError(f"checkpoint: meta holds a {type(value).__name__}, expected what JSON can say")
