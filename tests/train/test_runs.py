"""Run folders: one run each, one process at a time, logs that never kill and never tell twice."""

import json
import os
import platform
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest

from tinyaug.train import lock, runs
from tinyaug.train.runs import Run, RunError

pytestmark = pytest.mark.host            # files and processes


@contextmanager
def largest_file(size):
    """No file may grow beyond `size` bytes: to the writer it is as if the disk were full."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


@contextmanager
def other_process(folder):
    """Another process that holds the run folder."""
    program = ("import sys; from tinyaug.train.runs import Run; run = Run(sys.argv[1], {'seed': 1});"
               "print('held', flush=True); sys.stdin.read()")
    pipe = subprocess.PIPE
    child = subprocess.Popen([sys.executable, "-c", program, folder], stdin=pipe, stdout=pipe)
    try:
        assert child.stdout.readline() == b"held\n"
        yield child
    finally:
        child.kill()
        child.communicate()


def test_a_new_run_says_what_it_is_and_what_it_runs_on(tmp_path):
    with Run(tmp_path / "a" / "b", {"seed": 1, "rate": 1e-4}, device="strict") as run:
        assert json.loads((run.folder / "config.json").read_text()) == {"seed": 1, "rate": 1e-4}
        assert run.figures.is_dir()
    told = json.loads((run.folder / "environment.json").read_text())
    assert set(told) == {"python", "numpy", "blas", "threads", "platform", "cpus", "load_average", "device",
                         "dtype", "revision"}
    assert told["python"] == platform.python_version() and told["device"] == "strict"
    assert told["blas"]["name"] and told["dtype"] in ("float32", "float64")
    assert told["threads"]["OMP_NUM_THREADS"] == os.environ.get("OMP_NUM_THREADS")
    assert not (run.folder / "lock").exists()


def test_two_processes_in_one_folder_are_refused(tmp_path):
    with other_process(tmp_path) as child:
        with pytest.raises(RunError, match=f"process {child.pid} .* works in this folder; wait for it"):
            Run(tmp_path, resume=True)
        assert (tmp_path / "lock").exists()  # the refused one took nothing away


def test_two_runs_of_one_process_in_one_folder_are_refused(tmp_path):
    with Run(tmp_path), pytest.raises(RunError, match="works in this folder"):
        Run(tmp_path, resume=True)


def test_the_lock_of_a_killed_process_is_recognised(tmp_path):
    with other_process(tmp_path) as child:
        child.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and a zombie until its parent asks
        assert (tmp_path / "lock").exists()
        Run(tmp_path, resume=True).close()
    assert not (tmp_path / "lock").exists()


def test_the_lock_of_a_dead_process_whose_number_lives_again_is_recognised(tmp_path):
    Run(tmp_path).close()
    holder = {"pid": os.getppid(), "began": lock._began(os.getppid()), "host": platform.node()}
    (tmp_path / "lock").write_text(json.dumps(holder))
    with pytest.raises(RunError, match=f"process {os.getppid()}"):
        Run(tmp_path, resume=True)
    (tmp_path / "lock").write_text(json.dumps({**holder, "began": holder["began"] + "1"}))
    Run(tmp_path, resume=True).close()


@pytest.mark.parametrize("content", ["", "{", "[]", "7", '{"pid": 1}'])
def test_a_lock_that_cannot_be_judged_is_respected(tmp_path, content):
    Run(tmp_path).close()
    (tmp_path / "lock").write_text(content)
    with pytest.raises(RunError, match="delete .*lock"):
        Run(tmp_path, resume=True)


def test_the_lock_of_another_machine_is_respected(tmp_path):
    Run(tmp_path).close()
    (tmp_path / "lock").write_text(json.dumps({"pid": 1, "began": "gone", "host": "elsewhere"}))
    with pytest.raises(RunError, match="process 1 on elsewhere"):
        Run(tmp_path, resume=True)


def test_of_many_that_find_a_dead_lock_one_gets_the_folder(tmp_path):
    Run(tmp_path).close()
    (tmp_path / "lock").write_text(json.dumps({"pid": 2**22 + 1, "began": "gone", "host": platform.node()}))
    start, results = os.pipe(), os.pipe()
    children = []
    for _ in range(8):
        children.append(os.fork())
        if children[-1] == 0:
            os.close(start[1])
            os.read(start[0], 1)  # returns once the parent closes its end: all go at the same moment
            try:
                lock.take(tmp_path)
                os.write(results[1], b"1")
                signal.pause()
            except RunError:
                os.write(results[1], b"0")
            finally:
                os._exit(0)
    os.close(start[0])
    os.close(start[1])
    told = b"".join(os.read(results[0], 1) for _ in children)
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert sorted(told) == sorted(b"00000001")


def test_an_old_run_is_not_overwritten_and_a_missing_one_not_resumed(tmp_path):
    Run(tmp_path / "old").close()
    with pytest.raises(RunError, match="holds a run already; resume it, or choose another folder"):
        Run(tmp_path / "old")
    assert not (tmp_path / "old" / "lock").exists()
    with pytest.raises(RunError, match="holds no run to resume"):
        Run(tmp_path / "missing", resume=True)
    assert not (tmp_path / "missing").exists()


def test_a_resume_keeps_the_config_and_adds_its_environment(tmp_path):
    Run(tmp_path, {"seed": 1, "lengths": (1, 20)}).close()
    with Run(tmp_path, {"seed": 1, "lengths": (1, 20)}, resume=True) as run:
        assert run.config == {"seed": 1, "lengths": [1, 20]}
    with Run(tmp_path, resume=True) as run:
        assert run.config == {"seed": 1, "lengths": [1, 20]}
    assert len(json.loads((tmp_path / "environment.json").read_text())["resumed"]) == 2
    with pytest.raises(RunError, match="config seed: got 2, expected 1 as this run began"):
        Run(tmp_path, {"seed": 2, "lengths": [1, 20]}, resume=True)
    with pytest.raises(RunError, match=r"config lengths: got None, expected \[1, 20\]"):
        Run(tmp_path, {"seed": 1}, resume=True)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(RunError, match="config.json: cannot be read"):
        Run(tmp_path, resume=True)


def test_the_log_is_cut_to_a_checkpoint_and_torn_lines_are_dropped(tmp_path):
    with Run(tmp_path) as run:
        for step in range(1, 6):
            run.log(step, train={"loss": 1 / step})
            run.log_time(step, step / 7)
            if step == 3:
                sizes = run.sync_logs()
        before = (tmp_path / "metrics.jsonl").read_bytes().splitlines(keepends=True)
        with open(tmp_path / "metrics.jsonl", "ab") as file:
            file.write(b'{"step": 3, "tr')
        assert [record["step"] for record in run.read_log()] == [1, 2, 3, 4, 5]
        run.cut_logs(sizes)
        assert (tmp_path / "metrics.jsonl").read_bytes() == b"".join(before[:3])
        assert [record["step"] for record in run.read_log("times.jsonl")] == [1, 2, 3]
        (tmp_path / "times.jsonl").unlink()
        (tmp_path / "metrics.jsonl").write_bytes(b"short")
        run.cut_logs(sizes)
        assert (tmp_path / "metrics.jsonl").read_bytes() == b"short"
        run.cut_logs({})
        assert (tmp_path / "metrics.jsonl").read_bytes() == b"" and not run.lost


def test_the_log_is_strict_json(tmp_path):
    with Run(tmp_path) as run:
        run.log(1, train={"loss": float("nan"), "norm": float("inf"), "n": runs.np.float32(0.5), "ok": True})
    line = (tmp_path / "metrics.jsonl").read_text()
    assert json.loads(line, parse_constant=pytest.fail) == {
        "step": 1, "train": {"loss": None, "norm": None, "n": 0.5, "ok": True}}


def test_a_failing_log_warns_once_and_never_raises(tmp_path, capsys):
    with Run(tmp_path) as run:
        run.log(1, train={"loss": 0.5})
        whole = (tmp_path / "metrics.jsonl").read_bytes()
        with largest_file(len(whole) + 5):  # room for a part of the next line
            run.log(2, train={"loss": 0.5})
            run.log(3, train={"loss": 0.5})
        assert (tmp_path / "metrics.jsonl").read_bytes() == whole
        run.log(4, train={"loss": 0.5})
        assert [record["step"] for record in run.read_log()] == [1, 4]
        assert run.lost == ["writing metrics.jsonl"]
    assert capsys.readouterr().err.count("writing metrics.jsonl failed") == 1


def test_a_log_that_cannot_exist_never_raises(tmp_path):
    with Run(tmp_path) as run:
        (tmp_path / "metrics.jsonl").mkdir()
        (tmp_path / "times.jsonl").symlink_to("/dev/full")
        run.log(1, train={})
        run.log_time(1, 0.5)
        run.sync_logs()
        (tmp_path / "times.jsonl").unlink()
        run.cut_logs({})
        assert run.lost[:2] == ["writing metrics.jsonl", "writing times.jsonl"]


def test_saying_something_to_a_closed_stream_never_raises(monkeypatch):
    stream = open(os.devnull, "w")
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    runs.say("nobody hears this")
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stderr", full)
        runs.say("nor this")
        monkeypatch.undo()
        with pytest.raises(OSError):  # what a plain print would have done
            print("x", file=full, flush=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())
