"""The pages of the programmer's tasks have the recipes and the bars that run."""

import re
from pathlib import Path

import pytest

from tasks.__main__ import load, names

DOCS = Path(__file__).resolve().parents[2] / "docs"
TASKS = [name for name in ("arithmetic", "interpret", "tables") if name in names()]

pytestmark = pytest.mark.host            # reads files


@pytest.mark.parametrize("name", TASKS)
def test_the_recipe_that_is_printed_is_the_recipe_that_runs(name):
    models = load(name).models
    keys = dict.fromkeys(key for recipe in models.values() for key in recipe)
    rows = [[key, *(str(recipe.get(key, "-")) for recipe in models.values())] for key in keys]
    recipe = (DOCS / f"{name}.md").read_text().partition("## The recipe")[2].partition("## Results")[0]
    found = [row.strip("| ").split(" | ") for row in recipe.splitlines() if row.startswith("| `")]
    assert [[row[0].strip("`"), *row[1:-1]] for row in found] == rows and all(row[-1] for row in found)
    head = next(line for line in recipe.splitlines() if line.startswith("| setting"))
    assert re.findall(r"`([\w-]+)`", head) == list(models)


def test_every_bar_is_on_its_page():
    from tasks import arithmetic
    bars = arithmetic.targets({}, {"metrics": {"exact": 1.0, "correct_program": 1.0}})
    text = (DOCS / "arithmetic.md").read_text()
    assert all(f"| `{name}`: " in text and f"at least {bar['bound']}" in text for name, bar in bars.items())
