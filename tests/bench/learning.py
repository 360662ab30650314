"""Seconds of training until the NTM has learned to copy, by the task's own recipe, for 10 seeds.

Learned is under 0.05 bits a sequence at length 20, lengths 1 to 20 trained, as the target says: found by
validations on 100 sequences, every 100 steps. The task itself goes on for longer, until it is sure.

Minutes a seed where it does not learn, so it runs only when it is asked for: `--only learning`.
"""

import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

SEEDS = 10                 # 31 to 40: none that a recipe was chosen on
MINUTES = 3


def run(case, options):
    seconds = []
    for seed in range(31, 32 if options.quick else 31 + SEEDS):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "run"
            limit = ["--steps", "2"] if options.quick else ["--minutes", str(MINUTES)]
            command = [sys.executable, "-m", "tasks", "copy", "--seed", str(seed), "--out", str(out), "--quiet", *limit,
                       "--set", "validate_every=100", "--set", "enough=0.05", "--set", "proof=5"]
            subprocess.run(command, check=True, capture_output=True)
            seconds.append(json.loads((out / "result.json").read_text())["seconds_to_target"])
    learned = [s for s in seconds if s is not None]
    return {"unit": "s", "times": {"tinyaug": [math.inf if s is None else s for s in seconds]},
            "note": f"{len(learned)} of {len(seconds)} seeds"}
