"""docs/attention-tasks.md and docs/seeing.md have the recipes and the bars that run."""

import re
from pathlib import Path

import pytest

from tasks.__main__ import listing, load

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = "\n".join((DOCS / name).read_text() for name in ("attention-tasks.md", "seeing.md"))
METRICS = {
    "translate": ["exact_dates", "exact_numbers", "places_dates", "places_numbers"],
    "sequence": ["exact_copy", "exact_reverse", "exact_sort", "exact_addition"],
    "spell": ["exact", "phone_error_rate", "word_error_rate"],
    "pointer": ["exact", "exact_5", "area", "over_optimum_5", "over_optimum_10"],
    "listen": ["character_error_rate", "monotone", "word_error_rate"],
    "caption": ["exact", "on_object"],
    "judge": ["exact"],
}

pytestmark = pytest.mark.host            # reads files


def section(name):
    return PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("name", METRICS)
def test_the_recipes_of_the_page_are_those_that_run(name):
    models = load(name).models
    told = section(name)
    header, _, *rows = re.match(r"(\|.*\n)+", told[told.index("| setting |"):])[0].splitlines()
    assert re.findall(r"`([\w-]+)`", header) == list(models)
    keys = dict.fromkeys(key for recipe in models.values() for key in recipe)
    found = [[cell.strip() for cell in row.strip("|").split("|")][:-1] for row in rows]
    assert found == [[f"`{key}`", *(str(recipe.get(key, "-")) for recipe in models.values())] for key in keys]


@pytest.mark.parametrize("name", METRICS)
def test_what_the_list_of_tasks_tells_is_on_the_page(name):
    found = load(name).found
    numbers = re.findall(r"\d of \d|\d[\d.]* %|\d\.\d+", " ".join(found))
    assert listing([load(name)]).count("found") == len(found) > 0 < len(numbers)
    assert [number for number in numbers if number not in section(name)] == []


@pytest.mark.parametrize("name", METRICS)
def test_the_bars_of_the_page_are_those_that_a_run_is_held_to(name):
    task = load(name)
    bounds = {}
    for model in task.models:
        for data in (None, "file") if task.data else (None,):
            result = {"metrics": dict.fromkeys(METRICS[name], 0.5), "seconds": 1.0}
            for key, bar in task.targets({"model": model, "data": data}, result).items():
                bounds.setdefault(key, set()).add(bar["bound"])
    table = [line.split("|") for line in section(name).splitlines() if line.startswith("|")]
    assert bounds.pop("seconds") == {900.0} and "at most 900 seconds" in PAGE.partition("## translate")[0]
    for key, values in bounds.items():
        rows = [row for row in table if f"`{key}`" in row[1]]
        numbers = {float(number) for row in rows for number in re.findall(r"\d+(?:\.\d+)?", row[2])}
        assert rows and values <= numbers, f"{key}: {values} in {rows}"
