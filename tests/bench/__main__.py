"""How fast tinyaug is, and next to whom: `python -m tests.bench` measures, prints the table and writes it as JSON.

    python -m tests.bench                        everything, one thread: about 9 minutes
    python -m tests.bench --threads 1,2          and once more with two threads
    python -m tests.bench --only ntm,lstm        some of the workloads
    python -m tests.bench --quick                tiny sizes: to see that everything runs; the times mean nothing
    python -m tests.bench --pytorch-ntm PATH     pytorch-ntm too, from a checkout of it
    python -m tests.bench --kernels given        with the processor kernels that OPENBLAS_CORETYPE and the like ask for
    python -m tests.bench --only learning        10 seeds until copy is learned: minutes, so only when asked for
    python -m tests.bench --page                 write docs/performance.md from the JSON of an earlier run

This process measures nothing. Every case of every workload runs in a process of its own, whose number of threads is set
before NumPy is imported and which is pinned to as many processors: what a dozen models would leave in caches and
allocators would be measured too. See measure.py for how the contenders of one case are compared.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import product
from pathlib import Path
from types import SimpleNamespace

from tests.bench import machine, page, table

ROOT = Path(__file__).resolve().parents[2]
BATCHES = ["batch 1", "batch 16", "batch 64"]
PEERS = ["torch.compile", "HIPS autograd", "jax.jit", "pytorch-ntm"]
WORKLOADS = {
    "chains": ["tanh", "add", "multiply", "matmul", "concatenate", "softmax"],
    "lstm": BATCHES,
    "ntm": BATCHES,
    "ntm_peers": [*(f"{name}, {batch}" for batch in BATCHES[:2] for name in PEERS), "jax.jit, batch 64"],
    "seq2seq": BATCHES,
    "transformer": ["T32 d64", "T64 d128", "T128 d256"],
    "memory": [f"{name}, {batch}" for batch in BATCHES[:2]
               for name in ("PyTorch eager", "tinyaug eager", "tinyaug recorded", "tinyaug in segments")],
    "import_time": ["import"],
    "growth": ["slots", "length"],
    "passes": [*BATCHES[:2], *(f"LSTM, {batch}" for batch in BATCHES[:2]), "NTM T=120, batch 16"],
    "tape": BATCHES[:2],
    "learning": ["copy"],
}
ON_REQUEST = {"learning"}
THREAD_VARIABLES = "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"


def main(arguments):
    options = parse(arguments)
    if options.case is not None:
        return measure(options)
    return write_page(options) if options.page else measure_all(options)


def measure_all(options):
    """One case after the other; the file is written after each, so that what was measured is kept. returns: exit code"""
    results = []
    document = {"machine": machine.describe(options.pytorch_ntm), "quick": options.quick, "results": results}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    print(table.table(["", "measured on"], [[name, value] for name, value in document["machine"].items()]), end="\n\n")
    wanted = options.only or [name for name in WORKLOADS if name not in ON_REQUEST]
    for threads, workload in product(options.threads, wanted):
        for case in WORKLOADS[workload]:
            results.append(one(options, workload, case, threads))
            options.json.write_text(json.dumps(document, indent=1))
    print(f"\n{table.text(results)}\n\nwritten: {options.json}")
    return 1 if any("error" in result for result in results) else 0


def write_page(options):
    target = ROOT / "docs" / "performance.md"
    target.parent.mkdir(exist_ok=True)
    target.write_text(page.page(json.loads(options.json.read_text())))
    print(f"written: {target}")
    return 0


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure tinyaug against its peers.")
    parser.add_argument("--only", type=names, metavar="WORKLOAD,...", help=f"of {', '.join(WORKLOADS)}")
    parser.add_argument("--threads", type=numbers, default=[1], metavar="N,...",
                        help="thread counts, each in its own processes")
    parser.add_argument("--kernels", choices=["own", "given"], default="own",
                        help="own: variables such as OPENBLAS_CORETYPE are taken out, every library chooses for itself")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: does everything run?")
    parser.add_argument("--skip", choices=["compile"], action="append", default=[],
                        help="leave out torch.compile, which takes a minute to compile")
    parser.add_argument("--pytorch-ntm", type=Path, metavar="PATH", help="a checkout of loudinthecloud/pytorch-ntm")
    parser.add_argument("--json", type=Path, default=Path("runs/bench.json"), metavar="FILE",
                        help="the measured values (runs/bench.json)")
    parser.add_argument("--page", action="store_true", help="write docs/performance.md from FILE and measure nothing")
    parser.add_argument("--case", help=argparse.SUPPRESS)          # a process of the benchmark itself: measure this one
    options = parser.parse_args(arguments)
    if options.pytorch_ntm is not None and not (options.pytorch_ntm / "ntm" / "aio.py").exists():
        parser.error(f"--pytorch-ntm {options.pytorch_ntm}: got no ntm/aio.py there, expected a checkout of pytorch-ntm")
    if options.page and not options.json.exists():
        parser.error(f"--json {options.json}: got no such file; measure first, without --page")
    return options


def names(text):
    chosen = text.split(",")
    if unknown := [name for name in chosen if name not in WORKLOADS]:
        raise argparse.ArgumentTypeError(f"got {unknown[0]!r}, expected some of {', '.join(WORKLOADS)}")
    return chosen


def numbers(text):
    try:
        chosen = [int(word) for word in text.split(",")]
    except ValueError:
        chosen = [0]
    if min(chosen) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected numbers such as 1,2")
    return chosen


def one(options, workload, case, threads):
    """Measure one case in a process of its own. returns: its result, or why there is none."""
    start = time.perf_counter()
    given = options.kernels == "given"
    environment = {**(os.environ if given else machine.own_kernels()), **dict.fromkeys(THREAD_VARIABLES, str(threads))}
    if threads == 1:
        environment["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "result.json"
        command = [sys.executable, "-m", "tests.bench", "--only", workload, "--case", case, "--json", str(found),
                   "--threads", str(threads), *(["--quick"] if options.quick else [])]
        command += [word for name in options.skip for word in ("--skip", name)]
        command += ["--pytorch-ntm", str(options.pytorch_ntm.resolve())] if options.pytorch_ntm else []
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        last = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        result = json.loads(found.read_text()) if done.returncode == 0 else {"error": last}
    result = {"workload": workload, "case": case, "threads": threads, "load": os.getloadavg()[0],
              "kernels": machine.given_kernels() if given else ""} | result
    print(f"{workload:<12}{case:<36}{threads} thread{'s' * (threads > 1)} {time.perf_counter() - start:6.1f} s  "
          f"{table.line(result)}", flush=True)
    return result


def measure(options):
    """In a process of its own, which has not imported NumPy yet: run one case and write what it found."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-options.threads[0]:])
    workload = importlib.import_module(f"tests.bench.{options.only[0]}")
    choice = SimpleNamespace(quick=options.quick, skip=options.skip, pytorch_ntm=options.pytorch_ntm)
    try:
        result = workload.run(options.case, choice)
    except machine.Missing as missing:
        result = {"missing": str(missing)}
    except ModuleNotFoundError as missing:
        if missing.name not in machine.PACKAGES:
            raise
        result = {"missing": f"{missing.name} is not installed"}
    options.json.write_text(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
