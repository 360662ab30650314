"""Makes the weights that the checkout ships, from a run that has ended: `python -m tasks.ship runs/...`.

Of the last checkpoint only the model is taken, with the config, what the training cost, and the command. What would be over
two megabytes is stored in numbers of 16 bits.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

from tinyaug.train import checkpoint

LIMIT = 2_000_000               # bytes


def ship(folder: Path, weights: Path = Path(__file__).parent / "weights") -> Path:
    """Write weights/TASK-MODEL.npz, or TASK-MODEL-data.npz for one on `--data`, from a finished run. returns: its path"""
    result = json.loads((folder / "result.json").read_text())
    config = json.loads((folder / "config.json").read_text())
    _, arrays, _ = checkpoint.load(checkpoint.checkpoint_path(folder, result["steps"]))
    data = config.get("data")
    meta = {
        "config": {**config, "steps": result["steps"], "data": None},
        "training": {key: result[key] for key in ("steps", "sequences", "seconds", "seconds_to_target")},
        "command": f"python -m tasks {config['task']} --model {config['model']} --seed {config['seed']}"
                   + (f" --data {Path(data).name}" if data else ""),
    }
    weights.mkdir(exist_ok=True)
    path = weights / f"{config['task']}-{config['model']}{'-data' if data else ''}.npz"
    model = {name.removeprefix("model/"): a for name, a in arrays.items() if name.startswith("model/")}
    checkpoint.save(path, model, meta)
    if path.stat().st_size >= LIMIT:
        checkpoint.save(path, {name: a.astype(np.float16) for name, a in model.items()}, meta)
    return path


if __name__ == "__main__":
    for run in sys.argv[1:]:
        print(ship(Path(run)))
