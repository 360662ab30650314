"""The pointer task: its problems, what is measured, what is shipped; and the solvers and the reader below it."""

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from tasks import pointer as task
from tasks.__main__ import main
from tasks.runner import shipped, streams
from tinyaug import Tensor
from tinyaug.data.points import convex_hull, hull_area, read_hulls, shortest_tour, tour_length

WEIGHTS = Path(task.__file__).parent / "weights"
HULLS = Path("../shared/data/pointer/convex_hull_5_first5000.txt.xz")

pytestmark = pytest.mark.host            # the command line chooses the device itself


def test_the_shortest_tour_is_the_best_of_all_orders():
    points = np.random.default_rng(0).random((30, 6, 2))
    tours = shortest_tour(points)
    every = [tour_length(points, np.tile((0, *order), (30, 1))) for order in permutations(range(1, 6))]
    np.testing.assert_allclose(tour_length(points, tours), np.min(every, axis=0))
    assert (tours[:, 0] == 0).all() and (tours[:, 1] < tours[:, -1]).all() and (np.sort(tours) == np.arange(6)).all()


def test_the_mean_optimum_is_that_of_the_literature():
    """2.124 for five points in the unit square, 2.12 in table 2 of Vinyals et al."""
    points = np.random.default_rng(1).random((20_000, 5, 2))
    assert tour_length(points, shortest_tour(points)).mean() == pytest.approx(2.124, abs=0.012)


def test_a_hull_has_all_points_on_its_left():
    for points in np.random.default_rng(2).random((100, 8, 2)):
        corners = convex_hull(points)
        assert corners[0] == min(corners)
        for a, b in zip(corners, corners[1:] + corners[:1]):
            (ax, ay), (bx, by) = points[a], points[b]
            turns = (bx - ax) * (points[:, 1] - ay) - (by - ay) * (points[:, 0] - ax)
            assert (turns > -1e-12).all() and (np.sort(turns)[:2] < 1e-12).all()


def test_the_area_of_a_polygon_that_is_none():
    square = np.array([[0, 0], [2, 0], [2, 1], [0, 1.0]])
    assert hull_area(square, [0, 1, 2, 3]) == 2 and hull_area(square, [0, 1, 2]) == 1
    assert hull_area(square, [0, 2, 1, 3]) is None and hull_area(square, [0, 1]) is None
    assert hull_area(square, [0, 1, 1, 2]) is None


def test_hull_files_are_read_and_what_is_wrong_is_named(tmp_path):
    path = tmp_path / "hulls.txt"
    path.write_text("0.0 0.0 1.0 0.0 0.0 1.0 output 1 2 3 1\n")
    ((points, corners),) = read_hulls(path)
    assert points.shape == (3, 2) and corners == [0, 1, 2]
    for text, says in (("0 0 1 0 output 1 2\n", ":1: expected `x1 y1 ... output i1 ... i1`, got '0 0 1 0"),
                       ("\n", ":1: expected"), ("", "expected problems, a line each, got none"),
                       ("0 0 1 output 1 1\n", ":1: expected"), ("0 0 1 1 output 3 3\n", ":1: expected")):
        path.write_text(text)
        with pytest.raises(ValueError, match=says):
            read_hulls(path)


@pytest.mark.skipif(not HULLS.exists(), reason="the hull file is not here")
def test_our_hulls_are_those_of_the_file():
    problems = read_hulls(HULLS)
    assert len(problems) == 5000 and all(convex_hull(points) == corners for points, corners in problems)


def small(kind, *changes):
    config = {"task": "pointer", "model": kind, "seed": 1, "data": None,
              **task.TASK.settings(kind, ["hidden=16", "embedding=8", "points=5", *changes])}
    return config, task.build(config, streams(1)["build"])


@pytest.mark.parametrize("kind", task.MODELS)
@pytest.mark.parametrize("score", ["additive", "location"])
def test_thirty_steps_on_one_batch_lower_the_loss(kind, score):
    config, net = small(kind, f"score={score}")
    optimiser = task.TASK.optimiser(config | {"rate": 1e-2}, net)
    batch = [Tensor(array) for array in task.batch(config | {"batch": 8}, np.random.default_rng(0), 1)]
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss, _ = task.loss(net, *batch)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert np.isfinite(losses).all() and losses[-1] < 0.9 * losses[0]


def test_what_is_measured(monkeypatch):
    rng = np.random.default_rng(3)
    for kind in task.MODELS:
        inputs, targets = task.problems(kind, rng, 8, 5)
        answer = {"places": np.where(targets < 0, 0, targets)}
        monkeypatch.setattr(task, "point", lambda model, x, steps, answer=answer: (answer["places"], None))
        right = task.measure(kind, None, inputs, targets)
        assert right == ({"over_optimum": 1.0, "optimal": 1.0} if kind == "tour" else
                         {"exact": 1.0, "area": pytest.approx(1.0), "no_polygon": 0.0} if kind == "hull" else {"exact": 1.0})
        answer["places"] = np.concatenate([answer["places"][:4], np.tile(np.arange(targets.shape[1]), (4, 1))])
        wrong = task.measure(kind, None, inputs, targets)
        if kind == "tour":
            assert wrong["over_optimum"] > 1 and wrong["optimal"] < 1
        else:
            assert 0.5 <= wrong["exact"] < 1


def test_a_hull_that_begins_elsewhere_is_the_same_hull():
    assert task._turned([3, 1, 2]) == [1, 2, 3] and task.cut(np.array([2, 4, 1, 0, 3])) == [1, 3, 0]


@pytest.mark.parametrize("arguments, says", [
    (["--set", "points=1"], "points: got 1, expected 2 to 30"),
    (["--model", "tour", "--set", "points=13"], "points: got 13, expected 3 to 12"),
    (["--data", "LICENSE"], "--data: got model sort, expected --model hull: the file holds hulls"),
    (["--model", "hull", "--data", "LICENSE", "--steps", "1"], "LICENSE:1: expected `x1 y1 ... output i1 ... i1`"),
])
def test_what_cannot_be_is_one_line_and_code_2(arguments, says, capsys, tmp_path):
    assert main(["pointer", "--out", str(tmp_path / "run"), *arguments]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


@pytest.mark.parametrize("kind, name, bound", [("sort", "exact", 0.97), ("hull", "exact", 0.82),
                                               ("tour", "over_optimum", 1.025)])
def test_shipped_weights(kind, name, bound):
    path = WEIGHTS / f"pointer-{kind}.npz"
    if not path.exists():
        pytest.skip(f"{path.name} is not there: no weights are shipped")
    assert path.stat().st_size < 2e6
    net, config, _ = shipped(task.TASK, kind, WEIGHTS)
    found = task.measure(kind, net, *task.problems(kind, np.random.default_rng(4), 500, config["points"]))[name]
    assert found <= bound if kind == "tour" else found >= bound


@pytest.mark.parametrize("kind", task.MODELS)
def test_figures_hold_something(kind, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra `tasks`)")
    from matplotlib.image import imread
    config, net = small(kind)
    trace = task.trace(net, config, np.random.default_rng(5))
    log = [{"step": 1, "train": {"loss": 2.0}}, {"step": 2, "train": {"loss": 1.0}},
           {"step": 2, "validation": {"exact": 0.5}}]
    paths = task.figures(tmp_path, trace, log)
    assert [path.stem for path in paths] == ["learning-curve", "pointers"]
    for path in paths:
        assert 0.005 < (imread(path)[..., :3].mean(axis=2) < 0.9).mean() < 0.95
