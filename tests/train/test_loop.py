"""The loop: resumes to the byte, signals, kills, full disks, progress, and what it never does."""

import json
import os
import pty
import random
import resource
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

from tests.train.program import build
from tinyaug import ops
from tinyaug.arrays import to_device
from tinyaug.autograd import Tensor
from tinyaug.nn import Linear
from tinyaug.strict import count_synchronisations
from tinyaug.train import checkpoint, loop
from tinyaug.train.checkpoint import CheckpointError
from tinyaug.train.guard import Guard, OutOfMemory
from tinyaug.train.loop import train
from tinyaug.train.optimise import RMSProp
from tinyaug.train.runs import Run


def go(folder, steps=200, resume=False, **changes):
    parts = {**build(), "quiet": True, **changes}
    with Run(folder, {"seed": 1}, resume=resume) as run:
        return train(run, **parts, steps=steps)


def start(folder, *options):
    """The same run as a process."""
    command = [sys.executable, "-m", "tests.train.program", str(folder), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ending(folder):
    """All that a run leaves, as bytes, but for the wall clock."""
    _, arrays, meta = checkpoint.newest_valid(folder)
    assert meta["position"].pop("seconds") > 0 and meta["position"].pop("wall") > 0
    del meta["position"]["logs"]["times.jsonl"]
    return ({name: array.tobytes() for name, array in arrays.items()}, json.dumps(meta, sort_keys=True),
            (folder / "metrics.jsonl").read_bytes())


def log_of(folder, part, name="metrics.jsonl"):
    """The records that have a part."""
    return [r for r in map(json.loads, (folder / name).read_text().splitlines()) if part in r]


def wait_for_step(child, step):
    """Until the process is inside of a step."""
    for line in child.stdout:
        if line == f"in step {step}\n":
            return
    pytest.fail(f"it ended before step {step}: {child.communicate()}")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """The folder of a run of 200 steps that nothing disturbed."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    outcome = go(folder)
    assert outcome.steps == 200 and outcome.exit_code == 0 and not outcome.interrupted and not outcome.done
    return folder


def test_two_hundred_steps_are_a_hundred_a_resume_and_a_hundred(alone, tmp_path):
    assert go(tmp_path / "run", steps=100).steps == 100
    assert go(tmp_path / "run", resume=True).steps == 200
    assert ending(tmp_path / "run") == ending(alone)
    trained = [r["step"] for r in log_of(tmp_path / "run", "train")]
    assert trained == list(range(7, 201, 7))  # so the resume at 100 came in the middle of a mean
    assert [r["step"] for r in log_of(tmp_path / "run", "validation")] == list(range(20, 201, 20))


def test_a_run_in_another_process_is_the_same(alone, tmp_path):
    child = start(tmp_path / "run", "--quiet")
    assert child.communicate()[0] == "200 steps\n" and child.returncode == 0
    assert ending(tmp_path / "run") == ending(alone)


def test_kills_and_resumes_end_in_the_same_bytes(alone, tmp_path):
    folder, pause = tmp_path / "run", random.Random(3)
    kills = 0
    while True:
        child = os.fork()
        if child == 0:
            try:
                go(folder, resume=(folder / "config.json").exists(), **build(slow=0.001))
                os._exit(0)
            finally:
                os._exit(99)
        if kills < 12:
            time.sleep(pause.uniform(0.02, 0.15))
            os.kill(child, signal.SIGKILL)
        status = os.waitpid(child, 0)[1]
        if os.WIFEXITED(status):
            break
        kills += 1
    assert os.WEXITSTATUS(status) == 0 and kills >= 3
    assert ending(folder) == ending(alone)


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_finishes_the_step_saves_and_says_how_to_go_on(alone, tmp_path, number, code):
    folder = tmp_path / "run"
    child = start(folder, "--slow", "0.01")
    wait_for_step(child, 9)
    child.send_signal(number)
    out, err = child.communicate(timeout=20)
    assert child.returncode == code
    steps = int(out.split()[-2])
    assert 9 <= steps < 15
    last = checkpoint.newest_valid(folder)
    assert last.meta["step"] == steps and last.path == checkpoint.checkpoint_path(folder, steps)
    assert f"stopped after step {steps}, go on with: python -m tests.train.program {folder} --resume\n" in err
    assert "Traceback" not in err and not (folder / "lock").exists()
    assert go(folder, resume=True).exit_code == 0
    assert ending(folder) == ending(alone)


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_second_signal_ends_at_once(alone, tmp_path, number, code):
    folder = tmp_path / "run"
    assert go(folder, steps=33).steps == 33
    child = start(folder, "--resume", "--slow", "60")  # each step takes a minute
    wait_for_step(child, 34)
    child.send_signal(number)
    while "once more to stop at once" not in (line := child.stderr.readline()):
        assert line, "it ended at the first signal"
    with pytest.raises(subprocess.TimeoutExpired):
        child.wait(0.1)
    began = time.monotonic()
    child.send_signal(number)
    child.communicate(timeout=20)
    assert child.returncode == code and time.monotonic() - began < 2
    assert go(folder, resume=True).exit_code == 0
    assert ending(folder) == ending(alone)


def test_a_signal_that_comes_before_a_validation_loses_and_repeats_nothing(alone, tmp_path):
    folder = tmp_path / "run"
    outcome = go(folder, **build(at=lambda i: i == 40 and os.kill(os.getpid(), signal.SIGTERM)))
    assert outcome.interrupted and outcome.exit_code == 143 and outcome.steps == 40
    assert [r["step"] for r in log_of(folder, "validation")] == [20]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    parts = build()

    def killed(i):  # after the validation of step 40 is logged, before any later checkpoint
        if i == 41:
            raise ZeroDivisionError
        return parts["step"](i)

    with pytest.raises(ZeroDivisionError):
        go(folder, resume=True, **{**parts, "step": killed, "best": None})
    assert go(folder, resume=True).exit_code == 0
    assert (folder / "metrics.jsonl").read_bytes() == (alone / "metrics.jsonl").read_bytes()


def test_a_full_disk_does_not_stop_the_run(tmp_path):
    folder = tmp_path / "run"
    child = start(folder, "--full-after", "100")
    out, err = child.communicate()
    assert out == "200 steps\n" and child.returncode == 1
    assert err.count("writing a checkpoint failed (") == err.count("writing metrics.jsonl failed (") == 1
    assert "Traceback" not in err
    assert checkpoint.newest_valid(folder).meta["step"] == 90
    assert not list(folder.glob(".*"))
    assert log_of(folder, "step")[-1]["step"] == 98


def test_after_a_full_disk_the_run_resumes_to_the_same_end(alone, tmp_path):
    child = start(tmp_path / "run", "--full-after", "100")
    child.communicate()
    assert go(tmp_path / "run", resume=True).exit_code == 0
    assert ending(tmp_path / "run") == ending(alone)


def test_logs_that_cannot_be_written_kill_nothing(tmp_path, capsys):
    parts = build()
    with Run(tmp_path / "run") as run:
        (run.folder / "metrics.jsonl").mkdir()
        (run.folder / "times.jsonl").mkdir()
        outcome = train(run, **parts, steps=50, quiet=True)
    assert outcome.steps == 50 and outcome.exit_code == 1
    assert "metrics.jsonl failed" in capsys.readouterr().err
    assert checkpoint.newest_valid(tmp_path / "run").meta["step"] == 50


def test_a_broken_newest_checkpoint_is_passed_over(alone, tmp_path):
    folder = tmp_path / "run"
    go(folder, steps=130, keep=2)
    newest = checkpoint.checkpoint_path(folder, 130)
    newest.write_bytes(newest.read_bytes()[:-100])
    with pytest.warns(UserWarning, match="checkpoint-0000130.npz: its .* bytes"):
        assert go(folder, resume=True).steps == 200
    assert ending(folder) == ending(alone)


def test_the_last_and_the_best_are_kept(alone):
    best = checkpoint.newest_valid(alone).meta["position"]["best"]
    values = {r["step"]: r["validation"]["loss"] for r in log_of(alone, "validation")}
    assert best == {"step": min(values, key=values.get), "value": min(values.values())}
    kept = [checkpoint.load(path).meta["step"] for path in checkpoint.checkpoints(alone)]
    assert best["step"] == 200 and kept == [150, 180, 200]


def test_a_best_that_is_old_is_kept(tmp_path):
    values = iter([3.0, 1.0, float("nan"), 2.0, 1.5, 1.0, 4.0])
    parts = {**build(), "validate": lambda i: {"loss": next(values)}}
    outcome = go(tmp_path / "run", steps=140, **parts, keep=1)
    assert outcome.best == {"step": 40, "value": 1.0}
    assert [path.name for path in checkpoint.checkpoints(tmp_path / "run")] == [
        "checkpoint-0000040.npz", "checkpoint-0000140.npz"]
    with pytest.raises(ValueError, match="best is 'bits', expected one of what validate gives: loss"):
        go(tmp_path / "other", **{**build(), "best": "bits"})


def test_a_validation_ends_the_run_and_a_resume_leaves_it_ended(tmp_path):
    parts = {**build(), "validate": lambda i: {"loss": 1 / i, "done": i >= 60}}
    outcome = go(tmp_path / "run", **parts)
    assert outcome.done and outcome.steps == 60 and outcome.exit_code == 0
    assert outcome.validation == {"loss": 1 / 60}
    again = go(tmp_path / "run", resume=True, **{**build(), "step": None})
    assert again.done and again.steps == 60 and again.seconds == outcome.seconds


def test_seconds_are_those_of_training_and_add_up_over_resumes(tmp_path):
    def slow_validation(i):
        time.sleep(0.1)
        return {"loss": 1.0}

    parts = {**build(slow=0.002), "validate": slow_validation}
    first = go(tmp_path / "run", steps=40, **parts)
    assert first.seconds >= 0.08 and first.wall >= first.seconds + 0.2
    second = go(tmp_path / "run", steps=80, resume=True, **{**build(slow=0.002), "validate": slow_validation})
    assert second.seconds >= first.seconds + 0.08 and second.wall >= second.seconds + 0.4
    times = log_of(tmp_path / "run", "seconds", "times.jsonl")
    assert [r["step"] for r in times] == list(range(7, 80, 7))
    assert all(a["seconds"] <= b["seconds"] for a, b in zip(times, times[1:], strict=False))


def test_minutes_end_the_run(tmp_path):
    outcome = go(tmp_path / "run", steps=None, minutes=0.2 / 60, **build(slow=0.005))
    assert outcome.seconds >= 0.2 and 1 <= outcome.steps <= 40
    again = go(tmp_path / "run", steps=None, minutes=0.2 / 60, resume=True)
    assert again.steps == outcome.steps and again.exit_code == 0


def test_a_run_without_an_end_is_refused(tmp_path):
    with pytest.raises(ValueError, match="it would not end"):
        go(tmp_path / "run", steps=None, **{**build(), "validate": None})


def test_a_checkpoint_that_does_not_fit_leaves_everything_as_it_was(tmp_path):
    go(tmp_path / "run", steps=30)
    for owner in ("model", "optimiser", "deck"):
        parts = build()

        def refuse(state):
            raise ValueError("no, thank you")

        good, calls = parts["stateful"][owner].load, []
        parts["stateful"][owner].load = lambda state, good=good, calls=calls: (
            good(state) if calls else (calls.append(1), refuse(state)))
        before = [thing.state() for thing in parts["stateful"].values()]
        states = [rng.bit_generator.state for rng in parts["rngs"].values()]
        with pytest.raises(CheckpointError, match="does not fit .no, thank you.; resume with the program"):
            go(tmp_path / "run", resume=True, **parts)
        for old, thing in zip(before, parts["stateful"].values(), strict=True):
            assert all(np.array_equal(old[name], value) for name, value in thing.state().items())
        assert states == [rng.bit_generator.state for rng in parts["rngs"].values()]


def test_a_resume_with_other_parts_is_refused(tmp_path):
    go(tmp_path / "run", steps=30)
    with pytest.raises(CheckpointError, match=r"weight has shape \(4,\), expected \(5,\)"):
        go(tmp_path / "run", resume=True, **build(width=5))
    parts = build()
    del parts["stateful"]["deck"]
    with pytest.raises(CheckpointError, match="the state of deck, model, optimiser, expected of model, opt"):
        go(tmp_path / "run", resume=True, **parts)
    parts = build()
    parts["rngs"]["more"] = np.random.default_rng(0)
    with pytest.raises(CheckpointError, match="the generator of data, noise, test, expected of data, more"):
        go(tmp_path / "run", resume=True, **parts)
    parts = build()
    parts["rngs"]["data"] = np.random.Generator(np.random.MT19937(1))
    with pytest.raises(CheckpointError, match="does not fit"):
        go(tmp_path / "run", resume=True, **parts)


def test_metrics_are_read_from_a_device_only_where_they_are_logged(tmp_path):
    def step(i):
        loss, norm = (to_device(np.array(value, np.float32), "strict") for value in (i, 1))
        return {"loss": loss, "norm": Tensor(norm)}

    with Run(tmp_path / "run") as run:
        with count_synchronisations() as waits:
            train(run, step, stateful={}, rngs={}, steps=120, log_every=50, checkpoint_every=1000, quiet=True)
        assert waits.count == 2 * 3  # two metrics: logged after 50 and 100, saved after 120
        assert run.read_log()[1] == {"step": 100, "train": {"loss": 75.5, "norm": 1.0}}


def test_an_array_that_is_written_in_place_is_logged_as_it_was(tmp_path):
    value = np.zeros((), np.float32)

    def step(i):
        value[...] = i
        return {"loss": value}

    with Run(tmp_path / "run") as run:
        train(run, step, stateful={}, rngs={}, steps=4, log_every=4, quiet=True)
        assert run.read_log() == [{"step": 4, "train": {"loss": 2.5}}]


def test_memory_that_runs_out_is_explained_after_a_checkpoint(alone, tmp_path):
    parts = build()

    def step(i):
        if i == 40:
            parts["rngs"]["data"].normal(size=100)
            wide = Tensor(np.zeros((1, 2_000_000)), True)
            ops.matmul(wide.reshape(-1, 1), wide)
        return parts["step"](i)

    told = r"out of memory in matmul: Unable to allocate 1\d\.\d TiB .*; lower --batch; saved after step 39$"
    with pytest.raises(OutOfMemory, match=told):
        go(tmp_path / "run", **{**parts, "step": step}, lower="--batch")
    assert checkpoint.newest_valid(tmp_path / "run").meta["step"] == 39
    assert go(tmp_path / "run", resume=True).steps == 200
    assert ending(tmp_path / "run") == ending(alone)


def test_the_example_of_the_docstring_runs_as_it_stands(tmp_path, capsys):
    example = textwrap.dedent(loop.__doc__.split("\n\n", 1)[1].rpartition("\n\n")[0])
    names = {"folder": tmp_path / "run", "resume": False, "sys": sys, "np": np, "ops": ops, "Tensor": Tensor,
             "Linear": Linear, "RMSProp": RMSProp, "Guard": Guard, "Run": Run, "train": train}
    with pytest.raises(SystemExit) as caught:
        exec(example, names)
    assert caught.value.code == 0
    assert names["outcome"].done
    assert json.loads((tmp_path / "run" / "result.json").read_text())["steps"] < 5_000


def test_training_works_in_a_thread_that_may_not_handle_signals(tmp_path):
    outcomes = []
    thread = threading.Thread(target=lambda: outcomes.append(go(tmp_path / "run", steps=20)))
    thread.start()
    thread.join()
    assert outcomes[0].steps == 20


def test_plain_lines_where_the_output_is_no_terminal(tmp_path):
    child = start(tmp_path / "run", "--steps", "120", "--slow", "0.01")
    out, err = child.communicate()
    lines = err.splitlines()
    assert lines[0].startswith("step 1/120  loss ") and lines[0].endswith(" left") and " steps/s " in lines[0]
    assert "\r" not in err and "\x1b" not in err
    steps = [line for line in lines if line.startswith("step ")]
    assert 2 <= len(steps) <= 5  # at once, after one second, after three ...
    assert sum(line.startswith("validation after step") for line in lines) == 6
    assert len(lines) == len(steps) + 6


def test_quiet_says_nothing(tmp_path):
    assert start(tmp_path / "run", "--quiet").communicate() == ("200 steps\n", "")


def on_a_terminal(folder, *, blocked=()):
    """What the program writes to a terminal. blocked: modules that cannot be imported"""
    ours, theirs = pty.openpty()
    program = (f"import sys; sys.modules.update(dict.fromkeys({blocked!r}));"
               "from tests.train.program import main; main()")
    child = subprocess.Popen([sys.executable, "-c", program, str(folder), "--slow", "0.01", "--steps", "60"],
                             stdout=subprocess.DEVNULL, stderr=theirs)
    os.close(theirs)
    text = b""
    try:
        while part := os.read(ours, 4096):
            text += part
    except OSError:  # Linux's way to say that the other end is closed
        pass
    os.close(ours)
    assert child.wait() == 0
    return text.decode()


def test_a_bar_on_a_terminal(tmp_path):
    pytest.importorskip("tqdm", reason="tqdm is not installed (extra `tasks`)")
    text = on_a_terminal(tmp_path / "run")
    assert text.count("\r") > 3 and "/60 [" in text and "step/s" in text and "loss" in text
    assert "validation after step 20: loss" in text


def test_plain_lines_on_a_terminal_without_tqdm(tmp_path):
    text = on_a_terminal(tmp_path / "run", blocked=("tqdm",))
    assert "step 1/60  loss" in text and "it/s" not in text


def test_a_file_size_limit_is_what_this_machine_takes_for_a_full_disk(tmp_path):
    """The premise of the tests above."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, old[1]))
    try:
        with pytest.raises(OSError):
            (tmp_path / "big").write_bytes(b"x" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
