"""What each pass of the recorder gains: the NTM copy step with all of them, and with each one left out.

All programs lie on the same block of memory: at another place each would be some per cent faster or slower by chance.
"""

import numpy as np

from tests.bench.measure import Contender, compare
from tests.bench.ntm import data, recorded, sizes
from tinyaug.record.compile import WRITE_OUT
from tinyaug.record.passes import PASSES

ALL = "all passes"


def run(case, options):
    config = sizes(options)
    inputs, targets = data(config, int(case.removeprefix("batch ")))
    chosen = {ALL: PASSES, "no pass": []}
    chosen |= {f"without {left.__name__}": [one for one in PASSES if one is not left] for left in PASSES}
    steps = {name: recorded(config, inputs, targets, passes) for name, passes in chosen.items()}
    steps["run by a loop, not written out"] = recorded(config, inputs, targets, PASSES)
    steps["memory of its own for each array"] = recorded(config, inputs, targets, PASSES, reuse=False)
    block = np.empty(1 << 30, np.uint8)
    for name, step in steps.items():
        step.recorded.memory = block
        step()
        if "loop" in name:
            for program, _ in step.recorded.programs.values():
                program.runs = WRITE_OUT
    found = compare([Contender(name, step) for name, step in steps.items()], options.quick)
    programs = {name: next(iter(step.recorded.programs.values()))[0] for name, step in steps.items()}
    return found | {"steps": {name: len(program.steps) for name, program in programs.items()},
                    "bytes": {name: program.bytes for name, program in programs.items()}}
