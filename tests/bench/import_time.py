"""What `import tinyaug` costs over `import numpy`, at most 30 ms: `python -m tests.bench.import_time`."""

import statistics
import subprocess
import sys

CODE = "import time, numpy; start = time.perf_counter(); import tinyaug; print(time.perf_counter() - start)"


def milliseconds():
    return 1000 * float(subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True).stdout)


if __name__ == "__main__":
    runs = sorted(milliseconds() for _ in range(15))
    print(f"import tinyaug over import numpy: median {statistics.median(runs):.1f} ms, "
          f"{runs[0]:.1f} to {runs[-1]:.1f} ms in {len(runs)} processes")
