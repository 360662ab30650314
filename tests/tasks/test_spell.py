"""The spelling task: error rates, the dictionary as its data, and what is shipped."""

import io
import json

import numpy as np
import pytest

from tasks import spell as task
from tasks import writing
from tasks.__main__ import main
from tests.tasks.attending import weights_of
from tinyaug.data import cmudict, orthography

pytestmark = pytest.mark.host            # the command line chooses the device itself

@pytest.mark.parametrize("written, right, n", [
    ("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("abc", "abc", 0), ("abc", "acb", 2), ("flaw", "lawn", 2)])
def test_edits(written, right, n):
    assert writing.edits(written, right) == n == writing.edits(right, written)


def test_of_several_pronunciations_the_nearest_counts():
    rates = task.error_rates([["R", "IY", "D"], ["K", "AE"], []], [[("R", "EH", "D"), ("R", "IY", "D")], [("K", "AE", "T")],
                                                                   [("AA",)]])
    assert rates == {"phone_error_rate": pytest.approx(2 / 7), "word_error_rate": pytest.approx(2 / 3)}


@pytest.fixture
def dictionary(tmp_path):
    """A file of 660 invented words, in the format of the dictionary."""
    path = tmp_path / "cmudict.dict"
    rng = np.random.default_rng(0)
    pairs = orthography.words(rng, 600) + orthography.words(rng, 60, testing=True)
    path.write_text("".join(f"{word} {' '.join(phones)}\n" for word, phones, _ in pairs
                            if word not in orthography.EXCEPTIONS))
    return path


@pytest.mark.slow
def test_a_run_on_a_dictionary_is_measured_on_words_that_are_held_out(dictionary, tmp_path):
    seen = set()
    with pytest.MonkeyPatch.context() as patch:
        draw = writing.batch

        def watched(config, rng, pairs, *rest):
            seen.update(pair.source for pair in pairs)
            return draw(config, rng, pairs, *rest)

        patch.setattr(writing, "batch", watched)
        code = main(["spell", "--data", str(dictionary), "--out", str(tmp_path / "run"), "--steps", "60", "--quiet",
                     "--set", "hidden=32", "--set", "validate_every=60"])
    assert code == 0
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    held = [word for word in cmudict.read(dictionary) if cmudict.held_out(word)]
    assert result["metrics"]["words"] == len(held) > 10 and not seen & set(held)
    assert set(result["target"]) == {"phone_error_rate", "word_error_rate"}
    assert 0 < result["metrics"]["phone_error_rate"] < 1 and (tmp_path / "run" / "figures" / "alignments.png").exists()


def test_a_file_that_is_no_dictionary_is_one_line_and_code_2(tmp_path, capsys):
    (tmp_path / "words.txt").write_text("hello\n")
    assert main(["spell", "--data", str(tmp_path / "words.txt"), "--out", str(tmp_path / "run"), "--steps", "1"]) == 2
    error = capsys.readouterr().err
    assert "words.txt:1: expected a word and its phones, got 'hello'" in error and error.count("\n") == 1


def test_shipped_weights_spell_unseen_words():
    net, _ = weights_of("spell", "rnn")
    pairs = orthography.words(np.random.default_rng(6), 300, testing=True)
    assert writing.exact(net, pairs, task.SOURCES, task.TARGETS) >= 0.97


def test_interactive_spells(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("Nate\n\n"))
    assert main(["spell", "--interactive"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "N EY T"
