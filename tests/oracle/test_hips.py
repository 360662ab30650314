"""The tests of HIPS autograd, run on our ops through a package of its name (`hips_shim`) in another process.

Its source distribution is fetched into a temporary folder; nothing of it is in this repository.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.oracle
ROOT = Path(__file__).resolve().parents[2]
SHIM = Path(__file__).with_name("hips_shim")
SOURCE = "autograd==1.9.1"
NOT_COLLECTED = {
    "test_scipy.py": "its SciPy wrappers",
    "test_vspaces.py": "its vector spaces of Python containers",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The unpacked source distribution, from TINYAUG_AUTOGRAD_SDIST or from the registry."""
    folder = tmp_path_factory.mktemp("hips")
    archive = os.environ.get("TINYAUG_AUTOGRAD_SDIST")
    if archive is None:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pip",
                "download",
                SOURCE,
                "--no-binary",
                ":all:",
                "--no-deps",
                "--quiet",
                "--dest",
                folder,
            ],
            capture_output=True,
            text=True,
        )
        archive = next(folder.glob("autograd-*.tar.gz"), None)
        if archive is None:
            pytest.skip(f"{SOURCE} cannot be fetched: {done.stderr.strip().splitlines()[-1:]}")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))     # from 3.11.4 on
    return folder


def test_their_tests_pass_on_our_ops(folder, tally):
    tests = next(folder.glob("autograd-*/tests"))
    shutil.copytree(SHIM, folder / "shim" / "autograd", ignore=shutil.ignore_patterns("__pycache__"))
    outcomes = folder / "outcomes.json"
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(folder / "shim"), str(ROOT)]),
        "HIPS_OUTCOMES": str(outcomes),
    }
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "autograd.plugin",
            "-p",
            "no:cacheprovider",
            "-c",
            os.devnull,
            "-W",
            "ignore",
            "--rootdir",
            tests,
            tests,
            *[f"--ignore={tests / name}" for name in NOT_COLLECTED],
        ],
        cwd=tests,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert outcomes.exists(), done.stdout + done.stderr
    found = json.loads(outcomes.read_text())
    tally.note(f"{found.pop('checks')} of their gradient checks")
    failures = []
    for test, (outcome, why) in found.items():
        if outcome == "matched":
            tally.matched(test)
        elif outcome == "skipped":
            tally.skipped(why)
        else:
            tally.failed(test)
            failures.append(f"{test}\n{why}")
    for name, reason in NOT_COLLECTED.items():
        tally.skipped(reason, (tests / name).read_text().count("def test_"))
    assert not failures, "\n\n".join(failures)
    assert tally.total("matched") >= 200
