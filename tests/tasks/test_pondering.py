"""What the tasks of adaptive computation time share: one loss for every form of pondering, one way to count mistakes."""

import json
import re
from math import log
from pathlib import Path

import numpy as np
import pytest

from tasks import pondering, sweep
from tasks.__main__ import load, main
from tests.tasks.pondering import figures_are_there, refused, run, small
from tinyaug import Tensor, ops
from tinyaug.halting import ACT, Fixed, PonderNet

NAMES = ["parity", "logic", "addition", "sort"]
pytestmark = pytest.mark.host            # the command line chooses the device itself


def test_the_forget_gates_of_an_lstm_begin_where_a_recipe_says():
    for change, expected in ((["forget_bias=2.5"], 2.5), ([], load("sort").models["lstm"]["forget_bias"])):
        net, _ = small("sort", "hidden=8", *change)
        bias = net.core.core.bias.numpy()
        assert bias[8:16].tolist() == [expected] * 8 and not bias[:8].any() and not bias[16:].any()
    assert small("addition", "hidden=8")[0].core.core.bias.numpy()[8:16].tolist() == [1.0] * 8


def by_hand(logits, targets):
    """Cross-entropy of all answers that are due: logits (..., P, C), targets (..., P) of one sequence."""
    total = 0.0
    for row, target in zip(logits.reshape(-1, logits.shape[-1]), targets.ravel()):
        total -= 0 if target < 0 else row[target] - log(np.exp(row.astype(float)).sum())
    return total


@pytest.mark.parametrize("name, form, kind", [("parity", "act", ACT), ("addition", "act", ACT), ("sort", "none", Fixed),
                                              ("logic", "fixed", Fixed)])
def test_the_loss_is_error_plus_penalty_times_cost(name, form, kind):
    net, config = small(name, f"ponder={form}", "hidden=8", "batch=3", "time_penalty=0.5", "limit=4")
    assert type(net.core) is kind and net.core.limit == (1 if form == "none" else 4)
    inputs, targets, terms = task_batch(name, config)
    thoughts, state = net(Tensor(inputs))
    logits = np.stack([net.logits(thought.output).numpy() for thought in thoughts])        # (T, B, P, C)
    error = np.mean([by_hand(logits[:, b], targets[:, b]) for b in range(3)])
    value, logged = pondering.loss(net, Tensor(inputs), Tensor(targets), Tensor(terms))
    assert logged["error"].item() == pytest.approx(error, rel=1e-4)
    assert value.item() == pytest.approx(error + 0.5 * state.ponder_cost.numpy().mean(), rel=1e-4)
    if form == "none":
        assert logged["steps"].item() == 1 and logged["ponder_cost"].item() == len(inputs)


def task_batch(name, config):
    return load(name).batch(config, np.random.default_rng(2), 10 ** 6)


def test_ponder_nets_loss_is_the_mean_of_the_steps_losses():
    net, config = small("addition", "ponder=pondernet", "hidden=8", "batch=2", "time_penalty=0.1", "limit=3")
    assert type(net.core) is PonderNet
    inputs, targets, terms = task_batch("addition", config)
    thoughts, state = net(Tensor(inputs))
    error = 0.0
    for thought, target in zip(thoughts, targets):
        logits, p = net.logits(thought.outputs).numpy(), thought.weights.numpy()
        error += np.mean([sum(p[n, b] * by_hand(logits[n, b], target[b]) for n in range(3)) for b in range(2)])
    value, logged = pondering.loss(net, Tensor(inputs), Tensor(targets), Tensor(terms))
    assert logged["error"].item() == pytest.approx(error, rel=1e-4)
    assert value.item() == pytest.approx(error + 0.1 * state.ponder_cost.numpy().mean(), rel=1e-4)
    held = net.probabilities(thoughts[-1]).numpy()
    np.testing.assert_allclose(held.sum(axis=-1), 1, atol=1e-5)


def test_practice_counts_the_answers_after_the_steps_where_they_are_due_and_then_gives_way():
    """Freedom 0: sum_n due_n error(y^n), at no cost; freedom 1: the loss."""
    net, config = small("sort", "hidden=8", "batch=2", "limit=3", "numbers=3", "time_penalty=0.5", "practice=100")
    inputs, targets, _ = task_batch("sort", config)
    thoughts, _ = net(Tensor(inputs), whole=True)
    error = 0.0
    for thought, target in zip(thoughts, targets):
        logits = net.logits(thought.outputs).numpy()
        error += np.mean([0.25 * by_hand(logits[1, b], target[b]) + 0.75 * by_hand(logits[2, b], target[b])
                          for b in range(2)])
    value, logged = pondering.loss(net, Tensor(inputs), Tensor(targets), Tensor([0.5, 0.0, 0.0, 0.25, 0.75]))
    assert value.item() == logged["error"].item() == pytest.approx(error, rel=1e-4)
    free, usual = (pondering.loss(net, Tensor(inputs), Tensor(targets), Tensor(terms))[0].item()
                   for terms in ([0.5, 1.0, 0.0, 0.25, 0.75], [0.5]))
    assert free == pytest.approx(usual, rel=1e-5)


def test_at_a_single_input_the_halting_unit_learns_nothing_from_practice():
    net, config = small("parity", "hidden=8", "batch=2", "limit=3", model="rnn")
    inputs, targets, _ = task_batch("parity", config)
    pondering.loss(net, Tensor(inputs), Tensor(targets), Tensor([0.5, 0.0, 0.0, 0.0, 1.0]))[0].backward()
    assert not np.any(net.core.halting.weight.grad.numpy()) and not np.any(net.core.halting.bias.grad.numpy())
    assert np.any(net.core.core.linear.weight.grad.numpy())


def test_practice_ends():
    config = {"practice": 100, "time_penalty": 0.5, "ponder": "act", "limit": 3}
    found = [pondering.terms(config, i).tolist() for i in (1, 100, 110, 120, 121)]
    assert found == [[0.5, 0, 0, 0, 1], [0.5, 0, 0, 0, 1], [0.5, pytest.approx(0.5), 0, 0, 1],
                     [0.5, pytest.approx(1), 0, 0, 1], [0.5]]
    assert pondering.terms(config, 1, due=2).tolist() == [0.5, 0, 0, 1, 0]
    for other in ("none", "fixed", "pondernet"):                    # these have nothing to practise for
        assert pondering.terms(config | {"ponder": other}, 1).tolist() == [0.5]
    assert all(pondering.terms(config | {"practice": 0}, i).tolist() == [0.5] for i in (0, 1))


@pytest.mark.parametrize("form", pondering.CHOICES["ponder"])
def test_a_place_where_no_answer_is_due_has_no_gradient(form):
    net, config = small("sort", f"ponder={form}", "hidden=8", "limit=3")
    inputs, targets, _ = task_batch("sort", config)
    targets[:] = -1
    value, _ = pondering.loss(net, Tensor(inputs), Tensor(targets), Tensor([0.0]))
    value.backward()
    assert value.item() == 0 and not any(np.any(x.grad.numpy()) for x in net.parameters() if x.grad is not None)


def test_answers_are_counted_where_they_are_due():
    net, config = small("addition", "hidden=8", "batch=5")
    inputs, targets, _ = task_batch("addition", config)
    wrong, due, steps = pondering.answers(net, inputs, targets)
    guess = np.stack([net.logits(thought.output).numpy().argmax(-1) for thought in net(Tensor(inputs))[0]])
    np.testing.assert_array_equal(due, targets >= 0)
    np.testing.assert_array_equal(wrong, (guess != targets) & due)
    assert not due[0].any() and due[1:].all() and steps.shape == targets.shape[:2]


def test_correlation():
    assert pondering.correlation([1, 2, 3], [2, 4, 6]) == pytest.approx(1)
    assert pondering.correlation([1, 2, 3], [5, 5, 5]) == 0
    assert pondering.correlation([[1, 2], [3, 4]], [[1, 3], [2, 4]]) == pytest.approx(0.8)


LESSONS = {"growing": 40, "practice": 10, "newest": 0.0, "time_penalty": 0.5, "ponder": "act", "limit": 3}


def lessons(i, due=None, **changes):
    """What 300 lessons at step i are: {level: its terms}, of the levels 2 to 6 that open every 10 steps."""
    config = LESSONS | changes
    rng, found = np.random.default_rng(i), {}
    for _ in range(300):
        level, terms = pondering.lesson(config, rng, i, 2, 6, due)
        found.setdefault(level, []).append(terms.tolist())
    assert all(terms == rows[0] for rows in found.values() for terms in rows)
    assert min(map(len, found.values())) > 0.6 * 300 / len(found)                   # equally often
    return {level: found[level][0] for level in sorted(found)}


def test_levels_open_one_by_one_each_is_practised_and_then_free():
    assert lessons(1) == {2: [0.5, 0, 0, 0, 1]}
    assert lessons(11) == {2: [0.5, pytest.approx(0.5), 0, 0, 1], 3: [0.5, 0, 0, 0, 1]}
    assert lessons(23) == {2: [0.5], 3: [0.5], 4: [0.5, 0, 0, 0, 1]}
    assert lessons(50) == {2: [0.5], 3: [0.5], 4: [0.5], 5: [0.5], 6: [0.5, 0, 0, 0, 1]}
    assert lessons(99) == {6: [0.5]}                                                # the hardest is free
    assert lessons(1, ponder="none") == {2: [0.5]} and list(lessons(1, growing=0)) == [2, 3, 4, 5, 6]


def test_with_a_bend_levels_open_fast_and_then_slowly():
    """The third of four that follow the first opens at 40 (3 / 4)^2 = 22.5."""
    rng = np.random.default_rng(1)
    opened = [max(pondering.lesson(LESSONS, rng, i, 2, 6, bend=2)[0] for _ in range(60))
              for i in (1, 2, 9, 10, 21, 22, 39, 40)]
    assert opened == [2, 3, 3, 4, 4, 5, 5, 6]


def test_the_newest_level_comes_more_often_where_it_shall():
    rng = np.random.default_rng(0)
    levels = [pondering.lesson(LESSONS | {"newest": 0.5}, rng, 20, 2, 6)[0] for _ in range(600)]
    assert abs(levels.count(4) / 600 - (0.5 + 0.5 / 3)) < 0.06 and set(levels) == {2, 3, 4}


def test_in_practice_the_task_says_after_which_step_the_answer_is_due():
    found = lessons(40, due=lambda level: level // 2, practice=1000)
    assert {level: terms[2:].index(1) + 1 for level, terms in found.items()} == {2: 1, 3: 1, 4: 2, 5: 2, 6: 3}
    assert all(terms[:2] == [0.5, 0] for terms in found.values())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("change, says", [
    ("time_penalty=-0.1", "time_penalty: got -0.1, expected at least 0"),
    ("practice=-1", "practice: got -1, expected at least 0"),
    ("newest=2", "newest: got 2.0, expected 0 to 1"),
    ("epsilon=1", "epsilon: got 1.0, expected more than 0 and less than 1"),
    ("epsilon=0", "epsilon: got 0.0, expected more than 0 and less than 1"),
    ("limit=0", "limit: got 0, expected at least 1"),
    ("prior=0", "prior: got 0.0, expected more than 0 and less than 1"),
    ("hidden=0", "hidden: got 0, expected at least 1"),
    ("rate=0", "rate: got 0.0, expected more than 0"),
    ("ponder=long", "ponder: got 'long', expected one of act, none, fixed, pondernet"),
])
def test_a_setting_that_cannot_be(name, change, says, capsys, tmp_path):
    refused(name, change, says, capsys, tmp_path / "run")


@pytest.mark.parametrize("name, change, says", [
    ("parity", "size=1", "size: got 1, expected at least 2"),
    ("parity", "most=17", "most: got 17, expected 0 (all) or at most size=16"),
    ("parity", "bend=0", "bend: got 0, expected at least 1"),
    ("parity", "in_order=2", "in_order: got 2, expected 0 or 1"),
    ("logic", "gates=0", "gates: got 0, expected at least 1"),
    ("logic", "train_length=0", "train_length: got 0, expected at least 1"),
    ("logic", "max_length=0", "max_length: got 0, expected at least 1"),
    ("addition", "digits=0", "digits: got 0, expected 1 to 9"),
    ("addition", "numbers=1", "numbers: got 1, expected at least 2: one number is no sum"),
    ("sort", "numbers=1", "numbers: got 1, expected at least 2"),
    ("sort", "gap=0.5", "gap: got 0.5, expected 0 to 0.4"),
    ("sort", "gap=-1", "gap: got -1.0, expected 0 to 0.4"),
])
def test_a_setting_of_one_task_that_cannot_be(name, change, says, capsys, tmp_path):
    refused(name, change, says, capsys, tmp_path / "run")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", ["fixed", "none"])
def test_ponder_is_an_option(name, form):
    from tasks.__main__ import parser
    assert parser(load(name)).parse_args(["--ponder", form]).ponder == form


def test_a_sweep_trains_every_penalty_and_seed_and_compares(tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra `tasks`)")
    words = ["parity", "--sweep", "0,0.1", "--seeds", "1", "--jobs", "2", "--out", str(tmp_path / "sweep"), "--steps", "2"]
    for change in ("size=4", "hidden=8", "batch=4", "limit=2"):
        words += ["--set", change]
    assert main(words) == 0
    rows = json.loads((tmp_path / "sweep" / "sweep.json").read_text())
    assert [(row["time_penalty"], row["seed"]) for row in rows] == [(0.0, 1), (0.1, 1)]
    assert all(0 <= row["error"] <= 1 and 1 <= row["steps"] <= 2 and abs(row["correlation"]) <= 1 for row in rows)
    assert (tmp_path / "sweep" / "sweep.png").stat().st_size > 5000 and "penalty  seed" in capsys.readouterr().out
    config = json.loads((tmp_path / "sweep" / "penalty-0.1-seed1" / "config.json").read_text())
    assert (config["time_penalty"], config["size"], config["seed"]) == (0.1, 4, 1)


@pytest.mark.parametrize("words, says", [
    (["--sweep", "0.1,-1"], "--sweep: got '0.1,-1', expected numbers of at least 0"),
    (["--sweep", "much"], "--sweep: got 'much', expected numbers"),
    (["--sweep", "0.1", "--pretrained"], "--sweep: not together with --pretrained"),
    (["--sweep", "0.1", "--seeds", "0"], "--sweep: got 0 seeds"),
])
def test_a_sweep_that_cannot_be(words, says, capsys, tmp_path):
    assert main(["parity", "--out", str(tmp_path / "run"), *words]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1 and not (tmp_path / "run").exists()


def test_without_sweep_a_task_trains():
    class Options:
        sweep = None
    assert sweep.command("parity")(Options(), None) is None


def test_the_trace_is_the_answer_that_is_measured():
    net, config = small("logic", "hidden=8", "max_length=3", "gates=2")
    trace = load("logic").trace(net, config, np.random.default_rng(1))
    T, N = 3, config["limit"]
    assert trace["outputs"].shape == (T, N, 1, 8) and trace["halting"].shape == trace["weights"].shape == (T, N, 1)
    thoughts, _ = net(Tensor(trace["input"]))
    np.testing.assert_array_equal(trace["steps"], [thought.steps.numpy() for thought in thoughts])
    mean = (trace["weights"][..., None] * trace["outputs"]).sum(axis=1)
    expected = ops.softmax(net.logits(Tensor(mean))).numpy()
    np.testing.assert_allclose(trace["probabilities"], expected, atol=1e-5)
    assert len(trace["difficulty"]) == len(trace["difficulty_steps"]) == len(trace["difficulty_wrong"]) == 3 * 200


def test_the_page_has_the_recipes_and_the_bars_that_run():
    page = (Path(__file__).parents[2] / "docs" / "pondering.md").read_text()
    recipes = [next(iter(load(name).models.values())) for name in NAMES]
    keys = dict.fromkeys(key for recipe in recipes for key in recipe)
    rows = [[key, *(str(recipe.get(key, "-")) for recipe in recipes)] for key in keys]
    found = re.findall(r"^\| `(\w+)` \| (\S+) \| (\S+) \| (\S+) \| (\S+) \| ", page, re.MULTILINE)
    assert [list(row) for row in found] == rows
    result = {"metrics": {"error": 0.0, "correlation": 1.0}}
    bars = {name: {key: bar["bound"] for key, bar in load(name).targets({}, result).items()} for name in NAMES}
    said = re.findall(r"^\| `(\w+)`, `(\w+)` \| ([\d.]+) \|", page, re.MULTILINE)
    assert [(name, key, float(bound)) for name, key, bound in said] == [
        (name, key, bound) for name in NAMES for key, bound in bars[name].items()]


@pytest.mark.slow
@pytest.mark.parametrize("name, figures", [
    ("parity", ["one-input", "by-difficulty"]),
    ("logic", ["one-input", "a-sequence", "by-difficulty"]),
    ("addition", ["one-input", "a-sequence", "by-difficulty"]),
    ("sort", ["one-input", "a-sequence", "by-difficulty"]),
])
def test_shipped_weights_reach_what_the_page_tells(name, figures, tmp_path):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed (extra `tasks`)")
    result, trace = run(name, tmp_path / "shown", "--pretrained")
    assert all(bar["reached"] for bar in result["target"].values())
    assert result["metrics"]["error"] < 0.05
    np.testing.assert_allclose(trace["weights"].sum(axis=1), 1, atol=1e-5)
    figures_are_there(tmp_path / "shown", figures)
