"""What each pass of the recorder gains: the NTM copy step with all of them, and with each one left out."""

from tests.bench.measure import Contender, compare
from tests.bench.ntm import data, recorded, sizes
from tinyaug.record.passes import PASSES

ALL = "all passes"


def run(case, options):
    config = sizes(options)
    inputs, targets = data(config, int(case.removeprefix("batch ")))
    chosen = {ALL: PASSES, "no pass": []}
    chosen |= {f"without {left.__name__}": [one for one in PASSES if one is not left] for left in PASSES}
    steps = {name: recorded(config, inputs, targets, passes) for name, passes in chosen.items()}
    found = compare([Contender(name, step) for name, step in steps.items()], options.quick)
    programs = {name: next(iter(step.recorded.programs.values()))[0] for name, step in steps.items()}
    return found | {"steps": {name: len(program.steps) for name, program in programs.items()},
                    "bytes": {name: program.bytes for name, program in programs.items()}}
