"""Makes the weights that the checkout ships, from a run that has ended: `python -m tasks.ship runs/...`.

Of the last checkpoint only the model is taken, with the config, what the training cost, and the command.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tinyaug.train import checkpoint


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
    return path


if __name__ == "__main__":
    for run in sys.argv[1:]:
        print(ship(Path(run)))
