"""The copy task at a small size, by its command line: it learns, and leaves figures and a trace that hold something."""

import json
from math import log2
from pathlib import Path

import numpy as np
import pytest

from tasks import copy as task
from tasks.__main__ import main
from tasks.runner import streams
from tasks.ship import ship
from tinyaug import Tensor, ops

WEIGHTS = Path(task.__file__).parent / "weights" / "copy-ntm.npz"
SMALL = ["bits=4", "max_length=4", "slots=16", "width=8", "hidden=32", "batch=16", "rate=0.002", "validate_every=50",
         "enough=0.01"]
FIGURES = ["input-and-output", "learning-curve", "memory-use"]

pytestmark = pytest.mark.host            # the command line chooses the device itself


def run(folder, *arguments, lengths=(10, 20, 50), weights=WEIGHTS.parent):
    """`python -m tasks copy` in this process, evaluated on fewer lengths. returns: result.json and the trace"""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(task, "LENGTHS", lengths)
        code = main(["copy", "--out", str(folder), "--trace", str(folder.parent / "trace.npz"), "--quiet", *arguments],
                    weights=weights)
    assert code == 0
    with np.load(folder.parent / "trace.npz", allow_pickle=False) as file:
        return json.loads((folder / "result.json").read_text()), dict(file)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """(folder, result, trace) of a run that takes about 1000 steps and 5 s to learn sequences of 1 to 4.

    How many it takes depends on the last bits, so on the BLAS kernels of the processor: 950 to 1350 on the first three
    seeds, with AVX2 and with AVX-512, but for one.
    """
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra `tasks`)")
    folder = tmp_path_factory.mktemp("copy") / "run"
    settings = [part for change in SMALL for part in ("--set", change)]
    return folder, *run(folder, "--seed", "3", "--steps", "2400", *settings)


def small(model="ntm", *changes):
    config = {"task": "copy", "model": model, "seed": 1, "data": None}
    size = [change for change in SMALL if change.partition("=")[0] in task.MODELS[model]]
    config |= task.TASK.settings(model, [*size, *changes])
    return task.build(config, streams(1)["build"]), config


@pytest.mark.slow
def test_it_learns_to_copy(trained):
    """From 1 bit a bit to under 0.1 bits a sequence over the trained lengths, with every validation sequence right."""
    folder, result, _ = trained
    checks = [json.loads(line)["validation"] for line in (folder / "metrics.jsonl").read_text().splitlines()
              if "validation" in line]
    assert checks[0]["bits"] > 8 and checks[-1]["bits"] < 0.01 and checks[-1]["accuracy"] == 1
    assert result["metrics"]["bits_per_sequence"] < 0.1
    assert result["steps"] < 2400 and result["seconds_to_target"] is not None
    assert result["target"]["bits_per_sequence_1_to_20"]["reached"]


@pytest.mark.slow
def test_what_was_learned_goes_beyond_the_trained_lengths(trained):
    by_length = {row["length"]: row for row in trained[1]["by_length"]}
    assert by_length[10]["bit_error_rate"] < 0.25           # 0.5 is a guess; trained on 4 at most


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_written_and_not_blank(trained, name):
    from matplotlib.image import imread
    picture = imread(trained[0] / "figures" / f"{name}.png")
    assert min(picture.shape[:2]) > 200
    grey = picture[..., :3].mean(axis=2)
    ink = (grey < 0.9).mean()
    assert 0.005 < ink < 0.95 and len(np.unique(grey.round(2))) > 20
    assert all((half < 0.9).any() for half in (*np.array_split(grey, 4, axis=0), *np.array_split(grey, 4, axis=1)))
    text = (trained[0] / "figures" / f"{name}.svg").read_text()
    assert text.startswith("<?xml") and "href=\"http" not in text
    assert {"learning-curve": "lengths 1 to 4", "memory-use": "trained on at most 4"}.get(name, "at most 4;") in text


def test_a_picture_fills_its_panel():
    """Square pixels would leave a panel of 50 x 4 nearly empty, and the panels' steps not below each other."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra `tasks`)")
    from viz.style import panels, plt
    figure, ((axes,), (below,)) = panels(2)
    axes.imshow(np.eye(2))
    below.imshow(np.ones((3, 50)))
    figure.canvas.draw()
    assert axes.get_position().width == pytest.approx(below.get_position().width) and axes.get_position().width > 0.8
    plt.close(figure)


@pytest.mark.slow
def test_the_trace_has_every_name_and_shape(trained):
    """All that design's list of names asks of a memory: one sequence of length 50, 2 * 50 + 1 steps, 2 heads."""
    shapes = {name: x.shape for name, x in trained[2].items()}
    T, N, W, heads = 101, 16, 8, 2
    assert shapes == {
        "input": (T, 1, 5), "target": (50, 1, 4), "output": (T, 1, 4), "hidden": (T, 1, 32), "read_heads": (),
        "trained_length": (),
        "memory": (T, 1, N, W), "weights": (T, 1, heads, N), "reads": (T, 1, 1, W), "key": (T, 1, heads, W),
        "strength": (T, 1, heads, 1), "gate": (T, 1, heads, 1), "shift": (T, 1, heads, 3), "sharpening": (T, 1, heads, 1),
        "erase": (T, 1, 1, W), "add": (T, 1, 1, W)}


@pytest.mark.slow
def test_the_trace_keeps_the_ranges_of_its_names(trained):
    trace = trained[2]
    for name in ("weights", "shift"):
        np.testing.assert_allclose(trace[name].sum(axis=-1), 1, atol=1e-5)
    for name in ("gate", "erase", "output"):
        assert trace[name].min() >= 0 and trace[name].max() <= 1
    assert np.abs(trace["key"]).max() <= 1 and np.abs(trace["add"]).max() <= 1
    assert trace["strength"].min() >= 0 and trace["sharpening"].min() >= 1
    assert all(np.isfinite(x).all() for x in trace.values())


@pytest.mark.parametrize("model", task.MODELS)
def test_the_trace_is_the_run_that_the_figures_show(model):
    """Its output is what the model answers to its input, through a sigmoid."""
    net, config = small(model)
    trace = task.trace(net, config, np.random.default_rng(3))
    logits = task.answer(net, Tensor(trace["input"]), 50)
    np.testing.assert_allclose(trace["output"][-50:], ops.sigmoid(logits).numpy(), atol=1e-6)
    np.testing.assert_array_equal(trace["target"], trace["input"][:50, :, :-1])


def test_the_loss_in_bits_is_that_of_a_sequence():
    """sum over steps and channels of -log2 p(bit), averaged over the batch; only the answer counts."""
    net, config = small()
    inputs, targets = (Tensor(x) for x in task.batch(config, np.random.default_rng(2), 1))
    _, logged = task.loss(net, inputs, targets)
    p = ops.sigmoid(task.answer(net, inputs, len(targets))).numpy().astype(float)
    bits = [log2(q if bit else 1 - q) for q, bit in zip(p.ravel(), targets.numpy().ravel())]
    assert logged["bits"].item() == pytest.approx(-sum(bits) / targets.shape[1], rel=1e-4)


def test_measure_counts_bits_and_sequences(monkeypatch):
    """An answer with two wrong bits in the first of 150 sequences, by a model that would else be certain."""
    def almost(model, inputs, length):
        logits = 200 * inputs.numpy()[:length, :, :-1] - 100
        if inputs.shape[1] == 100:
            logits[0, 0, :2] *= -1
        return Tensor(logits)

    monkeypatch.setattr(task, "answer", almost)
    net, config = small()
    row = task.measure(net, config, np.random.default_rng(0), 5, 150)
    assert row["length"] == 5 and row["sequence_accuracy"] == pytest.approx(149 / 150)
    assert row["bit_error_rate"] == pytest.approx(2 / (150 * 5 * 4))
    assert row["bits_per_sequence"] == pytest.approx(2 * 100 * log2(np.e) / 150, rel=1e-5)


def test_lengths_are_drawn_evenly_from_1_to_the_longest():
    _, config = small()
    rng = np.random.default_rng(0)
    lengths = [len(task.batch(config, rng, i)[1]) for i in range(800)]
    assert set(lengths) == {1, 2, 3, 4} and min(lengths.count(n) for n in range(1, 5)) > 150


@pytest.mark.parametrize("change, says", [
    ("max_length=17", "max_length: got 17, expected at most slots=16: one vector needs one slot"),
    ("bits=0", "bits: got 0, expected at least 1"),
    ("rate=0", "rate: got 0.0, expected more than 0"),
    ("shifts=2", "shifts: got 2, expected an odd number of at most slots=16"),
    ("shifts=17", "shifts: got 17, expected an odd number of at most slots=16"),
    ("shifts=-1", "shifts: got -1, expected an odd number of at most slots=16"),
    ("weights_start=nowhere", "weights_start: got 'nowhere', expected one of first, zero, even"),
    ("heads_start=fast", "heads_start: got 'fast', expected one of still, moving"),
    ("memory_start=full", "memory_start: got 'full', expected one of constant, noise, learned"),
    ("clip_value=-1", "clip_value: got -1.0, expected more than 0"),
])
def test_a_setting_that_cannot_be_is_one_line_and_code_2(change, says, capsys, tmp_path):
    settings = [part for text in (*SMALL, change) for part in ("--set", text)]
    assert main(["copy", "--out", str(tmp_path / "run"), *settings]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_weights_that_are_shipped_show_what_the_run_showed(trained, tmp_path):
    """The same evaluation, trace and figures from the shipped file alone, without a step of training."""
    folder, result, trace = trained
    ship(folder, weights=tmp_path / "weights")
    shown, again = run(tmp_path / "shown", "--pretrained", "--seed", "3", weights=tmp_path / "weights")
    assert shown["by_length"] == result["by_length"] and shown["metrics"] == result["metrics"]
    assert (shown["steps"], shown["seconds"]) == (result["steps"], result["seconds"])
    assert all(np.array_equal(trace[name], again[name]) for name in trace.keys() | again.keys())
    assert sorted(path.name for path in (tmp_path / "shown" / "figures").glob("*.png")) == [
        "input-and-output.png", "memory-use.png"]


@pytest.mark.slow
def test_shipped_weights(tmp_path):
    """`--pretrained` trains nothing, reaches the bars of length 20 and 50, and draws what a run draws."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra `tasks`)")
    result, trace = run(tmp_path / "shown", "--pretrained", lengths=(20, 50))
    by_length = {row["length"]: row for row in result["by_length"]}
    assert result["metrics"]["bits_per_sequence"] < 0.1 and by_length[20]["sequence_accuracy"] == 1
    assert by_length[50]["bit_error_rate"] <= 0.005
    assert trace["weights"].shape[0] == 101
    for name in ("input-and-output", "memory-use"):
        assert (tmp_path / "shown" / "figures" / f"{name}.png").stat().st_size > 5000
