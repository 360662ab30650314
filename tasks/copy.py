"""Copy: repeat a sequence of random vectors (Graves, Wayne, Danihelka 2014, section 4.1).

A network that has learned to use its memory writes each vector to a slot of its own, goes back to the first one at
the delimiter, and reads them in order. Then the length does not matter, and what was learned on 20 vectors holds for
50. A network that keeps everything in its hidden state (`--model lstm`) has no such way.

The functions below are those that tasks/task.py describes; TASK, at the end, names them.
"""

from math import log

import numpy as np

from tasks.task import Task
from tinyaug import Tensor, ops
from tinyaug.data.algorithmic import copy
from tinyaug.memory import MemoryAugmented, NTMMemory
from tinyaug.nn import LSTM, FeedForward, Readout, Stack, unroll
from tinyaug.train.optimise import RMSProp

LENGTHS = (10, 20, 30, 50, 80, 120)     # trained on 1 to 20
UNSEEN = 50                             # the length of the figures

# Where both heads start decides most (see NTMMemory); the rest was tried on a few seeds each, docs/copy.md tells what.
# validate_every: a network that copies 20 vectors after 1,000 steps still loses its way in one sequence of some thousand.
# epsilon: once a network has learned, its gradients are small, and without an epsilon RMSProp's steps stay as long as ever.
NTM = {
    "steps": 10000, "batch": 16, "validate_every": 3000, "enough": 0.02, "proof": 4000, "growing": 0,
    "rate": 1e-3, "half_rate": 1500, "epsilon": 1e-11, "clip_value": 10.0,
    "bits": 8, "max_length": 20,
    "slots": 128, "width": 20, "read_heads": 1, "write_heads": 1, "shifts": 3,
    "memory_start": "constant", "weights_start": "first", "heads_start": "still", "hidden": 100,
}
MODELS = {
    "ntm": NTM,
    # A controller without a state sees only what it has just read. Heads that move from the start and short sequences
    # first: or some seeds never begin. A bound on the gradient's norm: or it grows without end in some.
    "ntm-feedforward": NTM | {"growing": 600, "clip_norm": 1.0, "heads_start": "moving"},
    "lstm": {"steps": 20000, "batch": 16, "validate_every": 500, "enough": 0.02, "proof": 1000, "growing": 0, "rate": 3e-4,
             "half_rate": 10000, "epsilon": 1e-16, "clip_value": 10.0, "bits": 8, "max_length": 20, "hidden": 256,
             "layers": 3},
}


def check(config):
    """Settings that cannot be."""
    for key in ("bits", "max_length", "proof", "hidden", "layers", "slots", "width", "read_heads", "write_heads"):
        if config.get(key, 1) < 1:
            raise ValueError(f"{key}: got {config[key]}, expected at least 1")
    for key in ("half_rate", "enough", "rate", "clip_value", "clip_norm"):
        if config.get(key, 1) <= 0:
            raise ValueError(f"{key}: got {config[key]}, expected more than 0")
    for key, allowed in (("memory_start", ("constant", "noise", "learned")), ("weights_start", ("first", "zero", "even")),
                         ("heads_start", ("still", "moving"))):
        if config.get(key, allowed[0]) not in allowed:
            raise ValueError(f"{key}: got {config[key]!r}, expected one of {', '.join(allowed)}")
    shifts, slots = config.get("shifts", 1), config.get("slots", 1)
    if shifts % 2 == 0 or not 1 <= shifts <= slots:
        raise ValueError(f"shifts: got {shifts}, expected an odd number of at most slots={slots}")
    if config["max_length"] > config.get("slots", config["max_length"]):
        raise ValueError(f"max_length: got {config['max_length']}, expected at most slots={config['slots']}: "
                         "one vector needs one slot")


def build(config, rng):
    inputs, outputs = config["bits"] + 1, config["bits"]
    if config["model"] == "lstm":
        widths = [inputs] + [config["hidden"]] * config["layers"]
        cores = [LSTM(a, b, rng=rng) for a, b in zip(widths, widths[1:])]
        return Stack([*cores, Readout(config["hidden"], outputs, rng=rng)])
    memory = NTMMemory(**{key: config[key] for key in ("slots", "width", "read_heads", "write_heads", "shifts",
                                                       "memory_start", "weights_start", "heads_start")}, rng=rng)
    kind = FeedForward if config["model"] == "ntm-feedforward" else LSTM
    controller = kind(inputs + memory.read_size, config["hidden"], rng=rng)
    return MemoryAugmented(controller, memory, input_size=inputs, output_size=outputs, rng=rng)


def batch(config, rng, i):
    longest = config["max_length"]
    if i < config["growing"]:              # a curriculum: from sequences of at most 3 vectors to the longest
        longest = min(longest, 3 + (longest - 3) * i // config["growing"])
    return copy(rng, config["batch"], int(rng.integers(1, longest + 1)), config["bits"])


def answer(model, inputs, length):
    """The logits of the last `length` steps, when the answer is due."""
    outputs, _ = unroll(model, inputs)
    return outputs[-length:]


def loss(model, inputs, targets):
    length, _, bits = targets.shape
    value = ops.binary_cross_entropy_with_logits(answer(model, inputs, length), targets)
    return value, {"bits": value * (length * bits / log(2))}


def optimiser(config, model):
    return RMSProp(model, rate=config["rate"], clip_value=config["clip_value"], clip_norm=config.get("clip_norm"),
                   epsilon=config["epsilon"], centred=False)


def rate(config, i):
    """The learning rate of step i: full at first, to find where to read and write; half at `half_rate` steps, and
    falling as 1 / i^2 in the end, so that what was found is not lost again."""
    return config["rate"] / (1 + (i / config["half_rate"]) ** 2)


def measure(model, config, rng, length, sequences):
    """Bits a sequence, share of bits wrong and share of sequences without one, on fresh sequences of one length."""
    bits = wrong = right = 0.0
    for start in range(0, sequences, 100):
        n = min(100, sequences - start)
        inputs, targets = copy(rng, n, length, config["bits"])
        device = model.parameters()[0].device
        logits = answer(model, Tensor(inputs).to(device), length)
        each = ops.binary_cross_entropy_with_logits(logits, Tensor(targets).to(device), reduction="sum")
        errors = (logits.numpy() > 0) != (targets > 0.5)
        bits += each.item() / log(2)
        wrong += errors.mean(axis=(0, 2)).sum()
        right += n - errors.any(axis=(0, 2)).sum()
    return {"length": length, "bits_per_sequence": bits / sequences, "bit_error_rate": wrong / sequences,
            "sequence_accuracy": right / sequences}


def trained_lengths(model, config, rng, sequences):
    """Mean bits a sequence over all lengths that are trained, each equally often."""
    rows = [measure(model, config, rng, length, sequences) for length in range(1, config["max_length"] + 1)]
    return float(np.mean([row["bits_per_sequence"] for row in rows]))


def validate(model, config, rng):
    """Solved: sure of every trained length, and of `proof` sequences of the longest not one wrong.

    A first look at 100 sequences decides whether the long test is worth its seconds. `enough` and 0.05 bits stand well
    clear of the 0.1 of the bar, which fresh sequences will be held to.
    """
    longest = measure(model, config, rng, config["max_length"], 100)
    found = {"bits": longest["bits_per_sequence"], "accuracy": longest["sequence_accuracy"]}
    if found["bits"] < config["enough"] and found["accuracy"] == 1.0:
        found["accuracy"] = measure(model, config, rng, config["max_length"], config["proof"])["sequence_accuracy"]
        found["bits_all"] = trained_lengths(model, config, rng, config["proof"] // 5)
        found["done"] = found["accuracy"] == 1.0 and found["bits_all"] < 0.05
    return found


def evaluate(model, config, rng):
    rows = [measure(model, config, rng, length, 1000 if length == 20 else 200) for length in LENGTHS]
    return {"metrics": {"bits_per_sequence": trained_lengths(model, config, rng, 500)}, "by_length": rows}


def targets(config, result):
    by_length = {row["length"]: row for row in result["by_length"]}
    bars = {"bits_per_sequence_1_to_20": (result["metrics"]["bits_per_sequence"], 0.1),
            "sequence_error_rate_20": (1 - by_length[20]["sequence_accuracy"], 0.0),
            "bit_error_rate_50": (by_length[50]["bit_error_rate"], 0.005),
            "seconds": (result["seconds"], 600.0)}
    return {name: {"value": value, "bound": bound, "reached": bool(value <= bound)}
            for name, (value, bound) in bars.items()}


def trace(model, config, rng):
    """One sequence of a length that was never trained, step by step."""
    inputs, targets = copy(rng, 1, UNSEEN, config["bits"])
    record = {"input": inputs, "target": targets, "trained_length": np.array(config["max_length"])}
    inputs = Tensor(inputs).to(model.parameters()[0].device)
    if config["model"] == "lstm":
        record["output"] = ops.sigmoid(unroll(model, inputs)[0]).numpy()
        return record
    record |= {name: x.numpy() for name, x in model.trace(inputs).items()}
    return record | {"output": 1 / (1 + np.exp(-record["output"])), "read_heads": np.array(config["read_heads"])}


def figures(folder, trace, metrics):
    from viz import copy as draw
    return draw.all_figures(folder / "figures", trace, metrics, UNSEEN)


TASK = Task(
    name="copy", title="repeat a sequence of random 8-bit vectors",
    paper="Graves, Wayne, Danihelka 2014, Neural Turing Machines, section 4.1",
    measures="bits a sequence, share of bits wrong and of sequences right, by length (trained on 1 to 20)",
    found=("10 of 10 seeds right at length 20 (ntm, trained on 1 to 20)",),
    minutes=3, models=MODELS, build=build, batch=batch, loss=loss, optimiser=optimiser, rate=rate, validate=validate,
    evaluate=evaluate, targets=targets, trace=trace, figures=figures, check=check,
)
