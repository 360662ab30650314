"""What a measurement was made on, and what was not there to be measured."""

import os
import platform
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

# variables that make a library compute with the kernels of another processor than the one it finds
KERNELS = ("OPENBLAS_CORETYPE", "MKL_DEBUG_CPU_TYPE", "MKL_ENABLE_INSTRUCTIONS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA",
           "ATEN_CPU_CAPABILITY", "NPY_DISABLE_CPU_FEATURES", "NPY_ENABLE_CPU_FEATURES")
PACKAGES = "numpy", "torch", "autograd", "jax", "jaxlib"


class Missing(Exception):
    """What a case needs is not here, or not wanted."""


def given_kernels():
    """The variables of KERNELS that are set, in words; empty where none is."""
    return " ".join(f"{name}={os.environ[name]}" for name in KERNELS if os.environ.get(name))


def own_kernels():
    """The environment without these variables: every library chooses for itself."""
    return {name: value for name, value in os.environ.items() if name not in KERNELS}


def describe(pytorch_ntm=None):
    """Versions, processor and load, as a dict of short texts. pytorch_ntm: the folder of a checkout, if there is one"""
    found = {"date": time.strftime("%Y-%m-%d"), "Python": platform.python_version(), "processor": processor(),
             "processors": str(os.cpu_count()), "load": " ".join(f"{x:.1f}" for x in os.getloadavg())}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    if pytorch_ntm is not None:
        found["pytorch-ntm"] = _said("git", "-C", str(pytorch_ntm), "rev-parse", "--short", "HEAD") or "no commit told"
    found["OpenBLAS kernels"] = openblas_kernels(own_kernels())
    if words := given_kernels():
        found["set here"] = f"{words} (OpenBLAS kernels {openblas_kernels(os.environ)})"
    return found


def _said(*command):
    """What a command printed; nothing where it failed."""
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""


def openblas_kernels(environment):
    """What NumPy's OpenBLAS computes with in this environment: it tells when it is loaded."""
    told = subprocess.run([sys.executable, "-c", "import numpy"], env={**environment, "OPENBLAS_VERBOSE": "2"},
                          capture_output=True, text=True).stderr
    return next((line.split(":")[1].strip() for line in told.splitlines() if line.startswith("Core")), "not told")


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
