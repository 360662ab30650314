"""The targets, and what was measured beside them.

A ratio is how many times faster ours is than a peer: the median, over the rounds, of the quotient of two blocks that ran
a moment apart. A bar of memory or seconds is a largest value instead.
"""

import statistics
from typing import NamedTuple

BATCHES = "batch 1", "batch 16", "batch 64"
BLOCKS = "T32 d64", "T64 d128", "T128 d256"
TORCH = "PyTorch eager"
BOUND, CHECKED = "smallest tape", "checking tape"
VECTORISED, MERGED = "PyTorch, a head at a time", "PyTorch, heads merged"
WHOLE = "tape as it is"
LOST = ["workload", "case", "setting", "ours", "faster", "ratio"]
EAGER, RECORDED, SEGMENTS = "tinyaug eager", "tinyaug recorded", "tinyaug in segments"


class Target(NamedTuple):
    """One row: least and aim hold a number for each case. peers: the fastest of them counts; none for a largest value"""

    label: str
    workload: str
    cases: tuple
    ours: str
    peers: tuple
    least: tuple
    aim: tuple


def chain(case, least, aim):
    return Target(f"{case}, a chain of 1000, eager", "chains", (case,), EAGER, (TORCH,), (least,), (aim,))


def bound(case):
    return Target(f"{case}, the smallest tape: a bound", "chains", (case,), BOUND, (TORCH,), (), ())


def checked(case):
    return Target(f"{case}, one that checks: a bound", "chains", (case,), CHECKED, (TORCH,), (), ())


def peer(name, batches, least=(), aim=()):
    cases = tuple(f"{name}, batch {batch}" for batch in batches)
    return Target("NTM copy step, recorded", "ntm_peers", cases, RECORDED, (name,), least, aim)


TARGETS = [
    chain("tanh", 2, 2.5), bound("tanh"), checked("tanh"), chain("add", 2, 2.5), bound("add"),
    chain("multiply", 2, 2.5), bound("multiply"),
    chain("matmul", 1.3, 1.5), bound("matmul"),
    chain("concatenate", 1.2, 1.4), bound("concatenate"), checked("concatenate"),
    chain("softmax", 0.65, 0.8), bound("softmax"), checked("softmax"),
    Target("NTM copy step, eager", "ntm", BATCHES, EAGER, (VECTORISED,), (1, 1, 0.8), (1.3, 1.2, 1)),
    Target("NTM copy step, eager", "ntm", BATCHES, EAGER, (MERGED,), (1, 1, 0.8), (1.3, 1.2, 1)),
    Target("NTM copy step, recorded", "ntm", BATCHES, RECORDED, (VECTORISED,), (6, 3.5, 2), (9, 4.5, 2.7)),
    Target("NTM copy step, recorded", "ntm", BATCHES, RECORDED, (MERGED,), (6, 3.5, 2), (9, 4.5, 2.7)),
    Target("NTM copy step, recorded", "ntm", BATCHES, RECORDED, ("PyTorch tuned",), (5.5, 2.6, 1.8), (8, 3.3, 2.2)),
    peer("pytorch-ntm", (1, 16), (12, 9), (16, 13)),
    peer("torch.compile", (1, 16), (2.5, 1.3), (3.5, 1.6)),
    peer("HIPS autograd", (1, 16)),
    peer("jax.jit", (1, 16, 64)),
    Target("LSTM T=100, recorded", "lstm", BATCHES, RECORDED, ("LSTMCell loop",), (5, 1.8, 1.3), (7, 2.1, 1.4)),
    Target("LSTM T=100, recorded", "lstm", BATCHES, RECORDED, ("nn.LSTM",), (0.8, 0.5, 0.9), (1.05, 0.65, 1.05)),
    Target("attention seq2seq, recorded", "seq2seq", BATCHES, RECORDED, (TORCH,), (2.5, 1.7, 1.4), (3.3, 2, 1.6)),
    Target("Transformer block, recorded", "transformer", BLOCKS, RECORDED, ("PyTorch SDPA", "PyTorch explicit"),
           (1, 1, 1), (1.15, 1.15, 1.15)),
    Target("peak memory, T=120, recorded", "memory", (f"{RECORDED}, batch 1", f"{RECORDED}, batch 16"), RECORDED, (),
           (12, 160), (12, 105)),
    Target("the same, in segments of 8 steps", "memory", (f"{SEGMENTS}, batch 1", f"{SEGMENTS}, batch 16"), SEGMENTS, (),
           (12, 160), (12, 50)),
    Target("import, the whole process", "import_time", ("import",), "tinyaug", (), (100,), (85,)),
    Target("copy learned, one core", "learning", ("copy",), "tinyaug", (), (35,), (20,)),
]


def ratios(result, ours, peers):
    """How much faster ours was than the fastest of the peers, a number a round; none if no peer was there."""
    times = result["times"]
    best = min((times[name] for name in peers if name in times), key=statistics.median, default=[])
    return [b / a for a, b in zip(times[ours], best)]


def value(target, result):
    """The measured number of a row, or None where it was not measured."""
    if result is None or not result.get("times", {}).get(target.ours):
        return None
    numbers = ratios(result, target.ours, target.peers) if target.peers else result["times"][target.ours]
    return statistics.median(numbers) if numbers else None


def verdict(target, measured):
    """aim, least or MISSED, case by case; nothing where there is no bar."""
    words = []
    for x, least, aim in zip(measured, target.least, target.aim):
        better = (lambda bar, x=x: x >= bar) if target.peers else (lambda bar, x=x: x <= bar)
        words.append("-" if x is None else "aim" if better(aim) else "least" if better(least) else "MISSED")
    return " / ".join(words)


def settings(results):
    """{the setting, in words: the results that were measured in it}"""
    found = {}
    for r in sorted(results, key=lambda r: (r.get("kernels", ""), r["threads"])):
        found.setdefault(setting(r), []).append(r)
    return found


def setting(result):
    """How many threads, and the variables that chose the processor kernels where the libraries did not."""
    threads = "1 thread" if result["threads"] == 1 else f"{result['threads']} threads"
    return f"{threads}, {kernels}" if (kernels := result.get("kernels")) else threads


def targets(results):
    """The rows of what was measured in one setting, as a table."""
    found = {(r["workload"], r["case"]): r for r in results}
    rows = []
    for target in TARGETS:
        cases = [found.get((target.workload, case)) for case in target.cases]
        if not any(cases):
            continue
        measured = [value(target, case) for case in cases]
        unit = next((case["unit"].split()[0] for case in cases if case and "unit" in case), "")
        against = " or ".join(target.peers) if target.peers else f"at most, {unit}" if unit else "at most"
        notes = "".join([f", {case['note']}" for case in cases if case and "note" in case])
        rows.append([target.label + notes, against, numbers(target.least), numbers(target.aim), numbers(measured),
                     verdict(target, measured)])
    return table(["what", "times as fast as", "at least", "aim", "measured", "reached"], rows)


def numbers(values):
    return " / ".join("-" if x is None else f"{x:.2f}" if x < 3 and x != int(x) else f"{x:.3g}" for x in values)


def lost(results):
    """[[workload, case, setting, ours, peer, ratio]] of every case in which somebody is faster than ours, slowest first."""
    rows = []
    for r in results:
        ours = RECORDED if RECORDED in r.get("times", {}) else None
        ours = EAGER if r["workload"] == "chains" else ours
        if r.get("unit") != "ms a step" or ours not in r["times"]:
            continue
        for name in r["times"]:
            ratio = statistics.median(ratios(r, ours, [name]))
            if not name.startswith("tinyaug") and name not in (BOUND, CHECKED) and ratio < 1:
                rows.append([r["workload"], r["case"], setting(r), ours, name, f"{ratio:.2f}"])
    return sorted(rows, key=lambda row: float(row[-1]))


def details(results):
    """Every contender of every case: median and quartiles, how often, and how far its gradients were off."""
    rows = []
    for r in results:
        for name, times in r.get("times", {}).items():
            if times:
                low, middle, high = quartiles(times)
                error = r.get("gradients", {}).get(name)
                rows.append([r["workload"], r["case"], name, f"{middle:.3g}", f"{low:.3g} to {high:.3g}", str(len(times)),
                             r["unit"], "" if error is None else f"{error:.0e}" if error else "reference"])
    return table(["workload", "case", "who", "median", "quartiles", "blocks", "unit", "gradients differ by"], rows)


def quartiles(times):
    return statistics.quantiles(times, n=4, method="inclusive") if len(times) > 1 else times * 3


def growth(results):
    """The lines through the measured sizes."""
    rows = []
    for r in results:
        for name, (a, b) in r.get("lines", {}).items():
            x = {"slots": "slots", "length": "time steps"}[r["case"]]
            points = ", ".join(f"{size}: {values[name]:.3g}" for size, values in r["points"].items())
            rows.append([r["case"], name, f"{a:.3g} ms + {1000 * b:.3g} us x {x}", points])
    return table(["grows with", "who", "a step costs about", "measured, ms"], rows)


def passes(results):
    """What a step costs when one pass is left out, as a multiple of what it costs with all: above 1, the pass gains."""
    rows = []
    for r in results:
        times = r.get("times", {})
        for name, n in r.get("steps", {}).items():
            times_longer = statistics.median([a / b for a, b in zip(times[name], times["all passes"])])
            rows.append([r["case"], name, f"{n:,}", f"{r['bytes'][name] / 1e6:.1f}", f"{times_longer:.2f}"])
    return table(["NTM copy step, or else", "recorded with", "array calls", "MB", "times as long"], rows)


def techniques(results):
    """What an eager step costs without a technique of the tape, as a multiple of what it costs with all."""
    rows = []
    for r in results:
        times = r.get("times", {}) if r["workload"] == "tape" else {}
        rows += [[r["case"], name, f"{statistics.median([a / b for a, b in zip(times[name], times[WHOLE])]):.2f}"]
                 for name in times if name != WHOLE]
    return table(["NTM copy step, eager", "with", "times as long"], rows)


def table(heads, rows):
    """A Markdown table whose columns line up as plain text too."""
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    lines = [heads, ["-" * width for width in widths], *rows]
    return "\n".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |" for line in lines)


def line(result):
    """A case in a few words, while the benchmark runs."""
    if "error" in result:
        return "FAILED: " + result["error"]
    if "missing" in result:
        return "left out: " + result["missing"]
    if "points" in result:
        return "; ".join(f"{name} {a:.3g} ms + {1000 * b:.3g} us each" for name, (a, b) in result["lines"].items())
    spreads = {name: quartiles(times) for name, times in result["times"].items() if times}
    return ", ".join(f"{name} {middle:.3g} ({low:.3g} to {high:.3g})" for name, (low, middle, high) in spreads.items()) + (
        f" {result['unit']}")


def text(results):
    """All that is printed at the end."""
    parts = []
    for words, measured in settings(results).items():
        parts += [words, targets(measured)]
    if any("lines" in r for r in results):
        parts += ["Cost against size, batch 1", growth(results)]
    if any("steps" in r for r in results):
        parts += ["Times as long without it", passes(results)]
    if losses := lost(results):
        parts += ["Where others are faster", table(LOST, losses)]
    return "\n\n".join(parts)
