"""Many runs in one table: counted, medians and ranges right, and what is no run told in one line."""

import json

import pytest

from tasks.__main__ import main
from tasks.summary import summary

pytestmark = pytest.mark.host            # reads files


def result(seed, error, seconds, model="lstm"):
    return {"task": "parity", "model": model, "seed": seed, "steps": 1000 * seed, "seconds": seconds,
            "metrics": {"error": error, "loss": 2 * error}, "by_length": [{"length": 5, "kind": "odd", "error": error / 2}],
            "target": {"error": {"value": error, "bound": 0.1, "reached": error <= 0.1}}}


RESULTS = [result(3, 0.5, 70.5), result(1, 0.05, 50.0), result(2, 0.1, 60.0), result(9, 0.0, 1.0, "rnn")]


def test_runs_are_grouped_counted_and_summed_up():
    first, second = summary(RESULTS).split("\n\n")
    lines = {line[:12].strip(): line.split() for line in first.splitlines()}
    assert first.startswith("parity lstm: 2 of 3 reached every bar; seeds 1, 2, 3\n")
    assert second.startswith("parity rnn: 1 of 1 reached every bar; seeds 9\n")
    assert lines["steps"][1:] == ["2,000", "1,000", "3,000", "3"]
    assert lines["seconds"][1:] == ["60", "50", "70.5", "3"]
    assert lines["error"][1:] == ["0.1", "0.05", "0.5", "3", "0.1", "2"]
    assert lines["loss"][1:] == ["0.2", "0.1", "1", "3"]
    assert lines["error at odd"][4:] == ["0.05", "0.025", "0.25", "3"]


def test_a_folder_or_its_file_is_a_run(tmp_path, capsys):
    for i, found in enumerate(RESULTS[:2]):
        (tmp_path / str(i)).mkdir()
        (tmp_path / str(i) / "result.json").write_text(json.dumps(found))
    assert main(["summary", str(tmp_path / "0"), str(tmp_path / "1" / "result.json")]) == 0
    assert capsys.readouterr().out.rstrip() == summary(RESULTS[:2])


@pytest.mark.parametrize("text", [None, "{", ""])
def test_what_is_no_run_is_told_in_one_line(text, tmp_path, capsys):
    if text is not None:
        (tmp_path / "result.json").write_text(text)
    assert main(["summary", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "result.json" in said and "a run that has ended leaves" in said
