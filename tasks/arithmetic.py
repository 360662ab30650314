"""Arithmetic: write a program for an expression, from answers alone (Olah and Carter 2016, "Neural programmer").

The network reads x1 + x2 * x3 as six signs, never the numbers behind them. It writes a program, t1 = multiply(x2, x3);
t2 = add(x1, t1), and the operations do the arithmetic. What was learned on numbers from 1 to 10 is therefore exact on any.
"""

from itertools import pairwise

import numpy as np

from tasks.task import OptionError, Task
from tinyaug import Tensor, no_grad
from tinyaug.data import expressions
from tinyaug.programmer import (
    OPERATIONS,
    Averaged,
    AveragedSteps,
    Controller,
    Programmer,
    execute,
    harden,
    live,
    run_soft,
    write,
)
from tinyaug.programmer.programmer import entropy
from tinyaug.train.optimise import Adam

NUMBERS = (2, 3, 4)
TOKENS = 16             # of the longest expression: three functions of two arguments, nested
TRAINED = (0.3, 10)     # magnitudes of the numbers
TESTED = (30, 1000)
EXACT = 1e-9            # relative: (a + b) + c and a + (b + c) differ in the last digits of float64

# The tolerance was chosen on seeds 101 and 102; docs/arithmetic.md tells what else was tried.
PROGRAMMER = {
    "steps": 4000, "batch": 16, "validate_every": 500,
    "rate": 2e-3, "clip_norm": 1.0, "gradient_noise": 0.0,
    "two_until": 200, "three_until": 700,
    "draws": 4, "temperature": 1.0, "tolerance": 0.001, "entropy": 0.1, "annealed": False,
    "width": 16, "hidden": 32, "unseen": 0,
}
MODELS = {
    "programmer": PROGRAMMER,
    "averaged": PROGRAMMER | {"steps": 6600, "two_until": 600, "three_until": 2600, "entropy": 1.0, "annealed": True},
    "averaged-steps": PROGRAMMER | {"tolerance": 0.1},      # the article's plain form; this divides its loss
}
KINDS = {"programmer": Programmer, "averaged": Averaged, "averaged-steps": AveragedSteps}
OPERATIONS_HERE = OPERATIONS        # the page that adds an operation puts another dict here


def check(config):
    """Settings that cannot be."""
    for key in ("draws", "width", "hidden"):
        if config[key] < 1:
            raise ValueError(f"{key}: got {config[key]}, expected at least 1")
    for key in ("rate", "clip_norm", "temperature", "tolerance"):
        if config[key] <= 0:
            raise ValueError(f"{key}: got {config[key]}, expected more than 0")
    for key in ("entropy", "gradient_noise", "two_until", "three_until"):
        if config[key] < 0:
            raise ValueError(f"{key}: got {config[key]}, expected at least 0")
    if config["unseen"] == 1 or config["unseen"] < 0:
        raise ValueError(f"unseen: got {config['unseen']}, expected 0, or n to keep every n-th expression from training")


def words():
    """{token: index}"""
    return expressions.vocabulary(OPERATIONS_HERE, max(NUMBERS))


def numeric():
    """The operations on arrays of float64, for the answers."""
    def plain(function):
        return lambda a, b: function(Tensor(a, dtype="float64"), Tensor(b, dtype="float64")).numpy()
    return {name: plain(function) for name, function in OPERATIONS_HERE.items()}


def forms(count, config, seen=None):
    """All expressions of so many numbers; or those alone that are trained (seen=True), or never (seen=False)."""
    every = expressions.trees(count, OPERATIONS_HERE)
    nth = config["unseen"] if count > 2 else 0
    return [tree for i, tree in enumerate(every) if seen is None or seen == (not nth or i % nth != nth - 1)]


def read(trees_or_tokens, count):
    """Tokens (B, L) and places (B, N, L) of expressions over `count` numbers."""
    vocabulary = words()
    tokens = expressions.encode([expressions.write(tree) if isinstance(tree, tuple) else tree for tree in trees_or_tokens],
                                vocabulary, TOKENS)
    ids = np.array([vocabulary[f"x{i + 1}"] for i in range(count)])
    return tokens, (tokens[:, None, :] == ids[:, None]).astype(np.float32)


def build(config, rng):
    controller = Controller(words=len(words()), width=config["width"], hidden=config["hidden"],
                            operations=len(OPERATIONS_HERE), rng=rng)
    return KINDS[config["model"]](controller, OPERATIONS_HERE)


def batch(config, rng, i):
    """Expressions of one size, with `draws` rows of numbers each, noise, and the weight of the entropy at this step."""
    if i <= config["two_until"]:
        shares = (1.0, 0.0, 0.0)
    elif i <= config["three_until"]:
        shares = (0.2, 0.8, 0.0)
    else:
        shares = (0.05, 0.25, 0.7)
    count = int(rng.choice(NUMBERS, p=shares))
    pool = forms(count, config, seen=True)
    chosen = [pool[j] for j in rng.integers(len(pool), size=config["batch"])]
    with no_grad():
        numbers, answers = expressions.draw(rng, chosen, numeric(), numbers=count, draws=config["draws"],
                                            low=TRAINED[0], high=TRAINED[1])
    constants = [np.array(value) for value in (bonus(config, i), config["temperature"], config["tolerance"])]
    return *read(chosen, count), numbers, answers, *constants


def bonus(config, i):
    """The weight of the entropy: falls to 0 by nine tenths; annealed, to a 1000th, and for each number of numbers anew."""
    if not config["annealed"]:
        return config["entropy"] * min(1.0, max(0.0, 2 - 2.2 * i / config["steps"]))
    edges = [0, config["two_until"], config["three_until"], config["steps"]]
    start, end = next((start, end) for start, end in pairwise(edges) if i <= end)
    passed = (i - start) / (0.8 * (end - start))
    return config["entropy"] * 0.001 ** passed * (passed < 1)


def loss(model, tokens, places, numbers, answers, bonus, temperature, tolerance):
    """The misfit, less a bonus for undecided programs."""
    scores = model.controller(tokens, places)
    value = model.misfit(scores, numbers, answers, temperature=temperature, tolerance=tolerance)
    undecided = entropy(scores)
    return value - bonus * undecided, {"misfit": value, "entropy": undecided}


def optimiser(config, model):
    eta = config["gradient_noise"]
    return Adam(model, rate=config["rate"], clip_norm=config["clip_norm"], noise=eta or None,
                rng=np.random.default_rng(0) if eta else None)


def rate(config, i):
    """Full over the first half, then falling to 0."""
    return config["rate"] * min(1.0, max(0.02, 2 * (1 - i / config["steps"])))


def programs(model, chosen, count):
    """The hard program of each expression."""
    device = model.controller.operation.weight.device
    tokens, places = (Tensor(x).to(device) for x in read(chosen, count))
    return harden(model.choose(model.controller(tokens, places)), OPERATIONS_HERE)


def same(program, tree, numbers):
    """Does the program give what the expression comes to, on every row of numbers?"""
    wanted = expressions.evaluate(tree, numbers, numeric())
    found = execute(program, Tensor(numbers, dtype="float64"), OPERATIONS_HERE)[0][-1].numpy()
    return bool(np.allclose(found, wanted, rtol=EXACT, atol=0))


def measure(model, config, rng, count, chosen):
    """Share of expressions that are exact in 10 draws of numbers, and share with a correct program: in 100 more.

    A program that is another function than its expression differs from it almost everywhere in some region; draws of all
    signs and magnitudes get into each of those regions.
    """
    found = programs(model, chosen, count)
    row = {"length": count, "expressions": len(chosen)}
    for name, draws in (("exact", 10), ("correct_program", 100)):
        numbers, _ = expressions.draw(rng, chosen, numeric(), numbers=count, draws=draws, low=TESTED[0], high=TESTED[1])
        row[name] = float(np.mean([same(*each) for each in zip(found, chosen, numbers)]))
    return row


def share(rows, name):
    """Over all expressions, whatever their length."""
    return sum(row[name] * row["expressions"] for row in rows) / sum(row["expressions"] for row in rows)


def validate(model, config, rng):
    rows = [measure(model, config, rng, count, forms(count, config, seen=True)) for count in NUMBERS]
    found = {"exact": share(rows, "exact"), "correct_program": share(rows, "correct_program")}
    return found | {"done": found["correct_program"] > 0.998}


def evaluate(model, config, rng):
    rows = [measure(model, config, rng, count, forms(count, config, seen=True)) for count in NUMBERS]
    metrics = {name: share(rows, name) for name in ("exact", "correct_program")}
    if config["unseen"]:
        unseen = [measure(model, config, rng, count, forms(count, config, seen=False)) for count in NUMBERS[1:]]
        metrics |= {f"{name}_unseen": share(unseen, name) for name in ("exact", "correct_program")}
    return {"metrics": metrics, "by_length": rows}


def targets(config, result):
    bars = {name: (result["metrics"][name], 0.99) for name in ("exact", "correct_program")}
    return {name: {"value": value, "bound": bound, "reached": bool(value >= bound)} for name, (value, bound) in bars.items()}


SHOWN = ("multiply", ("subtract", 0, 1), ("maximum", 2, 3))         # ( x1 - x2 ) * maximum ( x3 , x4 )


def trace(model, config, rng):
    """One expression: the distributions of each step, what every operation came to, and their mean."""
    count = 4
    numbers = rng.integers(2, 10, size=(1, 1, count)).astype(float)
    device = model.controller.operation.weight.device
    tokens, places = (Tensor(x).to(device) for x in read([SHOWN], count))
    choices = model.choose(model.controller(tokens, places))
    results, everything = run_soft(choices, Tensor(numbers).to(device), model.operations)
    program = harden(choices, OPERATIONS_HERE)[0]
    record = {"expression": np.array(" ".join(expressions.write(SHOWN))), "numbers": numbers[0, 0],
              "operations": np.array(list(OPERATIONS_HERE)), "answer": expressions.evaluate(SHOWN, numbers[0, 0], numeric()),
              "program": np.array(write(program, count)),
              "instruction": np.array([[list(OPERATIONS_HERE).index(name), left, right] for name, left, right in program])}
    for step, (choice, result, each) in enumerate(zip(choices, results, everything)):
        record |= {f"operation_{step}": choice.operation.numpy()[0], f"left_{step}": choice.left.numpy()[0],
                   f"right_{step}": choice.right.numpy()[0], f"result_{step}": result.numpy()[0, 0],
                   f"outputs_{step}": each.numpy()[0, 0]}
    return record


def figures(folder, trace, metrics):
    from viz import programmer as draw
    return draw.all_figures(folder / "figures", trace, metrics)


def options(add):
    add("--ask", metavar="EXPRESSION", help="write and run the program of an expression, such as 'x1 + x2 * x3' (blanks "
                                            "between signs), with the shipped weights")
    add("--numbers", metavar="A,B,...", help="with --ask: the numbers that x1, x2, ... stand for")


def command(options, weights):
    """--ask: the program, its answer, and whether it divides by zero. returns: the exit code; None without --ask"""
    if options.ask is None:
        if options.numbers is not None:
            raise OptionError("--numbers: got no --ask; expected an expression that they belong to")
        return None
    tokens = options.ask.split()
    count = len({token for token in tokens if token[:1] == "x" and token[1:].isdigit()})
    if count not in NUMBERS or {f"x{i + 1}" for i in range(count)} - set(tokens):
        raise OptionError(f"--ask: got {options.ask!r}, expected x1 to x2, x3 or x4, each once, such as 'x1 + x2 * x3'")
    try:
        numbers = np.array([float(part) for part in (options.numbers or "").split(",")])
    except ValueError:
        numbers = np.zeros(0)
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise OptionError(f"--numbers: got {options.numbers}, expected {count} numbers, such as "
                          f"{','.join(map(str, range(1, count + 1)))}")
    from tasks.runner import shipped
    model, _, _ = shipped(TASK, options.model, weights)
    try:
        with no_grad():
            program = programs(model, [tokens], count)[0]
    except ValueError as error:
        raise OptionError(f"--ask: {error}") from None
    if tokens not in map(expressions.write, forms(count, {"unseen": 0})):
        raise OptionError(f"--ask: got {options.ask!r}, expected an expression of x1, x2, ... in this order, each once, "
                          "with blanks between signs and no parentheses but those that it needs")
    results, by_zero = execute(program, Tensor(numbers, dtype="float64"), OPERATIONS_HERE)
    print(f"program: {write(program, count)}")
    for step in by_zero:
        print(f"t{live(program, count).index(step) + 1} divides by zero, so there is no answer; "
              "a soft program goes on with 1e-06 in its place")
    if not by_zero:
        print(f"answer: {results[-1].item():.10g}")
    return 0


TASK = Task(
    name="arithmetic", title="write a program for an expression, from its answers alone",
    paper="Olah and Carter 2016, Attention and Augmented Recurrent Neural Networks, section 4",
    measures="share of expressions whose hard program is exact on numbers 100 times larger, and correct for all numbers",
    found=("10 of 10 seeds reach 99 %: median 99.9 % exact; by the article's averages 0.3 to 79 %",),
    minutes=1.5, models=MODELS, build=build, batch=batch, loss=loss, optimiser=optimiser, rate=rate, validate=validate,
    evaluate=evaluate, targets=targets, trace=trace, figures=figures, check=check, options=options, command=command,
)
