"""From a bare clone to a tested one in one command, with nothing but Python 3.11 or newer:

    python3 tests/start.py                     all tests but those of the oracles and the GPU
    python3 tests/start.py --oracle            the comparisons with PyTorch, HIPS autograd and others
    python3 tests/start.py -x tests/train      everything else goes to pytest
"""

# ruff: noqa: E402
import os
import sys

if __name__ == "__main__":
    sys.path[0] = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

from tasks.start import PYTHON, ROOT, become, prepare

if __name__ == "__main__":
    extras, arguments = ["tasks", "test"], sys.argv[1:]
    if "--oracle" in arguments:
        arguments[arguments.index("--oracle")] = "-moracle"
        extras.append("oracle")
    prepare(extras)
    become(PYTHON, "-m", "pytest", *arguments, cwd=ROOT)
