"""Everything that is a Core, and what the tests of Cores share. To add a Core, add a line to CORES.

PONDERING is every one of them again, with several steps at each input.
"""

import numpy as np

from tinyaug.arrays import to_device, using_dtype
from tinyaug.autograd import Tensor
from tinyaug.check import check
from tinyaug.halting import ACT, Fixed, Looking, PonderNet
from tinyaug.memory import MemoryAugmented, NTMMemory
from tinyaug.nn import GRU, LSTM, RNN, FeedForward, Readout, Stack, flatten_state, unroll

INPUTS, OUTPUTS = 3, 4


def ntm(controller, read_heads=1, write_heads=1, slots=5, width=3, **options):
    """rng -> a small MemoryAugmented(controller, NTMMemory)"""
    def build(rng):
        memory = NTMMemory(slots=slots, width=width, read_heads=read_heads, write_heads=write_heads, rng=rng, **options)
        core = controller(INPUTS + memory.read_size, 4, rng=rng)
        return MemoryAugmented(core, memory, input_size=INPUTS, output_size=OUTPUTS, rng=rng)
    return build


CORES = {
    "LSTM": lambda rng: LSTM(INPUTS, OUTPUTS, rng=rng),
    "GRU": lambda rng: GRU(INPUTS, OUTPUTS, rng=rng),
    "RNN": lambda rng: RNN(INPUTS, OUTPUTS, rng=rng),
    "FeedForward": lambda rng: FeedForward(INPUTS, OUTPUTS, rng=rng),
    "Readout": lambda rng: Readout(INPUTS, OUTPUTS, rng=rng),
    "Stack(LSTM, GRU)": lambda rng: Stack([LSTM(INPUTS, 5, rng=rng), GRU(5, OUTPUTS, rng=rng)]),
    "Stack(NTM, Readout)": lambda rng: Stack([ntm(LSTM)(rng), Readout(OUTPUTS, OUTPUTS, rng=rng)]),
    "Looking(LSTM)": lambda rng: Looking(LSTM(INPUTS + 2, OUTPUTS - 2, rng=rng), slots=5, width=2, rng=rng),
    "NTM(LSTM)": ntm(LSTM),
    "NTM(GRU)": ntm(GRU),
    "NTM(FeedForward)": ntm(FeedForward),
    "NTM(LSTM), 2 read and 2 write heads": ntm(LSTM, read_heads=2, write_heads=2),
    "NTM(FeedForward), learned memory": ntm(FeedForward, read_heads=2, memory_start="learned"),
}


def pondering(form, build, **options):
    """rng -> a form of pondering over a Core of CORES, behind a layer that takes the mark of the first step, too."""
    return lambda rng: form(Stack([Readout(INPUTS + 1, INPUTS, rng=rng), build(rng)]), limit=3, **options)


def with_rng(form):
    """A form of pondering whose halting unit is drawn: its Core comes first, the generator last."""
    return lambda core, limit: form(core, limit=limit, rng=np.random.default_rng(6))


PONDERING = {f"ACT({name})": pondering(with_rng(ACT), build) for name, build in CORES.items()} | {
    "Fixed(LSTM)": pondering(Fixed, CORES["LSTM"]),
    "PonderNet(LSTM)": pondering(with_rng(PonderNet), CORES["LSTM"]),
    "Stack(ACT(GRU), Readout)": lambda rng: Stack([ACT(GRU(INPUTS + 1, 5, rng=rng), limit=3, rng=rng),
                                                   Readout(5, OUTPUTS, rng=rng)]),
}


def randomised(module, rng, scale=0.6):
    """The module with random values for all parameters: where one starts at zero, a mistake may hide."""
    for x in module.parameters():
        x.data = to_device(rng.normal(0, scale, x.shape).astype(x.dtype), x.device)
    return module


def replaced(module, name, value):
    """Put `value` in the place of the parameter with that dotted name."""
    *path, last = name.split(".")
    for part in path:
        module = module[int(part)] if isinstance(module, list) else getattr(module, part)
    if isinstance(module, list):
        module[int(last)] = value
    else:
        setattr(module, last, value)


def check_module(module, function, *arrays, **options):
    """Check the gradient of function(*arrays) by the arrays and by every parameter of the module, which it uses.

    The check hands a leaf Tensor for each array; for the time of a call it stands where the parameter stood.
    """
    named = list(module.named_parameters())

    def with_leaves(*leaves):
        inputs, values = leaves[:len(arrays)], leaves[len(arrays):]
        for (name, _), value in zip(named, values):
            replaced(module, name, value)
        try:
            return function(*inputs)
        finally:
            for name, parameter in named:
                replaced(module, name, parameter)

    with_leaves.__name__ = type(module).__name__
    check(with_leaves, *arrays, *[x.numpy() for _, x in named], **options)


def rebuilt(state, values):
    """A state of the same nesting with Tensors taken from the iterator `values`."""
    if isinstance(state, Tensor):
        return next(values)
    parts = [rebuilt(part, values) for part in state]
    return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)


def check_core(build, steps=3, batch=2):
    """Check a Core over several steps: by the inputs, the state it starts from, and every parameter.

    The state is the core's own start plus a random vector, so both the start that is learned and one that is
    handed in are checked.
    """
    rng = np.random.default_rng(5)
    with using_dtype("float64"):
        core = randomised(build(rng), rng)
        before = [x.numpy() for _, x in flatten_state(core.initial_state(batch))]

        def run(inputs, *moves):
            start = core.initial_state(batch)
            moved = [x + by for (_, x), by in zip(flatten_state(start), moves)]
            outputs, state = unroll(core, inputs, rebuilt(start, iter(moved)))
            return outputs, *[x for _, x in flatten_state(state)]

        moves = [rng.uniform(0.05, 0.2, x.shape) for x in before]      # positive: a weighting may not be negative
        check_module(core, run, rng.normal(size=(steps, batch, INPUTS)), *moves)
