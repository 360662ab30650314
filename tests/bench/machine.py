"""What a measurement was made on, and what was not there to be measured."""

import os
import platform
import time
from importlib import metadata
from pathlib import Path

PACKAGES = "numpy", "torch", "autograd", "jax", "jaxlib"


class Missing(Exception):
    """What a case needs is not here, or not wanted."""


def describe():
    """Versions, processor and load, as a dict of short texts."""
    found = {"date": time.strftime("%Y-%m-%d"), "Python": platform.python_version(), "processor": processor(),
             "processors": str(os.cpu_count()), "load": " ".join(f"{x:.1f}" for x in os.getloadavg())}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def processor():
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
