"""Where the records of other systems lie: beside the checkout, or where TINYAUG_DATA says."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def golden(name):
    """The path of a record; skips the test, with the reason, where it is absent."""
    folder = Path(os.environ.get("TINYAUG_DATA", ROOT.parent / "shared" / "data"))
    path = folder / "golden" / name
    if not path.exists():
        pytest.skip(f"{name} is not beside the checkout; TINYAUG_DATA may name the folder that holds golden/{name}")
    return path
