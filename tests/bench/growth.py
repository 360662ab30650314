"""How the cost of the NTM's step grows, at batch 1: with the slots N of its memory, and with the length T.

Both are linear for a dense memory: every slot is read and written at every time step. The constants are those of the
line a + b x whose relative errors are smallest. A length of T vectors is 2 T + 1 time steps.
"""

import numpy as np

from tests.bench.measure import Contender, compare
from tests.bench.ntm import data, recorded, sizes, theirs

SIZES = {"slots": [128, 512, 2048, 8192, 32768, 65536], "length": [5, 10, 20, 40, 80, 120]}
SECONDS = 4.0        # a size: the largest of them takes a second a block


def run(case, options):
    points = {}
    for size in SIZES[case][:2] if options.quick else SIZES[case]:
        config = sizes(options, **({"slots": size} if case == "slots" else {"max_length": size}))
        inputs, targets = data(config, 1)
        result = compare([theirs("TunedNTM", "PyTorch tuned", config, inputs, targets),
                          Contender("tinyaug recorded", recorded(config, inputs, targets))], options.quick, SECONDS)
        points[size] = {name: float(np.median(times)) for name, times in result["times"].items()}
    x = {size: (size if case == "slots" else 2 * size + 1) for size in points}
    lines = {name: line(list(x.values()), [points[size][name] for size in points]) for name in result["times"]}
    return result | {"unit": "ms a step", "times": {}, "points": points, "lines": lines}


def line(x, y):
    """[a, b] of y = a + b x with the smallest squared relative error."""
    b, a = np.polyfit(x, y, 1, w=1 / np.array(y))
    return [float(a), float(b)]
