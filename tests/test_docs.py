"""Every page of docs/ is run: its python blocks in order, in one namespace; a text block is what was just printed."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from tinyaug import OPS

DOCS = Path(__file__).resolve().parents[1] / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#]+)(#[^)]*)?\)")

pytestmark = pytest.mark.host            # what a page prints is what a first visit shows: on the host


def blocks(page):
    """[(language, code, number of its first line)] of a page, or of its text."""
    text = page if isinstance(page, str) else page.read_text()
    return [(found[1], found[2], text.count("\n", 0, found.start()) + 2) for found in BLOCK.finditer(text)]


def execute(page, name="page"):
    """Run a page. returns: [(printed, what the text block after it says or None, line)] for each python block."""
    namespace, results = {"__name__": name}, []
    for language, code, line in blocks(page):
        if language == "python":
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(compile("\n" * (line - 1) + code, name, "exec"), namespace)
            results.append([printed.getvalue(), None, line])
        elif language == "text":
            assert results and results[-1][1] is None, f"{name}, line {line}: a text block without code before it"
            results[-1][1] = code
    return results


@pytest.fixture
def tidy(monkeypatch):
    """What a page registers or sets is gone after it."""
    ops = dict(OPS)
    with np.printoptions():
        yield
    OPS.clear()
    OPS.update(ops)


def check_page(page, name):
    for printed, said, line in execute(page, name):
        assert printed == (said or ""), f"{name}, line {line}: this code prints\n{printed}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_runs_and_prints_what_it_says(page, tidy):
    check_page(page, page.name)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_is_plain_and_its_links_lead_somewhere(page):
    text = page.read_text()
    assert text.isascii() and text.startswith("# ") and text.endswith("\n")
    assert {language for language, _, _ in blocks(page)} <= {"python", "text", "sh"}
    for target, _ in LINK.findall(text):
        assert target.startswith("https://") or (page.parent / target).exists(), target


def test_every_page_is_on_the_map():
    linked = {target for target, _ in LINK.findall((DOCS / "index.md").read_text())}
    assert {page.relative_to(DOCS).as_posix() for page in PAGES} - {"index.md"} <= linked


def test_commands_name_tasks_and_settings_that_exist():
    """A `python -m tasks` line of a page parses, settings and all."""
    from tasks.__main__ import load, names, parser
    found = 0
    for page in PAGES:
        for language, code, _ in blocks(page):
            for line in code.replace("\\\n", " ").splitlines() if language == "sh" else ():
                words = shlex.split(line, comments=True)
                if words[:3] == ["python", "-m", "tasks"] and len(words) > 3 and "--help" not in words:
                    assert words[3] in names()
                    task = load(words[3])
                    options = parser(task).parse_args(words[4:])
                    task.settings(options.model or next(iter(task.models)), options.set)
                    found += 1
    assert found


def test_the_page_of_the_copy_task_has_the_recipe_and_the_bars_that_run():
    from tasks import copy
    page = (DOCS / "copy.md").read_text()
    keys = dict.fromkeys(key for recipe in copy.MODELS.values() for key in recipe)
    rows = [[key, *(str(recipe.get(key, "-")) for recipe in copy.MODELS.values())] for key in keys]
    found = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \| ", page.partition("## The recipe")[2], re.MULTILINE)
    assert [list(row) for row in found] == rows
    result = {"metrics": {"bits_per_sequence": 0.0}, "seconds": 0.0,
              "by_length": [{"length": n, "sequence_accuracy": 1.0, "bit_error_rate": 0.0} for n in copy.LENGTHS]}
    bars = re.findall(r"^\| `(\w+)`: [^|]*\| (?:at most )?([\d.]+) \|$", page, re.MULTILINE)
    assert [(name, float(bound)) for name, bound in bars] == [
        (name, bar["bound"]) for name, bar in copy.targets({}, result).items()]


def test_the_readme_names_files_that_exist_and_commands_that_are_there():
    text = (DOCS.parent / "README.md").read_text()
    assert text.isascii() and all((DOCS.parent / target).exists() for target, _ in LINK.findall(text))
    commands = [line.split("#")[0].split() for line in text.splitlines() if line.startswith("    python3 ")]
    assert [words[1:] for words in commands] == [["tasks/start.py", "copy"], ["tests/start.py"]]


GOOD = "# Page\n\n```python\nx = 2\n```\n\n```python\nprint(x + 1)\n```\n\n```text\n3\n```\n"


def test_the_runner_itself(tidy):
    """It shares a namespace between blocks, and finds a wrong number, a missing one and an error, with the line."""
    check_page(GOOD, "good")
    with pytest.raises(AssertionError, match=r"line 8: this code prints\n\s*3"):
        check_page(GOOD.replace("\n3\n", "\n4\n"), "wrong")
    with pytest.raises(AssertionError, match="line 8"):
        check_page(GOOD.rpartition("```text")[0], "silent")
    with pytest.raises(AssertionError, match="without code before it"):
        check_page("# Page\n\n```text\n3\n```\n", "alone")
    with pytest.raises(ZeroDivisionError):
        check_page("# Page\n\n```python\n1 / 0\n```\n", "broken")
