"""WikiTableQuestions by the command line: a small release is trained on and measured, and what is wrong with one is told."""

import json
from pathlib import Path

import numpy as np
import pytest

from tasks import tables as task
from tasks import wiki
from tasks.__main__ import main
from tasks.runner import shipped
from tests.tasks.releases import small_release
from tests.tasks.test_tasks import first_step
from tinyaug import no_grad

WEIGHTS = Path(task.__file__).parent / "weights"
RELEASE = Path("../shared/data/wikitq/wikitq_train_and_tables.tar.xz")

pytestmark = pytest.mark.host            # the command line chooses the device itself


@pytest.fixture
def release(tmp_path):
    return small_release(tmp_path)


@pytest.mark.slow
def test_a_small_release_is_learned(release, tmp_path, capsys):
    """In 60 steps: all questions of tables that were not trained on, which neither baseline answers."""
    out = tmp_path / "run"
    code = main(["tables", "--data", str(release), "--out", str(out), "--seed", "1", "--set", "steps=60", "--set", "width=8",
                 "--set", "validate_every=30", "--set", "hidden=8", "--set", "rate=0.02", "--set", "dropout=0", "--quiet"])
    found = json.loads((out / "result.json").read_text())
    assert code == 0 and found["model"] == "wiki" and found["metrics"]["accuracy"] == 1.0
    assert found["metrics"]["reachable"] == 1.0 and found["reached"]
    assert max(found["metrics"]["majority"], found["metrics"]["look_up"]) <= 0.5
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra `tasks`)")
    assert (out / "figures" / "choices.png").stat().st_size > 5000


def test_a_step_is_the_same_on_the_strict_device_and_waits_for_nothing(release):
    loss, gradients, _ = first_step("tables", "wiki", "cpu", str(release))
    again, same, waits = first_step("tables", "wiki", "strict", str(release))
    assert waits == 0 and np.isfinite(loss) and loss.tobytes() == again.tobytes()
    assert all(gradient.tobytes() == same[key].tobytes() for key, gradient in gradients.items()) and len(gradients) > 10


def test_a_table_is_either_trained_on_or_validated_on(release):
    fitted, kept = wiki.parts(str(release))
    tables = [{asked.table for asked, *_ in part} for part in (fitted, kept)]
    assert not tables[0] & tables[1] and [len(part) for part in tables] == [22, 3]
    assert all(len(example.right) for *_, example in fitted)


@pytest.mark.parametrize("arguments, says", [
    (["--model", "wiki"], "--model wiki: got no --data, expected a release of WikiTableQuestions"),
    (["--model", "one-column", "--data", "{release}"], "not with --model one-column, which draws its tables"),
    (["--data", "{release}/WikiTableQuestions/csv"], "expected a release of WikiTableQuestions"),
    (["--data", "{release}", "--set", "dropout=1"], "dropout: got 1.0, expected 0 or more, below 1"),
    (["--data", "{release}", "--model", "wiki", "--set", "hidden=0"], "hidden: got 0, expected at least 1"),
])
def test_what_cannot_be_is_one_line_and_code_2(arguments, says, release, capsys, tmp_path):
    assert main(["tables", "--out", str(tmp_path / "run"), *(part.format(release=release) for part in arguments)]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


def test_a_ragged_table_of_the_release_is_told(release, capsys, tmp_path):
    path = release / "WikiTableQuestions" / "csv" / "1-csv" / "0.csv"
    path.write_text('"Team","Points"\n"Rome"\n')
    assert main(["tables", "--data", str(release), "--out", str(tmp_path / "run"), "--steps", "2"]) == 2
    error = capsys.readouterr().err
    assert "csv/1-csv/0.csv: row 2: expected 2 columns, got 1" in error and error.count("\n") == 1


@pytest.mark.slow
def test_shipped_weights_do_what_the_page_says():
    """On 200 questions of the development part: the page tells of all."""
    if not RELEASE.exists():
        pytest.skip("no ../shared/data/wikitq on this machine")
    for cached in (wiki.release, wiki.examples):
        cached.cache_clear()
    model, config, _ = shipped(task.TASK, "wiki", WEIGHTS, data=RELEASE)
    source, grids, test = wiki.release(str(RELEASE)), {}, []
    for asked in source.questions(wiki.TEST)[::14]:
        grid = grids.setdefault(asked.table, wiki.programs.Grid(source.table(asked.table)))
        test.append((asked, grid, wiki.programs.prepare(grid, asked, search=False)))
    with no_grad():
        assert wiki.accuracy(model, config, test) > 0.3
