"""Sound: files of every kind, features, synthetic speech; and pictures of shapes."""

import io
import struct
import tarfile
import wave

import numpy as np
import pytest

from tinyaug.data import audio
from tinyaug.data.shapes import CELL, COLOURS, GRID, SHAPES, WORDS, scenes

pytestmark = pytest.mark.host


def wav(samples, rate=8000, channels=1, width=2):
    """The bytes of a wave file of samples (N,) or (N, channels) in -1 .. 1"""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((channels, width, rate, 0, "NONE", ""))
        whole = np.asarray(samples) * (2 ** (8 * width - 1) - 1)
        content = (whole + 128 * (width == 1)).astype({1: "u1", 2: "<i2", 3: "<i4", 4: "<i4"}[width]).tobytes()
        out.writeframes(np.frombuffer(content, "u1").reshape(-1, 4)[:, :3].tobytes() if width == 3 else content)
    return file.getvalue()


def five_bytes(content):
    """A wave file whose header says that a sample has 40 bits."""
    return content[:32] + struct.pack("<HH", 5, 40) + content[36:]


def tone(frequency, rate, seconds=0.5):
    return 0.5 * np.sin(2 * np.pi * frequency * np.arange(int(rate * seconds)) / rate)


@pytest.mark.parametrize("width, error", [(1, 2e-2), (2, 1e-4), (3, 1e-6), (4, 1e-6)])
def test_a_wave_file_gives_its_samples(width, error, tmp_path):
    (tmp_path / "tone.wav").write_bytes(wav(tone(440, 8000), width=width))
    np.testing.assert_allclose(audio.read_wav(tmp_path / "tone.wav"), tone(440, 8000), atol=error)


def test_two_channels_are_averaged():
    both = np.stack([tone(440, 8000), 0.2 * tone(440, 8000)], axis=1)
    np.testing.assert_allclose(audio.read_wav(wav(both, channels=2)), 0.6 * tone(440, 8000), atol=1e-4)


@pytest.mark.parametrize("rate", [4000, 16000, 44100])
def test_another_rate_is_resampled(rate):
    samples = audio.read_wav(wav(tone(440, rate), rate))
    assert abs(len(samples) - 4000) <= 1
    spectrum = np.abs(np.fft.rfft(samples))
    assert np.argmax(spectrum) * 8000 / len(samples) == pytest.approx(440, abs=3)
    np.testing.assert_allclose(samples[100:-100], tone(440, 8000)[100:len(samples) - 100], atol=0.05)


def test_frequencies_that_the_rate_cannot_hold_are_cut_off_and_not_folded_back():
    assert np.abs(audio.read_wav(wav(tone(6000, 16000), 16000)))[100:-100].max() < 0.02


@pytest.mark.parametrize("content, says", [
    (b"no sound at all", "x.wav: expected a PCM wave file, got file does not start"),
    (b"", "x.wav: expected a PCM wave file, got one that is cut short"),
    (wav(tone(440, 8000))[:2000], r"x.wav: got \d+ of 4000 samples, expected all"),
    (wav(np.zeros(10)), "x.wav: got 10 of 10 samples, expected all, at least 200"),
    (five_bytes(wav(np.zeros(900))), "x.wav: got samples of 40 bits, expected 8, 16, 24 or 32"),
])
def test_what_is_no_sound_is_one_line(content, says, tmp_path):
    (tmp_path / "x.wav").write_bytes(content)
    with pytest.raises(ValueError, match=says) as error:
        audio.read_wav(tmp_path / "x.wav")
    assert "\n" not in str(error.value)


def test_the_band_of_a_tone_has_the_energy():
    rows = [audio.log_mel(tone(f, 8000)) for f in (300, 1000, 3000)]
    assert all(row.shape == (1 + (4000 - 200) // 80, audio.BANDS) for row in rows)
    peaks = [int(row.mean(axis=0).argmax()) for row in rows]
    mels = [2595 * np.log10(1 + f / 700) for f in (100, 300, 1000, 3000, 3800)]
    expected = [(mel - mels[0]) / (mels[4] - mels[0]) * (audio.BANDS + 1) - 1 for mel in mels[1:4]]
    np.testing.assert_allclose(peaks, expected, atol=1)


def test_every_letter_has_a_sound_of_its_own():
    rng = np.random.default_rng(0)
    means = np.stack([audio.log_mel(audio.speak(rng, letter, noise=0)[0]).mean(axis=0) for letter in audio.LETTERS])
    apart = np.abs(means[:, None] - means[None]).max(-1) + 9 * np.eye(len(means))
    assert apart.min() > 0.1
    for samples, text, ends in audio.synthetic(rng, 50):
        assert 2 <= len(text) == len(ends) <= 6 and ends[-1] == len(samples)
        assert all(480 <= b - a <= 1040 for a, b in zip([0, *ends], ends))


def test_spoken_digits_are_read_from_a_folder_and_from_an_archive(tmp_path):
    for name in ("3_ann_0", "7_ann_12", "3_bob_1"):
        (tmp_path / f"{name}.wav").write_bytes(wav(tone(440, 8000)))
    (tmp_path / "notes.wav").write_bytes(b"not a digit, and not read")
    with tarfile.open(tmp_path / "digits.tar.xz", "w:xz") as archive:
        for file in sorted(tmp_path.glob("*_*.wav")):
            archive.add(file, f"recordings/{file.name}")
    for path in (tmp_path, tmp_path / "digits.tar.xz"):
        found = audio.read_digits(path)
        assert {who: [clip[:2] for clip in clips] for who, clips in found.items()} == {
            "ann": [(3, 0), (7, 12)], "bob": [(3, 1)]}
    whole = (tmp_path / "digits.tar.xz").read_bytes()
    (tmp_path / "short.tar.xz").write_bytes(whole[:len(whole) // 2])
    (tmp_path / "other").write_text("x")
    for name in ("short.tar.xz", "other"):
        with pytest.raises(ValueError, match=f"{name}: expected"):
            audio.read_digits(tmp_path / name)


def test_a_picture_shows_what_its_sentence_says():
    pictures, pairs = scenes(np.random.default_rng(0), 300)
    assert pictures.shape == (300, 24, 24, 3) and pictures.min() >= 0 and pictures.max() <= 1
    for picture, pair in zip(pictures, pairs):
        WORDS.encode(pair.target)
        for word, where in zip(pair.target, pair.places):
            if not where:
                continue
            top, left = (CELL * part for part in divmod(*where, GRID))
            cell = picture[top:top + CELL, left:left + CELL]
            if word in SHAPES:
                shown = cell.max(axis=-1) > 0.5
                assert ["".join(".#"[int(x)] for x in row) for row in shown] == SHAPES[word]
            else:
                np.testing.assert_allclose(cell[cell.max(axis=-1) > 0.5].mean(axis=0), COLOURS[word], atol=0.12)
        if len(pair.source) == 2:
            one, other = (divmod(cell, GRID) for cell in pair.source)
            assert ("left" in pair.target) == (one[0] == other[0]) and one < other
        outside = [c for c in range(GRID * GRID) if c not in pair.source]
        top, left = (CELL * part for part in divmod(outside[0], GRID))
        assert picture[top:top + CELL, left:left + CELL].max() < 0.4
