"""Interpret: run programs that call programs, learned from traces (Reed and de Freitas 2015).

One network adds and sorts. It sees four symbols at a time, and says which program comes next, or that this one is over;
everything else is on the scratch pad and on the stack of calls. `--model recursive` has no loops (Cai, Shin, Song
2017): what it can see in one call is finite, so all of it is tried, and then it is right for numbers of any length.
"""

from functools import cache
from pathlib import Path

import numpy as np

from tasks.task import OptionError, Task
from tinyaug import Tensor, no_grad, ops
from tinyaug.data import traces
from tinyaug.data.scratch_pads import AdditionPad, SortPad
from tinyaug.programmer import Interpreter
from tinyaug.programmer.interpreter import run
from tinyaug.record import record
from tinyaug.train.optimise import Adam

WEIGHTS = Path(__file__).parent / "weights"
DIGITS, NUMBERS = (10, 100, 1000), (20, 60)     # trained on 1 to 20
PROBLEMS = 100                                  # of each length
SYMBOLS = 11
SHORT = 6       # looks; of all programs but the loops the longest has 5
FIRST = [name for name in traces.NAMES if name not in traces.LEARNED_LATER]
ADDING = {"ADD", "ADD1", "CARRY", "SHIFT"}
KINDS = {"addition": "ADD", "sort": "BUBBLESORT", "maximum": "MAX"}

LOOP = {"steps": 6000, "batch": 64, "validate_every": 500, "rate": 2e-3, "clip_norm": 1.0, "longest": 20, "examples": 32,
        "hidden": 64, "width": 64, "until_solved": True}
MODELS = {
    "loop": LOOP | {"until_solved": False},
    "recursive": LOOP,
    # On top of the shipped weights of `loop`; only the vectors of the new programs are learned.
    "max": LOOP | {"steps": 5000, "rate": 1e-2},
}


def check(config):
    """Settings that cannot be."""
    for key in ("longest", "examples", "hidden", "width"):
        if config[key] < 1:
            raise ValueError(f"{key}: got {config[key]}, expected at least 1")
        if key in ("hidden", "width") and config["model"] == "max" and config[key] != LOOP[key]:
            raise ValueError(f"{key}: got {config[key]}, expected {LOOP[key]}, that of the shipped loop")
    for key in ("rate", "clip_norm"):
        if config[key] <= 0:
            raise ValueError(f"{key}: got {config[key]}, expected more than 0")


def form(config):
    return traces.FORMS["recursive" if config["model"] == "recursive" else "loop"]


def kinds(config):
    """The programs that are asked of a model, by the name of the problem."""
    return [kind for kind in KINDS if kind != "maximum" or config["model"] == "max"]


def build(config, rng):
    later = len(traces.LEARNED_LATER) if config["model"] == "max" else 0
    model = Interpreter(programs=len(FIRST), symbols=SYMBOLS, hidden=config["hidden"], width=config["width"], rng=rng,
                        later=later)
    if later:
        from tasks.runner import shipped
        core, _, _ = shipped(TASK, "loop", WEIGHTS)
        model.load(model.state() | core.state())
    return model


def problem(rng, kind, length):
    """A pad, and the result that is wanted of it."""
    if kind == "addition":
        other = length if rng.random() < 0.5 else int(rng.integers(1, length + 1))     # numbers of different lengths too
        first, second = (int("".join(map(str, [rng.integers(1, 10), *rng.integers(0, 10, digits - 1)])))
                         for digits in rng.permutation([length, other]))
        return AdditionPad(first, second), first + second
    array = rng.integers(0, 10, length).tolist()
    return SortPad(array), sorted(array) if kind == "sort" else max(array)


def answer(kind, pad):
    """What a pad says when its program is over: for a maximum, what the first pointer points at."""
    return pad.observe()[0] if kind == "maximum" else pad.result()


@cache
def pools(seed, longest, examples, recursive, later):
    """The frames in traces of problems of 1 to `longest` digits or numbers, in groups that are drawn equally often.

    returns: the short frames, a group for each program and number of calls; ADD1 five times, since it learns every sum of
             two digits; in a recursion for each choice of empty cells, too, or its last call, one frame among thousands,
             would hardly be met, and sorting as often as adding; and the frames of programs with loops, a group for each
    """
    rng, found, programs = np.random.default_rng(seed), {}, traces.FORMS["recursive" if recursive else "loop"]
    for length in range(1, longest + 1):
        for _ in range(examples):
            pads = {"ADD": problem(rng, "addition", length)[0], "BUBBLESORT": problem(rng, "sort", length)[0]}
            if later:
                pads["MAX"] = problem(rng, "maximum", length)[0]
            for name, pad in pads.items():
                for frame in traces.trace(name, pad, programs):
                    found.setdefault(frame.program, {})[frame] = None
    groups = {}
    for name, frames in found.items():
        for frame in frames:
            empty = recursive and tuple([x == traces.BLANK for x in frame.seen[0]])
            groups.setdefault((name, len(frame.calls), empty), []).append(frame)
    drawn = [(name in ADDING, group) for (name, length, _), group in groups.items() if length <= SHORT
             for _ in range(5 if name == "ADD1" else 1)]
    if recursive:
        adding, sorting = ([pair for pair in drawn if pair[0] is part] for part in (True, False))
        drawn = adding + sorting * max(1, round(len(adding) / len(sorting)))
    loops = [list(frames) for frames in found.values() if max(len(frame.calls) for frame in frames) > SHORT]
    return [group for _, group in drawn], loops


def known(config):
    """The frames that a model is trained on."""
    return pools(config["seed"], config["longest"], config["examples"], config["model"] == "recursive",
                 config["model"] == "max")


def batch(config, rng, i):
    """Frames, group by group: short ones, and every fourth time those of programs with loops."""
    short, long = known(config)
    groups = long if long and i % 4 == 0 else short
    drawn = [groups[k] for k in rng.integers(len(groups), size=config["batch"])]
    chosen = [group[rng.integers(len(group))] for group in drawn]
    return traces.encode(chosen, 2 * config["longest"] + 3 if groups is long else SHORT)


def mistakes(model, program, seen, called, arguments, real):
    """The cross-entropy of each step of frames (B, T), and whether all that is said at it is right."""
    state = model.initial_state(seen.shape[0])
    losses, rights = [], []
    for t in range(seen.shape[1]):
        said, state = model(seen[:, t], program, state)
        over = ops.astype(called[:, t] == len(traces.NAMES), dtype=said.end.dtype)
        programs, words = ops.log_softmax(said.program), ops.log_softmax(said.arguments)
        wanted = ops.one_hot(called[:, t], classes=programs.shape[-1])          # a row of zeros at the end of a program
        wanted_words = ops.one_hot(arguments[:, t], classes=SYMBOLS)
        wrong = ops.sum(programs * wanted, axis=-1) + (1 - over) * ops.sum(words * wanted_words, axis=(-1, -2))
        losses.append(ops.binary_cross_entropy_with_logits(said.end, over, reduction="none") - wrong)
        alike = ops.argmax(words, axis=-1) == arguments[:, t]
        same = (ops.argmax(programs, axis=-1) == called[:, t]) & alike[:, 0] & alike[:, 1] & alike[:, 2]
        ended = said.end > 0
        rights.append((ended & (over > 0)) | (~ended & (over == 0) & same))
    return ops.stack(losses, axis=1), ops.stack(rights, axis=1)


def loss(model, program, seen, called, arguments, real):
    """Cross-entropy over the real steps."""
    losses, _ = mistakes(model, program, seen, called, arguments, real)
    value = ops.sum(losses * real) / ops.sum(real)
    return value, {"misfit": value}


def optimiser(config, model):
    learned = model
    if config["model"] == "max":            # the core, and the programs that it knows, stay as they are
        learned = {"embedding": model.later_embedding.weight, "key": model.later_key.weight}
    return Adam(learned, rate=config["rate"], clip_norm=config["clip_norm"])


def rate(config, i):
    """Full over the first half, then falling to 0."""
    return config["rate"] * min(1.0, max(0.02, 2 * (1 - i / config["steps"])))


def solve(model, kind, pads, note=None):
    """Run a program on pads. returns: for each, whether it came to an end"""
    decide = model.decide if len(pads) < 5 else record(model.decide)
    length = max(len(pad.array) if kind != "addition" else len(pad.cells[0]) for pad in pads)
    limit = 30 * length + 100 if kind == "addition" else 20 * length * length + 500
    return run(decide, pads, traces.NAMES.index(KINDS[kind]), start=model.initial_state(1),
               act=traces.NAMES.index("ACT"), limit=limit, note=note)


def measure(model, rng, kind, length, problems):
    """Share of problems of one length that end with the right result."""
    pads, wanted = zip(*[problem(rng, kind, length) for _ in range(problems)])
    right = [end and answer(kind, pad) == result for end, pad, result in zip(solve(model, kind, pads), pads, wanted)]
    return float(np.mean(right))


def proof(model):
    """Share of all cases of the recursive form in which every call is right, and how many cases there are."""
    frames = dict.fromkeys(traces.frame_of(name, seen, traces.FORMS["recursive"]) for name, seen in traces.every_case())
    return right_frames(model, list(frames)), len(frames)


def right_frames(model, frames):
    """Share of frames without a mistake."""
    right, device = 0, model.end.weight.device
    for start in range(0, len(frames), 2000):
        arrays = traces.encode(frames[start:start + 2000], SHORT)
        _, rights = mistakes(model, *[Tensor(x).to(device) for x in arrays])
        right += int((rights.numpy() | (arrays[-1] == 0)).all(axis=1).sum())
    return right / len(frames)


def validate(model, config, rng):
    """Exact at the longest trained length, and in each short frame that is trained; a recursive model in all cases."""
    found = {kind: measure(model, rng, kind, config["longest"], 20) for kind in kinds(config)}
    found["frames"] = right_frames(model, list(dict.fromkeys(frame for group in known(config)[0] for frame in group)))
    done = min(found.values()) == 1.0
    if done and config["model"] == "recursive":
        found["proof"], _ = proof(model)
        done = found["proof"] == 1.0
    return found | {"done": done and config["until_solved"]}


def evaluate(model, config, rng):
    """A length is tried where the one before it went well at least once: a model that is lost runs on to the limit."""
    rows = []
    for kind in kinds(config):
        exact = 1.0
        for length in DIGITS if kind == "addition" else NUMBERS:
            rows.append({"length": length, "kind": kind, "problems": PROBLEMS, "exact": 0.0})
            if exact > 0:
                rows[-1]["exact"] = exact = measure(model, rng, kind, length, PROBLEMS)
    metrics = dict(zip(("proof", "cases"), proof(model))) if config["model"] == "recursive" else {}
    return {"metrics": metrics, "by_length": rows}


def targets(config, result):
    bars = {f"{row['kind']}_{row['length']}": row["exact"] for row in result["by_length"]}
    bars |= {name: value for name, value in result["metrics"].items() if name == "proof"}
    return {name: {"value": value, "bound": 1.0, "reached": bool(value == 1)} for name, value in bars.items()}


def calls(model, kind, pad):
    """The run of a program on one pad, as Calls."""
    found = []
    solve(model, kind, [pad], note=lambda _, call: found.append(call))
    return found


def trace(model, config, rng):
    """The call tree of a small problem: depth, program, arguments and what was seen, a call a row."""
    kind = "maximum" if config["model"] == "max" else "addition"
    pad = AdditionPad(96, 125) if kind == "addition" else SortPad([3, 1, 2])
    found = calls(model, kind, pad)
    return {"names": np.array(traces.NAMES), "root": np.array(KINDS[kind]), "result": np.array(str(answer(kind, pad))),
            "problem": np.array("96 + 125" if kind == "addition" else "the largest of 3, 1, 2"),
            "depth": np.array([call.depth for call in found]), "program": np.array([call.program for call in found]),
            "arguments": np.array([call.arguments for call in found]), "seen": np.array([call.seen for call in found])}


def figures(folder, trace, metrics):
    from viz import calls as draw
    return draw.all_figures(folder / "figures", trace, metrics)


def options(add):
    add("--ask", metavar="PROBLEM", help="run it with the shipped weights and print every call: 96+125, 'sort 3,1,2', "
                                         "or, with --model max, 'max 3,1,2'")
    add("--stepwise", action="store_true", help="with --ask: wait for Enter before each call")


def parse(text):
    """(kind, pad) of a problem as it is typed. raises: OptionError"""
    words = text.split()
    try:
        if "+" in text:
            first, second = (int(part) for part in text.split("+"))
            if min(first, second) >= 0:
                return "addition", AdditionPad(first, second)
        elif len(words) == 2 and words[0] in ("sort", "max"):
            array = [int(part) for part in words[1].split(",")]
            if all(0 <= x <= 9 for x in array):
                return {"sort": "sort", "max": "maximum"}[words[0]], SortPad(array)
    except ValueError:
        pass
    raise OptionError(f"--ask: got {text!r}, expected two numbers such as 96+125, or digits such as 'sort 3,1,2'")


def line(call):
    """A call as a line, as far to the right as it is deep: its name, its arguments, and what the pad showed."""
    order = f"({', '.join(str(x) for x in traces.spoken(call.arguments))})" if traces.NAMES[call.program] == "ACT" else ""
    shown = " ".join("-" if x == traces.BLANK else str(x) for x in call.seen)
    return f"{'  ' * call.depth}{traces.NAMES[call.program]}{order}".ljust(40) + f"sees {shown}"


def command(options, weights):
    """--ask: every call of a run, and its result. returns: the exit code; None without --ask"""
    if options.ask is None:
        if options.stepwise:
            raise OptionError("--stepwise: got no --ask; expected a problem to step through")
        return None
    kind, pad = parse(options.ask)
    from tasks.runner import shipped
    model, config, _ = shipped(TASK, options.model, weights)
    if kind not in kinds(config):
        raise OptionError(f"--ask: {config['model']} has not learned {kind}; add --model max")
    print(KINDS[kind])

    def note(_, call):
        if options.stepwise:
            input()
        print(line(call), flush=True)

    with no_grad():
        ended = solve(model, kind, [pad], note)
    print(f"result: {answer(kind, pad)}" if ended[0] else "no result: the program did not come to an end")
    return 0 if ended[0] else 1


TASK = Task(
    name="interpret", title="run programs that call programs: add and sort on a scratch pad, learned from traces",
    paper="Reed and de Freitas 2015, Neural Programmer-Interpreters; Cai, Shin, Song 2017 for the recursive form",
    measures="share of problems solved, by length (trained on at most 20); for the recursive form, of all cases",
    found=("100 of 100 problems right at every length, and proved by cases (recursive 4 of 4 seeds, max 2 of 3)",),
    minutes=3, models=MODELS, build=build, batch=batch, loss=loss, optimiser=optimiser, rate=rate, validate=validate,
    evaluate=evaluate, targets=targets, trace=trace, figures=figures, check=check, options=options, command=command,
)
