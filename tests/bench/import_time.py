"""What imports cost. `python -m tests.bench.import_time`: `import tinyaug` over `import numpy`, at most 30 ms.

As a workload of the benchmark: a whole process that imports the package, Python's own start included.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

CODE = "import time, numpy; start = time.perf_counter(); import tinyaug; print(time.perf_counter() - start)"
PACKAGES = {"Python": "pass", "NumPy": "import numpy", "tinyaug": "import tinyaug", "HIPS autograd": "import autograd.numpy",
            "PyTorch": "import torch", "jax": "import jax"}
OURS = "Python", "NumPy", "tinyaug"      # compiled in a folder of the benchmark's; the others where pip installed them
ROUNDS = 7


def run(case, options):
    """Interleaved as everywhere: each package once, and again. Where one is missing, it is left out."""
    with tempfile.TemporaryDirectory() as cache:
        ours = compiled_in(cache)
        environment = {name: ours if name in OURS else os.environ for name in PACKAGES}
        times = {name: [] for name, code in PACKAGES.items() if succeeds(code, environment[name])}
        for _ in range(2 if options.quick else ROUNDS):
            for name in times:
                start = time.perf_counter()
                succeeds(PACKAGES[name], environment[name])
                times[name].append(1000 * (time.perf_counter() - start))
    return {"unit": "ms", "times": times}


def compiled_in(cache):
    """An environment in which all is compiled once, as wherever it is used more than once."""
    return {**os.environ, "PYTHONPYCACHEPREFIX": cache, "PYTHONDONTWRITEBYTECODE": ""}


def succeeds(code, environment):
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True).returncode == 0


def milliseconds(environment):
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    return 1000 * float(done.stdout)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as cache:
        environment = compiled_in(cache)
        milliseconds(environment)
        runs = sorted(milliseconds(environment) for _ in range(15))
    print(f"import tinyaug over import numpy: median {statistics.median(runs):.1f} ms, "
          f"{runs[0]:.1f} to {runs[-1]:.1f} ms in {len(runs)} processes")
