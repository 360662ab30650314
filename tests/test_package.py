"""The wheel holds tinyaug alone and needs NumPy alone; the start scripts say what is wrong in one line."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import numpy
import pytest

pytestmark = pytest.mark.host            # processes of their own

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"      # a copy: a build leaves folders behind, and takes up those of the last
    for name in ("tinyaug", "tasks"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, source]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


@pytest.mark.slow
def test_the_wheel_holds_tinyaug_alone(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"tinyaug"}
    assert "tinyaug/py.typed" in names
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "tinyaug").rglob("*.py")}
    assert sources <= set(names)
    metadata = zipfile.ZipFile(wheel).read(next(n for n in names if n.endswith("METADATA"))).decode()
    required = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:")]
    assert ["numpy" in line for line in required if "extra" not in line] == [True]


@pytest.mark.slow
def test_the_wheel_imports_with_numpy_alone(wheel, tmp_path):
    """Every module of it, in an environment that has NumPy and nothing else."""
    venv.create(tmp_path / "env", with_pip=False)
    site = next((tmp_path / "env").glob("lib/python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    packages = Path(numpy.__file__).parents[1]
    for folder in ("numpy", "numpy.libs"):
        if (packages / folder).exists():
            os.symlink(packages / folder, site / folder)
    code = ("import importlib, pkgutil, tinyaug; print(tinyaug.__file__)\n"
            "for m in pkgutil.walk_packages(tinyaug.__path__, 'tinyaug.'): importlib.import_module(m.name)")
    done = subprocess.run([tmp_path / "env" / "bin" / "python", "-I", "-c", code], cwd=tmp_path,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(site))


@pytest.mark.parametrize("script", ["tasks/start.py", "tests/start.py"])
def test_an_old_python_gets_one_line(script):
    code = ("import sys, runpy; sys.version_info = (3, 9, 18); sys.argv = ['x.py']; "
            f"runpy.run_path({script!r}, run_name='__main__')")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"tinyaug: got Python 3.9, expected 3.11 or newer; try: python3.11 {script}\n"
