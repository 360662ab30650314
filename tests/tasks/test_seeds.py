"""One seed is one result: the same bytes twice in a process, and in another process that hashes differently."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks import runner
from tasks.__main__ import load, main, names
from tasks.task import OptionError
from tests.tasks.releases import small_release
from tinyaug.train.checkpoint import newest_valid

ROOT = Path(__file__).resolve().parents[2]
CASES = [(name, model) for name in names() for model in load(name).models]
SMALL = {"batch": 2, "max_length": 1, "hidden": 8, "slots": 4, "limit": 2, "numbers": 2, "size": 4}

DATA = {("tables", "wiki"): small_release}                 # models that nothing is drawn for

pytestmark = pytest.mark.host            # the command line chooses the device itself


def digest(folder, name, model, seed, data):
    """sha256 of the parameters and the optimiser's state after three steps by the command line."""
    task = load(name)
    settings = [word for key, value in SMALL.items() if key in task.models[model] and allowed(task, model, f"{key}={value}")
                for word in ("--set", f"{key}={value}")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "finish", lambda *_: None)     # evaluation and figures come after what is compared
        main([name, "--model", model, "--seed", str(seed), "--out", str(folder), "--steps", "3", "--quiet", *data,
              *settings])
    total = hashlib.sha256()
    for key, array in sorted(newest_valid(folder)[1].items()):
        total.update(key.encode() + array.tobytes())
    return total.hexdigest()


def allowed(task, model, setting):
    """False where a size is given, as that of a model that stands on shipped weights."""
    try:
        return bool(task.settings(model, [setting]))
    except OptionError:
        return False


@pytest.mark.parametrize("name, model", CASES)
def test_one_seed_is_one_result(name, model, tmp_path):
    data = ["--data", str(DATA[name, model](tmp_path))] if (name, model) in DATA else []
    first, again, other = (digest(tmp_path / str(i), name, model, seed, data) for i, seed in enumerate((1, 1, 2)))
    call = f"digest({str(tmp_path / 'process')!r}, {name!r}, {model!r}, 1, {data!r})"
    code = f"from tests.tasks.test_seeds import digest; print({call})"
    child = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True,
                           env=os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)})
    assert child.returncode == 0, child.stderr
    assert first == again == child.stdout.strip()
    assert first != other
