"""From a bare clone to a trained model in one command, with nothing but Python 3.11 or newer:

    python3 tasks/start.py copy            is `python -m tasks copy` in the virtual environment .venv

The environment is built on the first call and used as it is while pyproject.toml stays the same.
"""

# ruff: noqa: E402, UP036  (an older Python must be able to read this file, to say that it is too old)
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if sys.version_info < (3, 11):
    got = ".".join(map(str, sys.version_info[:2]))
    sys.exit(f"tinyaug: got Python {got}, expected 3.11 or newer; try: python3.11 {sys.argv[0]}")
if __name__ == "__main__":
    sys.path[0] = ROOT  # a script's folder comes first, and tasks/copy.py is not the standard library's copy

import hashlib
import json
import subprocess

VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, *(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")))


def prepare(extras, venv=VENV, python=PYTHON):
    """Make `python`, in the folder `venv`, an interpreter with these extras of tinyaug, where it is not."""
    stamp = os.path.join(venv, "tinyaug.json")
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        source = hashlib.sha256(file.read() + ROOT.encode()).hexdigest()
    try:
        with open(stamp) as file:
            have = json.load(file)
    except (OSError, ValueError):
        have = {"source": None, "extras": []}
    if have["source"] == source and set(extras) <= set(have["extras"]) and os.path.exists(python):
        return
    extras = sorted({*extras, *have["extras"]})
    if not os.path.exists(python) or run(python, "-m", "pip", "--version", stdout=subprocess.DEVNULL):
        say(f"building {venv}")
        if run(sys.executable, "-m", "venv", "--clear", venv):
            sys.exit("tinyaug: no virtual environment (see above); Debian, Ubuntu: apt install python3-venv")
    wanted = f"{ROOT}[{','.join(extras)}]"
    say(f"installing {wanted}")
    if run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-e", wanted):
        sys.exit("tinyaug: pip failed, its reason is above; the same command goes on from here")
    with open(stamp, "w") as file:
        json.dump({"source": source, "extras": extras}, file)


def become(*command, cwd=None):
    """Replace this process by a command, so that signals and the exit code are the command's own."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")  # small arrays: a second BLAS thread costs more than it brings
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [ROOT, os.environ.get("PYTHONPATH")]))
    if cwd:
        os.chdir(cwd)
    if os.name == "nt":
        sys.exit(subprocess.call(command))
    os.execv(command[0], command)


def run(*command, stdout=None):
    return subprocess.call(command, stdout=stdout)


def say(line):
    print("tinyaug:", line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    prepare(["tasks"])
    become(PYTHON, "-m", "tasks", *sys.argv[1:])
