"""The command line, by a throw-away task: runs, resumes, refusals, in real processes with real files."""

import importlib.util
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tasks.ship import ship
from tinyaug.strict import count_synchronisations
from tinyaug.train import checkpoint

pytestmark = pytest.mark.host            # the command line chooses the device itself

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default"}


def command(*arguments):
    return [sys.executable, str(ROOT / "tests/tasks/line.py"), "line", *map(str, arguments)]


def process(folder, *arguments):
    """Run to the end: what subprocess.run returns."""
    return subprocess.run(command(*arguments), cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)


def good(folder, *arguments):
    done = process(folder, *arguments)
    assert done.returncode == 0, done.stderr
    return done


def refused(done):
    """The one line of a refusal."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == "" and done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture
def line(monkeypatch):
    """The command line in this process: for what needs no process of its own."""
    monkeypatch.syspath_prepend(str(ROOT / "tests/tasks"))
    return importlib.import_module("line").line


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(folder, what was printed) of a run of 60 steps; not to be changed."""
    folder = tmp_path_factory.mktemp("finished")
    return folder, good(folder, "--out", "run").stdout


def read(path):
    return json.loads(path.read_text())


def without_times(result):
    return {key: value for key, value in result.items() if not key.startswith("seconds")}


def final(folder):
    """The newest checkpoint: its arrays as bytes, and where the generators stand."""
    _, arrays, meta = checkpoint.newest_valid(folder)
    return {name: array.tobytes() for name, array in arrays.items()}, meta["rngs"], meta["step"]


def test_a_run_folder_holds_what_the_design_says(finished):
    folder, printed = finished[0] / "run", finished[1]
    result = read(folder / "result.json")
    assert set(result) == {"task", "model", "seed", "steps", "sequences", "seconds", "seconds_to_target",
                           "parameters", "device", "dtype", "metrics", "by_length", "target", "reached"}
    assert (result["task"], result["model"], result["seed"]) == ("line", "line", 1)
    assert (result["steps"], result["sequences"], result["parameters"]) == (60, 240, 2)
    assert (result["device"], result["dtype"], result["seconds_to_target"]) == ("cpu", "float32", None)
    assert [row["length"] for row in result["by_length"]] == [1, 2]
    assert result["target"]["error"]["reached"] is True and result["reached"] is True
    config = read(folder / "config.json")
    assert config["rate"] == 0.05 and config["lengths"] == [1, 2] and config["seed"] == 1
    assert read(folder / "environment.json")["numpy"] == np.__version__
    assert (folder / "figures/line.txt").read_text().endswith("3 points")
    for path in ("run/result.json", "run/figures/line.txt"):
        assert path in printed
    assert "length" in printed and "target error" in printed


def test_progress_comes_in_lines_and_quiet_says_nothing(tmp_path):
    told = good(tmp_path, "--set", "pause=0.03", "--steps", 40)
    assert "\r" not in told.stderr and re.search(r"step \d+/40 .*loss .*left", told.stderr)
    assert (tmp_path / "runs/line-line-seed1/result.json").exists()
    quiet = good(tmp_path, "--seed", 2, "--steps", 5, "--quiet")
    assert quiet.stdout == quiet.stderr == ""


def test_training_ends_where_validation_says_done(tmp_path):
    good(tmp_path, "--out", "run", "--set", "enough=10", "--set", "validate_every=7")
    result = read(tmp_path / "run/result.json")
    assert result["steps"] == 7 and result["seconds_to_target"] == result["seconds"] > 0


def test_a_resumed_run_is_the_run_that_was_left_alone(tmp_path, finished):
    good(tmp_path, "--out", "run", "--steps", 27)
    good(tmp_path, "--out", "run", "--resume")
    ours, theirs = tmp_path / "run", finished[0] / "run"
    assert final(ours) == final(theirs)
    assert (ours / "metrics.jsonl").read_bytes() == (theirs / "metrics.jsonl").read_bytes()
    assert without_times(read(ours / "result.json")) == without_times(read(theirs / "result.json"))


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_it_and_the_printed_command_goes_on(tmp_path, finished, number, code):
    running = subprocess.Popen(command("--out", "run", "--set", "pause=0.02"), cwd=tmp_path, env=ENVIRONMENT,
                               stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    wait_for(tmp_path / "run/config.json")
    time.sleep(0.3)
    running.send_signal(number)
    _, told = running.communicate(timeout=20)
    assert running.returncode == code
    printed = re.search(r"python -m tasks line (.*--resume.*)", told)[1]
    assert not (tmp_path / "run/result.json").exists()
    good(tmp_path, *printed.split())
    assert final(tmp_path / "run")[0] == final(finished[0] / "run")[0]


def wait_for(path):
    until = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < until, f"{path} did not come"
        time.sleep(0.01)


def test_two_runs_in_one_folder_are_refused(tmp_path, finished):
    told = refused(process(finished[0], "--out", "run"))
    assert "holds a run already" in told
    running = subprocess.Popen(command("--out", "run", "--set", "pause=0.1"), cwd=tmp_path, env=ENVIRONMENT,
                               stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        wait_for(tmp_path / "run/config.json")
        for extra in ([], ["--resume"]):
            assert str(running.pid) in refused(process(tmp_path, "--out", "run", *extra))
    finally:
        running.kill()
        running.wait()
    good(tmp_path, "--out", "run", "--resume", "--steps", 1)        # the lock of the dead bars no one


BAD = [
    (["--seed", "x"], "--seed: got 'x', expected a whole number of at least 0"),
    (["--seed", "-1"], "--seed: got '-1'"),
    (["--steps", "0"], "--steps: got '0', expected a whole number of at least 1"),
    (["--steps", "1.5"], "--steps: got '1.5'"),
    (["--minutes", "nan"], "--minutes: got 'nan', expected a number"),
    (["--minutes", "-1"], "--minutes: got '-1'"),
    (["--model", "lime"], "--model: invalid choice: 'lime'"),
    (["--device", "tpu"], "--device: invalid choice: 'tpu' (choose from"),
    (["--sed", "1"], "unrecognized arguments: --sed 1"),
    (["--seed"], "--seed: expected one argument"),
    (["--set", "ratte=1"], "--set ratte=1: got key 'ratte', expected key=value with one of steps, batch"),
    (["--set", "rate"], "--set rate: got key 'rate', expected key=value"),
    (["--set", "rate=fast"], "--set rate: got 'fast', expected a finite number, such as 0.05"),
    (["--set", "rate=inf"], "--set rate: got 'inf'"),
    (["--set", "rate=2"], "--set rate: got 2.0, expected more than 0 and at most 1"),
    (["--set", "batch=0"], "--set batch=0: expected at least 1"),
    (["--set", "batch=1.5"], "--set batch: got '1.5', expected a whole number"),
    (["--set", "lengths=1,x"], "--set lengths: got 'x', expected a whole number"),
    (["--set", "shout=maybe"], "--set shout: got 'maybe', expected true or false"),
    (["--data", "numbers.txt"], "--data numbers.txt: line draws its data and reads no file"),
    (["--resume"], "--resume: runs/line-line-seed1 holds no run"),
    (["--trace", "no/where.npz"], "--trace no/where.npz: got no folder no"),
    (["--trace", "."], "--trace .: got a folder"),
    (["--out", "file"], "--out file: got a file"),
    (["--out", "file/run"], "--out file/run: got a file"),
    (["--pretrained", "--resume"], "--resume: not together with --pretrained"),
    (["--pretrained", "--steps", "5"], "--steps: not together with --pretrained"),
    (["--pretrained", "--set", "rate=1"], "--set: not together with --pretrained"),
    (["--pretrained"], "--pretrained: no weights of model line are shipped"),
]


@pytest.mark.parametrize("arguments, told", BAD, ids=[" ".join(row[0]) for row in BAD])
def test_a_bad_option_is_one_line(line, arguments, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert line(["line", *arguments]) == 2
    out, err = capsys.readouterr()
    assert told in err and err.count("\n") == 1 and out == ""
    assert os.listdir(tmp_path) == ["file"]     # nothing was begun


def test_an_unknown_task_is_one_line(line, capsys):
    assert line(["lime"]) == 2
    assert capsys.readouterr().err == "tasks: got task 'lime', expected one of line\n"


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="CuPy is here")
def test_a_device_that_is_not_there_is_one_line(tmp_path):
    told = refused(process(tmp_path, "--device", "cuda"))
    assert "--device cuda: CuPy is not installed" in told and "--device cpu" in told
    assert os.listdir(tmp_path) == []


def test_a_resume_with_another_config_is_refused(tmp_path, finished):
    told = refused(process(finished[0], "--out", "run", "--resume", "--set", "rate=0.06"))
    assert "rate: got 0.06, expected 0.05" in told
    assert "seed: got 2, expected 1" in refused(process(finished[0], "--out", "run", "--resume", "--seed", 2))


def test_a_corrupted_checkpoint_costs_the_steps_since_the_one_before(tmp_path, finished):
    good(tmp_path, "--out", "run", "--steps", 20)
    good(tmp_path, "--out", "run", "--resume", "--steps", 40)
    flip(checkpoint.checkpoints(tmp_path / "run")[-1])
    told = good(tmp_path, "--out", "run", "--resume").stderr
    assert re.search(r"^warning: run/checkpoint-0000040.npz: .*SHA-256", told, re.MULTILINE)
    assert final(tmp_path / "run")[0] == final(finished[0] / "run")[0]
    for path in checkpoint.checkpoints(tmp_path / "run"):
        path.write_bytes(path.read_bytes()[:-1])
    done = process(tmp_path, "--out", "run", "--resume")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "checkpoints is good" in done.stderr.splitlines()[-1]


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_shipped_weights_are_evaluated_without_training(tmp_path, finished):
    path = ship(finished[0] / "run", tmp_path / "weights")
    assert checkpoint.load(path).meta["command"] == "python -m tasks line --model line --seed 1"
    good(tmp_path, "--pretrained", "--trace", "trace.npz")
    good(tmp_path, "--pretrained")      # again, in the same folder
    folder = tmp_path / "runs/line-line-pretrained-seed1"
    trained, shipped = read(finished[0] / "run/result.json"), read(folder / "result.json")
    assert shipped == trained
    assert (folder / "figures/line.txt").exists()
    with np.load(tmp_path / "trace.npz") as trace:
        assert sorted(trace.files) == ["slope", "x"] and trace["x"].shape == (3,)
    good(tmp_path, "--pretrained", "--seed", 2, "--out", "other")
    assert read(tmp_path / "other/result.json")["metrics"] != trained["metrics"]
    flip(path)
    assert "SHA-256" in refused(process(tmp_path, "--pretrained"))


def test_pretrained_leaves_a_trained_run_alone(tmp_path, finished):
    ship(finished[0] / "run", finished[0] / "weights")
    before = (finished[0] / "run/result.json").read_bytes()
    assert "holds a run already" in refused(process(finished[0], "--pretrained", "--out", "run"))
    assert (finished[0] / "run/result.json").read_bytes() == before


def test_the_strict_device_gives_the_same_bytes_and_waits_once_a_step(line, tmp_path, finished, monkeypatch):
    monkeypatch.chdir(tmp_path)
    few, many = ["line", "--device", "strict", "--quiet", "--steps"], {}
    for steps in (20, 60):
        with count_synchronisations() as waits:
            assert line([*few, str(steps), "--out", f"run{steps}", "--set", "validate_every=1000"]) == 0
        many[steps] = waits.count
    per_step = (many[60] - many[20]) / 40
    assert per_step <= 1.2      # one a step, and the log's record every 50
    assert final(tmp_path / "run60")[0] == final(finished[0] / "run")[0]


def test_a_step_that_is_not_finite_is_refused_and_named(tmp_path):
    done = process(tmp_path, "--out", "run", "--set", "break_at=7")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "step 7" in done.stderr and (tmp_path / "run/failed-step-0000007.npz").exists()


def test_a_full_disk_costs_the_exit_code_and_nothing_else(tmp_path, finished):
    good(tmp_path, "--out", "run", "--steps", 20)
    limited = f"ulimit -f 0; exec {shlex.join(command('--out', 'run', '--resume'))}"
    done = subprocess.run(["bash", "-c", limited], cwd=tmp_path, env=ENVIRONMENT, capture_output=True,
                          text=True)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    good(tmp_path, "--out", "run", "--resume")
    assert final(tmp_path / "run")[0] == final(finished[0] / "run")[0]


def test_the_real_command_line_lists_its_tasks():
    listed = subprocess.run([sys.executable, "-m", "tasks"], cwd=ROOT, capture_output=True, text=True)
    assert listed.returncode == 0, listed.stderr
    shown = subprocess.run([sys.executable, "-m", "tasks", "-h"], cwd=ROOT, capture_output=True, text=True)
    names = re.search(r"tasks: (.*)", shown.stdout)[1].split(", ")
    for name in filter(None, names):
        assert f"{name}: " in listed.stdout
    assert "python -m tasks TASK" in listed.stdout


def test_help_is_there_at_once():
    """Under 0.3 s over the interpreter with NumPy; in one try of five, for the machine may be busy."""
    def seconds(*arguments):
        start = time.perf_counter()
        subprocess.run([sys.executable, *arguments], cwd=ROOT, env=ENVIRONMENT, check=True,
                       capture_output=True)
        return time.perf_counter() - start

    for arguments in (["-m", "tasks", "--help"], ["tests/tasks/line.py", "line", "--help"]):
        assert any(seconds(*arguments) - seconds("-c", "import numpy") < 0.3 for _ in range(5))
