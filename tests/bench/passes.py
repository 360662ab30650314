"""What each pass of the recorder gains: the NTM copy step with all of them, and with each one left out.

All programs lie on the same block of memory: at another place each would be some per cent faster or slower by chance.
Passes that pay elsewhere are left out there as well: `columns` and `transposes` of an LSTM, `recompute` at T = 120.
"""

import numpy as np

from tests.bench.measure import Contender, compare
from tests.bench.ntm import data, recorded, sizes
from tinyaug import Tensor, ops
from tinyaug.nn import LSTM, unroll
from tinyaug.record import record
from tinyaug.record.compile import WRITE_OUT
from tinyaug.record.passes import PASSES, columns, recompute, transposes

ALL = "all passes"


def run(case, options):
    kind, _, batch = case.rpartition("batch ")
    if kind == "LSTM, ":
        make, left_out = lstm(int(batch), options), [columns, transposes]
    elif kind == "NTM T=120, ":
        make, left_out = ntm(int(batch), sizes(options, max_length=4 if options.quick else 120)), [recompute]
    else:
        make, left_out = ntm(int(batch), sizes(options)), PASSES
    steps = {ALL: make(PASSES)}
    steps |= {f"without {left.__name__}": make([one for one in PASSES if one is not left]) for left in left_out}
    if not kind:
        steps |= {"no pass": make([]), "run by a loop, not written out": make(PASSES),
                  "memory of its own for each array": make(PASSES, False)}
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


def ntm(batch, config):
    """(passes, reuse) -> the copy step recorded so."""
    inputs, targets = data(config, batch)
    return lambda passes, reuse=True: recorded(config, inputs, targets, passes, reuse)


def lstm(batch, options):
    """(passes, reuse) -> forward and backward of an LSTM, of the sizes of tests/bench/lstm.py, recorded so."""
    length, inputs, hidden = (5, 3, 4) if options.quick else (100, 32, 100)
    rng = np.random.default_rng(0)
    model = LSTM(inputs, hidden, rng=rng)
    x = Tensor(rng.normal(size=(length, batch, inputs)), requires_grad=True)

    def gradients(x):
        model.zero_grad()
        x.grad = None
        y, _ = unroll(model, x)
        ops.sum(y * y).backward()
        return {"x": x.grad} | {name: p.grad for name, p in model.named_parameters()}

    def make(passes, reuse=True):
        program = record(gradients, passes, reuse)

        def step():
            return {name: g.numpy() for name, g in program(x).items()}

        step.recorded = program
        return step

    return make
