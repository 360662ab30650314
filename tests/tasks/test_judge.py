"""The task of judging sentences: its drawn sentences, the reader of NLVR, the model, what is measured and shipped."""

import json

import numpy as np
import pytest

from tasks import judge as task
from tasks.__main__ import main
from tests.attention import loops
from tests.nn.models import check_module, randomised
from tests.tasks.attending import data, holds_something, losses, small, weights_of
from tinyaug import Tensor, no_grad, using_dtype
from tinyaug.attention import Bidirectional
from tinyaug.attention.judge import Judge
from tinyaug.data import statements
from tinyaug.nn import LSTM

pytestmark = pytest.mark.host            # the command line chooses the device itself

WORDS = np.array([[2, 3, 4], [4, 2, 0]])
THINGS = np.random.default_rng(0).normal(size=(2, 4, 5))
MASK = np.array([[True] * 4, [True, True, False, False]])


def judge(looks, seed=1):
    rng = np.random.default_rng(seed)
    encoder = Bidirectional(LSTM(3, 2, rng=rng), LSTM(3, 2, rng=rng))
    return randomised(Judge(6, 5, encoder, embedding=3, looks=looks, rng=rng), rng)


def test_two_looks_against_loops():
    with using_dtype("float64"), no_grad():
        model = judge(2)
        logits, weights = model(Tensor(WORDS), Tensor(THINGS), Tensor(MASK))
        _, summary = model.encoder(model.words(Tensor(WORDS)), Tensor(WORDS != 0))
        W = {name: x.numpy().tolist() for name, x in model.named_parameters()}

        def linear(x, name):
            return [a + b for a, b in zip(loops.product(x, W[f"{name}.weight"]), W[f"{name}.bias"])]

        for b, n in enumerate((4, 2)):
            things = [np.tanh(linear(thing, "see")).tolist() for thing in THINGS[b, :n].tolist()]
            query = summary.numpy()[b].tolist()
            known = list(query)
            for look in range(2):
                scores = [loops.additive(query, [*loops.product(thing, W[f"scores.{look}.key.weight"])],
                                         W[f"scores.{look}.query.weight"], np.eye(4).tolist(),
                                         [row[0] for row in W[f"scores.{look}.weight"]]) for thing in things]
                context, looked = loops.attend(scores, things)
                np.testing.assert_allclose(weights.numpy()[b, look, :n], looked, rtol=1e-10)
                known += context
                query = np.tanh(linear([*query, *context], "next.0")).tolist()
            expected = linear(np.tanh(linear(known, "join")).tolist(), "output")
            np.testing.assert_allclose(logits.numpy()[b], expected, rtol=1e-10)
        assert not weights.numpy()[1, :, 2:].any()


@pytest.mark.parametrize("looks", [0, 1, 2])
def test_gradients(looks):
    with using_dtype("float64"):
        model = judge(looks)

        def run(things):
            logits, weights = model(Tensor(WORDS), things, Tensor(MASK))
            return logits if weights is None else (logits, weights)

        check_module(model, run, THINGS)


def test_what_is_behind_the_mask_changes_nothing():
    model, other = judge(2), THINGS.copy()
    other[1, 2:] = 7
    for a, b in zip(*(model(Tensor(WORDS), Tensor(things), Tensor(MASK)) for things in (THINGS, other))):
        np.testing.assert_allclose(a.numpy(), b.numpy(), atol=1e-6)


def test_drawn_sentences_are_true_or_false_of_their_things():
    some = statements.drawn(np.random.default_rng(0), 600)
    torn = 0
    for s in some:
        colour, kind = s.words[3:]
        assert s.true == any(thing[1:3] == (colour, kind) for thing in s.things) and len(s.things) <= statements.MOST
        torn += not s.true and {colour, kind} <= {x for thing in s.things for x in thing[1:3]}
    assert 0.45 < np.mean([s.true for s in some]) < 0.55 and torn > 100


EXAMPLE = {"sentence": "There is a Black circle.", "label": "true", "directory": "3", "structured_rep": [
    [{"x_loc": 40, "y_loc": 80, "type": "circle", "color": "Black", "size": 20}], [],
    [{"x_loc": 0, "y_loc": 1, "type": "square", "color": "#0099ff", "size": 30}]]}


def test_examples_of_nlvr_are_read(tmp_path):
    (tmp_path / "dev.json").write_text(json.dumps(EXAMPLE) + "\n")
    (found,) = statements.read(tmp_path)
    assert found == (["there", "is", "a", "black", "circle", "."], [(0, "black", "circle", 40, 80, 20),
                                                                    (2, "blue", "square", 0, 1, 30)], True, "3")
    table, mask = statements.features(found.things)
    assert table[0].tolist() == pytest.approx([1, 0, 0, 1, 0, 0, 1, 0, 0, 0.4, 0.8, 2 / 3]) and mask.sum() == 2
    assert statements.named(found.words, found.things) == {0} and statements.named(["there"], found.things) is None


@pytest.mark.parametrize("change, says", [
    ({"label": "maybe"}, ":2: expected an example of NLVR with its things, got"),
    ({"structured_rep": [[{"type": "star"}]]}, ":2: expected an example of NLVR"),
    ({"sentence": ""}, ":2: expected an example of NLVR"),
    (None, ":2: expected an example of NLVR with its things, got 'no json'"),
])
def test_a_line_that_is_none_is_named(tmp_path, change, says):
    line = "no json" if change is None else json.dumps(EXAMPLE | change)
    (tmp_path / "dev.json").write_text(json.dumps(EXAMPLE) + "\n" + line + "\n")
    with pytest.raises(ValueError) as error:
        statements.read(tmp_path / "dev.json")
    assert says in str(error.value)


@pytest.mark.parametrize("model, most", [("objects", 0.6), ("text", 0.95)])
def test_forty_steps_on_one_batch_lower_the_loss(model, most):
    found = losses(*small("judge", model, "hidden=16", "embedding=8"), steps=40)
    assert found[-1] < most * found[0]


def test_what_is_measured(monkeypatch):
    things = [(0, "black", "circle", 0, 0, 10), (1, "blue", "circle", 0, 0, 10)]
    some = [statements.Statement(["black"], things, True, "0"), statements.Statement(["there"], things, False, "0")]
    weights = np.zeros((2, 2, statements.MOST))
    weights[0, :, 0] = 0.7, 0.5
    monkeypatch.setattr(task, "judged", lambda *_: (np.array([True, True]), weights))
    assert task.measure(None, None, some) == {"exact": 0.5, "on_named": pytest.approx(0.7), "named_share": 0.5}


def test_a_run_on_nlvr_is_measured_on_other_directories(tmp_path):
    rows = [EXAMPLE | {"directory": str(i % 6), "label": "true" if i % 3 else "false"} for i in range(60)]
    (tmp_path / "dev.json").write_text("\n".join(map(json.dumps, rows)))
    arguments = ["--data", str(tmp_path), "--out", str(tmp_path / "run"), "--steps", "3", "--quiet", "--set", "hidden=8"]
    assert main(["judge", *arguments]) == 0
    metrics = json.loads((tmp_path / "run" / "result.json").read_text())["metrics"]
    assert metrics["examples"] == 20 and metrics["majority"] == 0.5 and holds_something(tmp_path / "run/figures/judged.png")
    (tmp_path / "one.json").write_text(json.dumps(EXAMPLE))
    assert main(["judge", "--data", str(tmp_path / "one.json"), "--out", str(tmp_path / "other")]) == 2


def test_shipped_weights():
    net, config = weights_of("judge", "objects")
    assert task.measure(net, config, statements.drawn(np.random.default_rng(3), 500))["exact"] >= 0.97


def test_the_public_examples_are_read():
    some = statements.read(data("nlvr/nlvr_dev_perm0.tar.xz"))
    assert len(some) == 989 and sum(s.true for s in some) == 547 and {s.group for s in some} == set("012345")
