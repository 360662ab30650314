"""The benchmark at tiny sizes: everything runs, gradients are equal, and who differs is refused. No time is asserted."""

import importlib
import json
from types import SimpleNamespace

import numpy as np
import pytest

from tests.bench import machine, ntm, page, table, tape
from tests.bench.__main__ import WORKLOADS, main
from tests.bench.measure import Contender, Unequal, check, compare, interleave
from tinyaug.record.passes import PASSES

pytestmark = pytest.mark.host
QUICK = SimpleNamespace(quick=True, skip=[], pytorch_ntm=None)


def gradient(*numbers):
    return lambda: {"weight": np.array(numbers)}


@pytest.mark.oracle
@pytest.mark.parametrize("workload, case", [
    *[("chains", case) for case in WORKLOADS["chains"]],
    ("lstm", "batch 2"), ("ntm", "batch 2"), ("seq2seq", "batch 2"), ("transformer", "T32 d64"),
    ("ntm_peers", "HIPS autograd, batch 2"),
])
def test_gradients_are_equal_and_everybody_is_timed(workload, case):
    pytest.importorskip("torch", reason="PyTorch is not installed (extra `oracle`)")
    pytest.importorskip("autograd", reason="HIPS autograd is not installed (extra `test`)")
    found = importlib.import_module(f"tests.bench.{workload}").run(case, QUICK)
    assert "tinyaug recorded" in found["gradients"].keys() == found["times"].keys()
    assert max(found["gradients"].values()) < 1e-4
    assert all(len(times) == 2 for times in found["times"].values())


def test_ours_eager_and_recorded_are_equal_without_pytorch():
    config = ntm.sizes(QUICK)
    found = compare(ntm.ours(config, *ntm.data(config, 2)), quick=True)
    assert found["gradients"]["tinyaug recorded"] < 1e-5


def test_each_pass_is_left_out_once():
    found = importlib.import_module("tests.bench.passes").run("batch 2", QUICK)
    assert max(found["gradients"].values()) < 1e-4 and found["steps"]["all passes"] < found["steps"]["no pass"]
    rows = table.passes([{"workload": "passes", "case": "batch 2", **found}]).splitlines()[2:]
    assert len(rows) == len(PASSES) + 4 and all(one.__name__ in "".join(rows) for one in PASSES)


def test_each_technique_of_the_tape_is_left_out_once():
    found = tape.run("batch 2", QUICK)
    assert len(found["times"]) == 3 and max(found["gradients"].values()) < 1e-4
    text = table.techniques([{"workload": "tape", "case": "batch 2", **found}])
    assert "products of a weight at once" in text and "gradients of small leaves at once" in text


def test_a_seed_that_did_not_learn_counts():
    seconds = [10.0, float("inf"), float("inf")]
    learning = {"workload": "learning", "case": "copy", "threads": 1, "unit": "s", "times": {"tinyaug": seconds},
                "note": "1 of 3 seeds"}
    row = table.targets([learning])
    assert "copy learned, one core, 1 of 3 seeds" in row and "MISSED" in row


@pytest.mark.parametrize("case, rows", [("LSTM, batch 2", 3), ("NTM T=120, batch 2", 2)])
def test_passes_are_left_out_where_they_pay(case, rows):
    found = importlib.import_module("tests.bench.passes").run(case, QUICK)
    assert len(found["times"]) == len(found["bytes"]) == rows and max(found["gradients"].values()) < 1e-4


@pytest.mark.parametrize("wrong", [
    gradient(1.0, 2.1), gradient(1.0, float("nan")), gradient(1.0), lambda: {"bias": np.ones(2)},
], ids=["another value", "NaN", "another shape", "another name"])
def test_who_differs_is_refused_before_anything_is_timed(wrong):
    calls = []
    with pytest.raises(Unequal, match="other"):
        compare([Contender("right", gradient(1.0, 2.0)), Contender("other", lambda: calls.append(0) or wrong())])
    assert len(calls) == 1


def test_rounding_is_not_a_difference():
    assert check([Contender("a", gradient(1.0, 2.0)), Contender("b", gradient(1.0, 2.0001))])["b"] == pytest.approx(5e-5)


def test_blocks_are_interleaved():
    order = []
    times = interleave({name: lambda name=name: order.append(name) for name in "AB"}, block=2, rounds=3, seconds=1)
    assert "".join(order[-12:]) == "AABB" * 3
    assert [len(t) for t in times.values()] == [3, 3]


def results():
    """Two cases in which ours is twice as fast as PyTorch and half as fast as somebody else."""
    times = {"PyTorch, a head at a time": [4.0, 8.0, 4.4], "jax.jit": [1.0, 2.0, 1.1], "tinyaug recorded": [2.0, 4.0, 2.2]}
    return [{"workload": "ntm", "case": f"batch {b}", "threads": 1, "unit": "ms a step", "times": times} for b in (1, 16)]


def test_a_ratio_is_taken_within_a_round():
    target = next(t for t in table.TARGETS if t.label == "NTM copy step, recorded")
    assert table.value(target, results()[0]) == 2.0
    assert table.verdict(target, [6.0, 9.0, None]) == "least / aim / -"
    assert table.verdict(target, [5.9, 3.5, 2.0]) == "MISSED / least / least"


def test_the_table_says_where_others_are_faster():
    assert [row[4:] for row in table.lost(results())] == [["jax.jit", "0.50"]] * 2
    assert "2 / 2 / -" in table.text(results())


def test_settings_stand_apart_and_what_was_not_measured_has_no_row():
    forced = [{**r, "kernels": "OPENBLAS_CORETYPE=Haswell", "threads": 2} for r in results()]
    found = table.settings([*forced, *results()])
    assert list(found) == ["1 thread", "2 threads, OPENBLAS_CORETYPE=Haswell"] and found["1 thread"] == results()
    assert "NTM copy step" in table.targets(forced) and "LSTM" not in table.targets(forced)


def test_libraries_choose_their_kernels_themselves(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert "OPENBLAS_CORETYPE" not in machine.own_kernels() and machine.given_kernels() == "OPENBLAS_CORETYPE=Haswell"
    assert machine.describe()["set here"].startswith("OPENBLAS_CORETYPE=Haswell")
    for name in machine.KERNELS:
        monkeypatch.delenv(name, raising=False)
    assert machine.given_kernels() == "" and "set here" not in machine.describe()


def test_every_target_names_a_case_that_is_measured():
    for target in table.TARGETS:
        assert set(target.cases) <= set(WORKLOADS[target.workload])
        assert len(target.least) == len(target.aim) in (0, len(target.cases))


def test_the_page_holds_the_measured_numbers_and_what_was_left_out():
    left_out = {"workload": "ntm_peers", "case": "jax.jit, batch 1", "threads": 1, "missing": "jax is not installed"}
    text = page.page({"machine": {"processor": "a processor"}, "quick": False, "results": [*results(), left_out]})
    for words in ("a processor", "| 2 / 2 / - ", "4.2 to 6.2", "jax.jit, batch 1: jax is not installed"):
        assert words in text


@pytest.mark.oracle
def test_the_command_measures_in_processes_of_their_own_and_writes_json(tmp_path, capsys):
    pytest.importorskip("torch", reason="PyTorch is not installed (extra `oracle`)")
    found = tmp_path / "bench.json"
    assert main(["--only", "lstm", "--quick", "--json", str(found)]) == 0
    document = json.loads(found.read_text())
    assert [r["case"] for r in document["results"]] == WORKLOADS["lstm"]
    assert document["machine"]["numpy"] == np.__version__
    assert "LSTM T=100, recorded" in capsys.readouterr().out


@pytest.mark.parametrize("arguments, said", [
    (["--only", "gru"], "'gru'"), (["--threads", "0"], "1,2"), (["--pytorch-ntm", "nowhere"], "checkout"),
    (["--page", "--json", "nowhere.json"], "measure first"),
])
def test_a_wrong_option_is_named(arguments, said, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert said in capsys.readouterr().err
