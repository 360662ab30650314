"""Checkpoints under kills, flipped bytes, truncation, full disks and foreign files."""

import io
import json
import os
import random
import resource
import select
import signal
import time
import warnings
import zipfile

import numpy as np
import pytest

from tinyaug.train import checkpoint
from tinyaug.train.checkpoint import CheckpointError, checkpoint_path, load, newest_valid, retain, save

pytestmark = pytest.mark.host            # host arrays and files


def content(step, size=300):
    """Arrays whose values all tell the step, so that a mixture of two checkpoints would show."""
    weight = np.full((size, 4), step, np.float32)
    arrays = {"model/lstm.weight": weight, "optimiser/count": np.array(float(step))}
    return arrays, {"step": step, "rngs": {"data": np.random.default_rng(step).bit_generator.state}}


def whole(read):
    assert (read.arrays["model/lstm.weight"] == read.meta["step"]).all()
    assert read.arrays["optimiser/count"] == read.meta["step"]
    return read.meta["step"]


def test_what_was_saved_is_what_is_loaded(tmp_path):
    arrays = {
        "f4": np.arange(6, dtype=np.float32).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "scalar": np.array(2.5),
        "empty": np.zeros((0, 3)),
        "flags": np.array([True, False]),
        "file": np.array([1], np.int64),
        "nan": np.array([np.nan, np.inf, -0.0]),
    }
    meta = {"step": 7, "note": "a", "best": {"value": float("inf")}, "big": 2**127 + 1}
    save(tmp_path / "c.npz", arrays, meta)
    read = load(tmp_path / "c.npz")
    assert list(read.arrays) == list(arrays)
    for name, array in arrays.items():
        assert read.arrays[name].dtype == array.dtype and read.arrays[name].shape == array.shape
        assert read.arrays[name].tobytes() == array.tobytes()
    assert read.meta == {"format": checkpoint.FORMAT, **meta}
    with np.load(tmp_path / "c.npz", allow_pickle=False) as plain:  # any NumPy reads it
        assert plain["f4"].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_equal_content_gives_equal_bytes(tmp_path):
    save(tmp_path / "a.npz", *content(3))
    time.sleep(0.01)
    save(tmp_path / "b.npz", *content(3))
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_the_state_of_every_bit_generator_survives(tmp_path, kind):
    rng = np.random.Generator(getattr(np.random, kind)(5))
    rng.standard_normal(1001)
    rng.integers(0, 9, dtype=np.uint32)  # leaves half a 64-bit word behind
    save(tmp_path / "c.npz", {}, {"rng": rng.bit_generator.state})
    expected = rng.standard_normal(1000), rng.integers(0, 9, 100, dtype=np.uint32)
    other = np.random.Generator(getattr(np.random, kind)(6))
    other.bit_generator.state = load(tmp_path / "c.npz").meta["rng"]
    assert (other.standard_normal(1000) == expected[0]).all()
    assert (other.integers(0, 9, 100, dtype=np.uint32) == expected[1]).all()


def test_fifty_kills_leave_a_good_checkpoint_each_time(tmp_path):
    pause = random.Random(1)
    save(checkpoint_path(tmp_path, 0), *content(0))
    step, between, steps = 0, 0, []
    ours, theirs = os.pipe()
    for _ in range(50):
        child = os.fork()
        if child == 0:
            try:
                while True:
                    step += 1
                    path = checkpoint_path(tmp_path, step // 4)  # four times each: also over an old one
                    save(path, *content(step, size=20_000))
                    os.write(theirs, b"saved")
                    retain(tmp_path, step // 4, keep=2)
            finally:
                os._exit(1)
        assert select.select([ours], [], [], 20)[0] and os.read(ours, 5)
        time.sleep(pause.uniform(0.0, 0.02))
        os.kill(child, signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL
        while select.select([ours], [], [], 0)[0]:  # what it told after that is not the next one's word
            os.read(ours, 1000)
        between += any(tmp_path.glob(".*.partial"))
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # the newest itself is good, not merely some older one
            step = whole(newest_valid(tmp_path))
        steps.append(step)
        assert all(whole(load(path)) >= 0 for path in checkpoint.checkpoints(tmp_path))
    os.close(ours)
    os.close(theirs)
    assert steps == sorted(steps) and steps[-1] >= 50
    assert between >= 5, "the kills hit no file in the writing: the test proves nothing"


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("image") / "c.npz"
    save(path, *content(9, size=40))
    return path.read_bytes()


def refused(path, data, good):
    path.write_bytes(data)
    with pytest.raises(CheckpointError) as caught:
        load(path)
    assert str(path) in str(caught.value) and f"last good file is {good}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_bytes_are_synced_before_the_rename_and_the_folder_after_it(tmp_path, monkeypatch):
    """No test can cut the power: this one looks at the order of the system calls."""
    said = []
    real = {name: getattr(os, name) for name in ("fsync", "replace")}

    def fsync(file):
        said.append("folder synced" if os.path.isdir(f"/proc/self/fd/{file}") else f"{os.fstat(file).st_size} bytes synced")
        real["fsync"](file)

    def replace(old, new):
        said.append(f"renamed to {os.path.basename(new)}")
        real["replace"](old, new)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    save(tmp_path / "checkpoint-1.npz", {"x": np.ones(3)}, {})
    size = (tmp_path / "checkpoint-1.npz").stat().st_size
    assert said == [f"{size} bytes synced", "renamed to checkpoint-1.npz", "folder synced"]


def test_four_hundred_flipped_bytes_are_all_refused(tmp_path, image):
    save(good := checkpoint_path(tmp_path, 1), *content(1))
    rng = np.random.default_rng(0)
    path = checkpoint_path(tmp_path, 2)
    for position in [0, len(image) - 1, *rng.integers(0, len(image), 398)]:
        data = bytearray(image)
        data[position] ^= 1 << rng.integers(8)
        refused(path, data, good)


def test_sixty_truncations_and_additions_are_all_refused(tmp_path, image):
    save(good := checkpoint_path(tmp_path, 1), *content(1))
    rng = np.random.default_rng(0)
    for length in [0, 1, 63, 64, 65, len(image) - 1, *rng.integers(0, len(image), 54)]:
        refused(checkpoint_path(tmp_path, 2), image[:length], good)
    refused(checkpoint_path(tmp_path, 2), image + b"\0", good)


def sealed(body):
    return body + checkpoint.hashlib.sha256(body).hexdigest().encode()


def test_a_file_with_a_pickle_is_refused_even_where_its_digest_is_right(tmp_path):
    buffer = io.BytesIO()
    np.savez(buffer, bad=np.array([print], dtype=object))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr(checkpoint.META, json.dumps({"format": checkpoint.FORMAT}))
        archive.comment = b"0" * 64
    (tmp_path / "c.npz").write_bytes(sealed(buffer.getvalue()[:-64]))
    with pytest.raises(CheckpointError, match="allow_pickle"):
        load(tmp_path / "c.npz")
    with pytest.raises(ValueError, match="allow_pickle"):
        save(tmp_path / "d.npz", {"bad": np.array([print], dtype=object)}, {})
    assert not list(tmp_path.glob("*d.npz*"))


def test_a_missing_file_another_format_and_other_content_are_named(tmp_path, monkeypatch):
    with pytest.raises(CheckpointError, match="No such file.*no good checkpoint is left"):
        load(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_bytes(sealed(b"not a zip"))
    with pytest.raises(CheckpointError, match="is no checkpoint"):
        load(tmp_path / "text.npz")
    monkeypatch.setattr(checkpoint, "FORMAT", 99)
    save(tmp_path / "new.npz", {}, {})
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="has format 99, this version reads format 1"):
        load(tmp_path / "new.npz")


def test_the_newest_valid_is_found_past_broken_ones(tmp_path):
    for step in (8, 9, 10, 11):
        save(checkpoint_path(tmp_path, step), *content(step))
    checkpoint_path(tmp_path, 11).write_bytes(b"")
    checkpoint_path(tmp_path, 10).write_bytes(checkpoint_path(tmp_path, 10).read_bytes()[:-1])
    with pytest.warns(UserWarning, match="trying the one before it") as seen:
        assert whole(newest_valid(tmp_path)) == 9
    assert len(seen) == 2


def test_no_checkpoint_is_none_and_no_good_one_is_an_error(tmp_path):
    assert newest_valid(tmp_path) is None
    (tmp_path / "checkpoint-best.npz").write_bytes(b"not ours")
    assert newest_valid(tmp_path) is None
    checkpoint_path(tmp_path, 1).write_bytes(b"")
    with pytest.warns(UserWarning), pytest.raises(CheckpointError, match="none of its 1 checkpoints is good"):
        newest_valid(tmp_path)


def test_the_last_n_and_the_best_are_kept(tmp_path):
    for step in (100, 200, 300, 400, 500, 10_000_000):
        save(checkpoint_path(tmp_path, step), *content(step))
    retain(tmp_path, 500, keep=2, best=200)
    kept = [whole(load(path)) for path in checkpoint.checkpoints(tmp_path)]
    assert kept == [200, 400, 500, 10_000_000]


def test_a_full_disk_leaves_the_old_file_and_no_rest(tmp_path):
    save(tmp_path / "c.npz", *content(1, size=1))
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, old[1]))
    try:
        with pytest.raises(OSError):
            save(tmp_path / "c.npz", *content(2, size=20_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
    assert whole(load(tmp_path / "c.npz")) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["c.npz"]


def test_meta_that_json_cannot_say_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(TypeError, match="meta holds a set"):
        save(tmp_path / "c.npz", {}, {"bad": {1}})
    assert not list(tmp_path.iterdir())
