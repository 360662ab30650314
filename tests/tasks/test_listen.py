"""The listening task: batches, what is measured, spoken digits as its data, and what is shipped."""

import json
import wave

import numpy as np
import pytest

from tasks import listen as task
from tasks.__main__ import main
from tests.tasks.attending import losses, small, weights_of
from tinyaug.data import audio

pytestmark = pytest.mark.host            # the command line chooses the device itself
TINY = ["hidden=16", "embedding=8"]


@pytest.fixture(autouse=True)
def few_utterances(monkeypatch):
    monkeypatch.setattr(task, "CORPUS", 40)
    monkeypatch.setattr(task, "TESTED", 40)
    task.corpus.cache_clear()
    yield
    task.corpus.cache_clear()


def test_frames_are_padded_and_masked():
    features = [np.ones((5, audio.BANDS)), np.ones((20, audio.BANDS))]
    frames, mask, shifted, targets = task.arrays(features, ["ab", "c"])
    assert frames.shape == (2, 32, audio.BANDS) and mask.sum(axis=1).tolist() == [5, 20]
    assert not frames[~mask].any() and frames[mask].all()
    assert targets[0, :4].tolist() == [2, 3, 1, 0] and shifted[0, :4].tolist() == [1, 2, 3, 0]


@pytest.mark.parametrize("model", task.MODELS)
def test_fifteen_steps_on_one_batch_lower_the_loss(model):
    found = losses(*small("listen", model, *TINY), steps=15, batch=4)
    assert found[-1] < 0.85 * found[0]


def test_the_pyramid_has_a_quarter_of_the_windows():
    for model, factor in (("pyramid", 4), ("flat", 1)):
        _, _, net = small("listen", model, *TINY)
        assert net.encoder.factor == factor
        _, weights = task.answers(net, [audio.speak(np.random.default_rng(0), "abc")[0]])
        assert len(weights[0][0]) == task.STEP * 2 / factor


def test_what_is_measured(monkeypatch):
    sounds = [(None, "one two", None), (None, "ab", None)]
    eye = np.eye(5)
    looked = [list(eye[[0, 1, 3, 2, 1, 4]]), list(eye[[2, 0, 4]])]
    monkeypatch.setattr(task, "answers", lambda *_: (["one tow", "ab"], looked))
    found = task.measure(None, sounds)
    assert found == {"character_error_rate": pytest.approx(2 / 9), "word_error_rate": pytest.approx(1 / 3),
                     "exact": 0.5, "monotone": pytest.approx(2 / 5)}         # moves 1 2 -1 -1 and -2


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Recordings of two digits by one speaker, ten of each: tones of two pitches."""
    folder = tmp_path_factory.mktemp("digits")
    for digit in (1, 2):
        for index in range(10):
            with wave.open(str(folder / f"{digit}_ann_{index}.wav"), "wb") as file:
                file.setparams((1, 2, 8000, 0, "NONE", ""))
                samples = np.sin(np.arange(1500 + 40 * index) * (0.3 * digit))
                file.writeframes((samples * 8000).astype("<i2").tobytes())
    return folder


def test_digits_are_joined_from_recordings_of_one_speaker_and_some_are_held_out(digits):
    training, testing = task.recordings(str(digits))
    assert {digit: len(clips) for digit, clips in training["ann"].items()} == {1: 9, 2: 9}
    assert {len(clips[0]) for clips in testing["ann"].values()} == {1500 + 40 * 9}
    for samples, text, _ in task.joined(np.random.default_rng(0), [1, 2, 3, 4, 5] * 4, training):
        words = text.split()
        assert 1 <= len(words) <= 5 and set(words) <= {"one", "two"}
        assert 1500 * len(words) <= len(samples) <= 1820 * len(words)


@pytest.mark.slow
def test_a_run_on_recordings(digits, tmp_path):
    code = main(["listen", "--data", str(digits), "--out", str(tmp_path / "run"), "--steps", "5", "--quiet", "--set",
                 "hidden=16", "--set", "batch=4", "--set", "validate_every=5"])
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert code == 0 and set(result["target"]) == {"word_error_rate"} and result["metrics"]["word_error_rate"] > 0
    assert (tmp_path / "run" / "figures" / "heard.png").stat().st_size > 5000


def test_shipped_weights_hear_synthetic_speech():
    net, _ = weights_of("listen", "pyramid")
    found = task.measure(net, audio.synthetic(np.random.default_rng(7), 200))
    assert found["character_error_rate"] <= 0.03 and found["monotone"] >= 0.93


def test_a_score_by_place_is_refused(capsys, tmp_path):
    assert main(["listen", "--out", str(tmp_path / "run"), "--set", "score=location"]) == 2
    assert "score: got 'location', expected one of additive, dot, general, concat" in capsys.readouterr().err


def test_a_wave_file_is_heard_and_what_is_none_is_refused(tmp_path, capsys):
    samples, _ = audio.speak(np.random.default_rng(8), "face")
    with wave.open(str(tmp_path / "face.wav"), "wb") as file:
        file.setparams((2, 2, 16000, 0, "NONE", ""))
        twice = np.interp(np.arange(2 * len(samples)) / 2, np.arange(len(samples)), samples)
        file.writeframes((np.stack([twice, twice], 1) * 16000).astype("<i2").tobytes())
    assert main(["listen", "--wav", str(tmp_path / "face.wav")]) == 0
    heard = capsys.readouterr().out.splitlines()
    assert heard[1].startswith(f"    {heard[0][0]} at 0.") and len(heard) == 1 + len(heard[0])
    (tmp_path / "x.wav").write_bytes(b"none")
    assert main(["listen", "--wav", str(tmp_path / "x.wav")]) == 2
    error = capsys.readouterr().err
    assert "x.wav: expected a PCM wave file" in error and error.count("\n") == 1
    assert main(["listen", "--wav", "x.wav", "--steps", "2"]) == 2
    assert "--steps: not together with --wav" in capsys.readouterr().err
