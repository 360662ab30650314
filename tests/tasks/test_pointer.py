"""The pointer task: its problems, what is measured, what is shipped; and the solvers and the readers below it."""

import json
from itertools import permutations

import numpy as np
import pytest

from tasks import pointer as task
from tasks.__main__ import main
from tests.tasks.attending import data, holds_something, losses, small, weights_of
from tinyaug.data.points import (
    convex_hull,
    distances,
    from_left,
    hull_area,
    nearest_tour,
    read_hulls,
    shortest_tour,
    tour_length,
)

TINY = ["hidden=16", "points=5"]

pytestmark = pytest.mark.host            # the command line chooses the device itself


def tiny(kind, *changes):
    return small("pointer", kind, *TINY, f"embedding={8 if kind == 'sort' else 16}", *changes)


def test_the_shortest_tour_is_the_best_of_all_orders():
    lengths = distances(np.random.default_rng(0).random((30, 6, 2)))
    tours = shortest_tour(lengths)
    every = [tour_length(lengths, np.tile((0, *order), (30, 1))) for order in permutations(range(1, 6))]
    np.testing.assert_allclose(tour_length(lengths, tours), np.min(every, axis=0))
    assert (tours[:, 0] == 0).all() and (tours[:, 1] < tours[:, -1]).all() and (np.sort(tours) == np.arange(6)).all()


def test_the_mean_optimum_is_that_of_the_literature():
    """2.124 for five points in the unit square, 2.12 in table 2 of Vinyals et al."""
    lengths = distances(np.random.default_rng(1).random((20_000, 5, 2)))
    assert tour_length(lengths, shortest_tour(lengths)).mean() == pytest.approx(2.124, abs=0.012)


def test_the_nearest_city_is_a_tour_and_no_shorter_than_the_shortest():
    lengths = distances(np.random.default_rng(6).random((20, 7, 2)))
    greedy = np.array([nearest_tour(x) for x in lengths])
    assert (np.sort(greedy) == np.arange(7)).all()
    assert (tour_length(lengths, greedy) >= tour_length(lengths, shortest_tour(lengths)) - 1e-12).all()
    assert nearest_tour(distances(np.array([[0, 0], [3, 0], [1, 0], [2.5, 0]]))) == [0, 2, 3, 1]


def test_a_path_has_one_name_wherever_it_began_and_whichever_way_it_went():
    square = np.array([[1, 1], [0, 0], [1, 0], [0.1, 1]])
    for path in ([1, 2, 0, 3], [0, 3, 1, 2], [3, 0, 2, 1], [2, 1, 3, 0]):
        assert from_left(square, path) == [1, 2, 0, 3]


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


def test_our_hulls_are_those_of_the_file():
    problems = read_hulls(data("pointer/convex_hull_5_first5000.txt.xz"))
    assert len(problems) == 5000 and all(convex_hull(points) == corners for points, corners in problems)


@pytest.mark.parametrize("kind", task.MODELS)
@pytest.mark.parametrize("change", ["score=additive", "score=dot", "score=location", "encoder=lstm"])
def test_thirty_steps_on_one_batch_lower_the_loss(kind, change):
    found = losses(*tiny(kind, change), steps=30)
    assert np.isfinite(found).all() and found[-1] < 0.9 * found[0]


@pytest.mark.parametrize("kind", ["hull", "tour"])
def test_in_another_order_the_same_points_get_the_same_answer(kind):
    """The network sees no order: it points at the same points, whatever their numbers are."""
    _, _, net = tiny(kind)
    inputs, targets = task.problems(kind, np.random.default_rng(1), 3, 6)
    shuffled = inputs[:, ::-1].copy()
    places, weights = task.point(net, inputs, 4)
    others, looks = task.point(net, shuffled, 4)
    assert (others == inputs.shape[1] - 1 - places).all()
    np.testing.assert_allclose(looks[..., ::-1], weights, atol=1e-5)


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
    (["--model", "tour", "--set", "embedding=32"], "embedding: got 32, expected hidden="),
    (["--model", "tour", "--set", "encoder=pyramid"], "encoder: got 'pyramid', expected one of lstm, attention"),
    (["--data", "LICENSE"], "--data: got model sort, expected --model hull for a file of hulls, or --model tour"),
    (["--model", "hull", "--data", "LICENSE", "--pretrained"], "LICENSE:1: expected `x1 y1 ... output i1 ... i1`"),
    (["--model", "tour", "--data", "LICENSE", "--pretrained"], "LICENSE:1: expected `KEY : value`, a section or numbers"),
    (["--model", "tour", "--data", "tests/tasks", "--pretrained"], "tests/tasks: expected files name.tsp of TSPLIB"),
])
def test_what_cannot_be_is_one_line_and_code_2(arguments, says, capsys, tmp_path):
    assert main(["pointer", "--out", str(tmp_path / "run"), *arguments]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1


@pytest.mark.parametrize("kind, size, name, bound", [
    ("sort", 10, "exact", 0.97), ("hull", 5, "exact", 0.85), ("hull", 10, "exact", 0.75), ("hull", 10, "area", 0.99),
    ("tour", 5, "over_optimum", 1.02), ("tour", 10, "over_optimum", 1.06)])
def test_shipped_weights(kind, size, name, bound):
    net, _ = weights_of("pointer", kind)
    found = task.measure(kind, net, *task.problems(kind, np.random.default_rng(4), 500, size))[name]
    assert found <= bound if kind == "tour" else found >= bound


def test_shipped_weights_measure_a_file_of_hulls(tmp_path):
    """Also of problems of several sizes in one file, each counted as often as it is there."""
    lines = []
    for n in (5, 5, 7):
        points = np.random.default_rng(n + len(lines)).random((n, 2))
        hull = [i + 1 for i in convex_hull(points)]
        lines.append(" ".join(map(str, [*points.ravel(), "output", *hull, hull[0]])))
    (tmp_path / "hulls.txt").write_text("\n".join(lines))
    arguments = ["--model", "hull", "--pretrained", "--data", str(tmp_path / "hulls.txt"), "--quiet", "--trace",
                 str(tmp_path / "trace.npz")]
    assert main(["pointer", "--out", str(tmp_path / "run"), *arguments]) == 0
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert [(row["length"], row["problems"]) for row in result["by_length"]] == [(5, 2), (7, 1)]
    given = np.array([float(x) for x in lines[1].split()[:10]]).reshape(5, 2)
    np.testing.assert_allclose(np.load(tmp_path / "trace.npz")["inputs"][1, 1:, :2], given)    # the figure shows the file
    rows = result["by_length"]
    assert result["metrics"]["area"] == pytest.approx((2 * rows[0]["area"] + rows[1]["area"]) / 3) and rows[0]["area"] > 0.9


def test_shipped_weights_measure_instances_of_the_library(tmp_path):
    cities = [(0, 0), (0, 3), (4, 3), (4, 0), (2, 5)]
    text = "NAME: house\nTYPE: TSP\nDIMENSION: 5\nEDGE_WEIGHT_TYPE: EUC_2D\nNODE_COORD_SECTION\n"
    (tmp_path / "house.tsp").write_text(text + "".join(f"{i} {x} {y}\n" for i, (x, y) in enumerate(cities, 1)) + "EOF\n")
    arguments = ["pointer", "--model", "tour", "--pretrained", "--data", str(tmp_path), "--quiet", "--out"]
    assert main([*arguments, str(tmp_path / "a")]) == 2                  # nobody told the length of its shortest tour
    (tmp_path / "solutions").write_text("house : 16\n")
    assert main([*arguments, str(tmp_path / "b"), "--trace", str(tmp_path / "trace.npz")]) == 0
    assert np.load(tmp_path / "trace.npz")["inputs"].shape == (1, 5, 2)
    (row,) = json.loads((tmp_path / "b" / "result.json").read_text())["by_length"]
    assert row["instance"] == "house" and row["optimum"] == 16 and 1 <= row["of_eight_views"] <= row["over_optimum"] < 1.5


@pytest.mark.parametrize("kind", task.MODELS)
def test_figures_hold_something(kind, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra `tasks`)")
    task_, config, net = tiny(kind)
    trace = task_.trace(net, config, np.random.default_rng(5))
    log = [{"step": 1, "train": {"loss": 2.0}}, {"step": 2, "train": {"loss": 1.0}},
           {"step": 2, "validation": {"exact": 0.5}}]
    paths = task_.figures(tmp_path, trace, log)
    assert [path.stem for path in paths] == ["learning-curve", "pointers"] and all(map(holds_something, paths))
