"""What `import tinyaug` costs over `import numpy`, at most 30 ms: `python -m tests.bench.import_time`."""

import os
import statistics
import subprocess
import sys
import tempfile

CODE = "import time, numpy; start = time.perf_counter(); import tinyaug; print(time.perf_counter() - start)"


def milliseconds(environment):
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    return 1000 * float(done.stdout)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as cache:    # compiled once, as wherever it is used more than once
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": cache, "PYTHONDONTWRITEBYTECODE": ""}
        milliseconds(environment)
        runs = sorted(milliseconds(environment) for _ in range(15))
    print(f"import tinyaug over import numpy: median {statistics.median(runs):.1f} ms, "
          f"{runs[0]:.1f} to {runs[-1]:.1f} ms in {len(runs)} processes")
