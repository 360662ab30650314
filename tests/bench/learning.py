"""Seconds of training until the NTM has learned to copy, by the task's own recipe, for 10 seeds.

Learned is what the task itself stops at: under 0.01 bits and every sequence right at length 20, which is more than the
0.05 bits of the target.

Minutes a seed where it does not learn, so it runs only when it is asked for: `--only learning`.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

SEEDS = 10
MINUTES = 3


def run(case, options):
    seconds = []
    for seed in range(1, 2 if options.quick else SEEDS + 1):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "run"
            limit = ["--steps", "2"] if options.quick else ["--minutes", str(MINUTES)]
            command = [sys.executable, "-m", "tasks", "copy", "--seed", str(seed), "--out", str(out), "--quiet", *limit]
            subprocess.run(command, check=True, capture_output=True)
            seconds.append(json.loads((out / "result.json").read_text())["seconds_to_target"])
    learned = [s for s in seconds if s is not None]
    return {"unit": "s", "times": {"tinyaug": learned}, "seeds": len(seconds)}
