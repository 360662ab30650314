"""Translation of sentences: what is trained and measured, the words that are kept with the weights, and what is shipped."""

import io
import json
from itertools import product

import numpy as np
import pytest

from tasks import translate as task
from tasks.__main__ import load, main
from tasks.ship import ship
from tests.tasks.attending import data, holds_something, losses, small, weights_of

WORDS = {"a": "un", "the": "le", "small": "petit", "big": "grand", "dog": "chien", "cat": "chat", "boy": "gar\u00e7on",
         "sleeps": "dort", "eats": "mange", "runs": "court"}
TINY = ["hidden=16", "embedding=8", "longest=6"]

pytestmark = pytest.mark.host            # the command line chooses the device itself


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Every sentence of such words, but every fifth, and those apart: a folder in the layout of Multi30k."""
    path = tmp_path_factory.mktemp("pairs")
    kinds = [("a", "the"), ("small", "big"), ("dog", "cat", "boy"), ("sleeps", "eats", "runs")]
    english = [" ".join([*words, "."]) for words in product(*kinds)] * 3
    for name, some in (("train", [x for i, x in enumerate(english) if i % 5]), ("val", english[::5])):
        (path / f"{name}.en").write_text("\n".join(some) + "\n")
        (path / f"{name}.fr").write_text("\n".join(" ".join(WORDS.get(w, w) for w in x.split()) for x in some) + "\n")
    return path


@pytest.fixture(scope="module")
def run(folder, tmp_path_factory):
    """A run of a few seconds that is shipped. returns: run folder, folder of its weights"""
    place = tmp_path_factory.mktemp("run")
    code = main(["translate", "--data", str(folder), "--out", str(place / "run"), "--steps", "150", "--quiet", "--set",
                 "hidden=32", "--set", "validate_every=150", "--set", "rate=0.01"])
    assert code == 0
    ship(place / "run", place / "weights")
    return place / "run", place / "weights"


def test_a_run_on_sentences_is_measured_in_bleu_and_by_length(run):
    result = json.loads((run[0] / "result.json").read_text())
    assert result["metrics"]["sentences"] > 5 and result["target"] == {}
    assert 80 < result["metrics"]["bleu"] < 100.01
    assert result["metrics"]["bleu"] == pytest.approx(result["metrics"]["bleu_all"])
    assert [row["length"] for row in result["by_length"]] == [6] and result["by_length"][0]["sentences"] > 5
    assert all(holds_something(run[0] / "figures" / f"{name}.png") for name in ("alignments", "learning-curve"))


def test_the_words_are_kept_with_the_weights_and_a_test_set_of_others_is_measured(run, tmp_path, capsys):
    """The folder has no training set, and a word that was never trained."""
    (tmp_path / "test_2016.en").write_text("the big cat runs .\na small zebra eats .\n")
    (tmp_path / "test_2016.fr").write_text("le grand chat court .\nun petit z\u00e8bre mange .\n")
    out = tmp_path / "out"
    assert main(["translate", "--pretrained", "--data", str(tmp_path), "--out", str(out), "--quiet"], weights=run[1]) == 0
    result = json.loads((out / "result.json").read_text())
    assert result["metrics"]["sentences"] == 2


def test_interactive_translates_and_names_what_it_does_not_know(run, folder, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("The big zebra sleeps.\n"))
    assert main(["translate", "--interactive", "--data", str(folder)], weights=run[1]) == 0
    said = capsys.readouterr()
    assert "line 1: got 'zebra', not trained, read as <unk>" in said.err and "le" in said.out.split()


def test_words_of_validation_and_test_are_never_seen(folder):
    _, config, _ = small("translate", "rnn", *TINY, data=folder)
    buckets, validation, testing = task.of_file(config)
    trained = {" ".join(pair.source) for bucket in buckets.values() for pair in bucket}
    assert not trained & {" ".join(pair.source) for pair in validation} and len(testing) > 5
    assert config["known"][0][0] == "." and set(config["known"][0]) == {*WORDS, "."}


def test_a_share_of_the_words_is_forgotten_and_never_a_target(folder):
    _, config, _ = small("translate", "no-attention", *TINY, "forget=0.5", data=folder)
    source, shifted, targets = task.batch(config, np.random.default_rng(0), 1)
    assert source.shape == shifted.shape == targets.shape == (64, 8)
    assert 0.4 < (source[source > 0] == 2).mean() < 0.6 and not (targets == 2).any() and (shifted[:, 0] == 1).all()


@pytest.mark.parametrize("model", task.MODELS)
def test_thirty_steps_on_one_batch_lower_the_loss(folder, model):
    changes = ["width=16", "hidden=16", "longest=6"] if model == "transformer" else TINY
    found = losses(*small("translate", model, *changes, data=folder), steps=30)
    assert found[-1] < 0.8 * found[0]


@pytest.mark.parametrize("arguments, says", [
    (["--set", "longest=0"], "longest: got 0, expected at least 1"),
    (["--set", "forget=1"], "forget: got 1.0, expected 0 .. 1, less than 1"),
    (["--set", "target=en"], "target: got 'en', expected another language than the source's"),
    (["--data", "LICENSE"], "LICENSE:1: expected `sentence <tab> translation`"),
    (["--data", "docs"], "docs: expected files set.en and set.fr, such as train.en.gz and train.fr.gz, got none"),
])
def test_what_cannot_be_is_one_line_and_code_2(arguments, says, capsys, tmp_path):
    assert main(["translate", "--out", str(tmp_path / "run"), *arguments]) == 2
    error = capsys.readouterr().err
    assert says in error and error.count("\n") == 1 and not (tmp_path / "run").exists()


@pytest.mark.slow
def test_shipped_weights_translate_the_public_set():
    path = data("multi30k")
    net, config = weights_of("translate", "rnn", data=path)
    references = task.of_file(config)[2]
    short = {text: several for text, several in references.items() if len(text.split()) <= 9}
    assert load("translate").data and task.score(net, config, dict(list(short.items())[:100])) > 15
