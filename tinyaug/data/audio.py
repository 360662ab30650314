"""Sound: wave files, log-mel features, synthetic speech, and digits joined into utterances."""

import io
import re
import tarfile
import wave
from pathlib import Path

import numpy as np

__all__ = ["BANDS", "HOP", "LETTERS", "NAMES", "RATE", "log_mel", "read_digits", "read_wav", "resample", "speak",
           "synthetic"]

RATE = 8000                     # samples a second
HOP, WINDOW = 80, 200           # a frame begins every 10 ms and lasts 25 ms, as in Chan et al. 2015
BANDS = 24                      # mel bands between 100 and 3,800 Hz
LETTERS = "abcdefghijkl"        # of the synthetic speech
NAMES = "zero one two three four five six seven eight nine".split()


def read_wav(source, name=None):
    """Samples in -1 .. 1 at RATE. Several channels are averaged, another rate is resampled.

    source: a path, or the bytes of a file
    raises: ValueError where it is no PCM wave file of 8, 16, 24 or 32 bits, or holds no sound
    """
    name = name or source
    try:
        with wave.open(io.BytesIO(source) if isinstance(source, bytes) else str(source)) as file:
            channels, width, rate, count = file.getparams()[:4]
            raw = file.readframes(count)
    except OSError as error:
        raise ValueError(f"{name}: expected a PCM wave file, got {error.strerror}") from None
    except (wave.Error, EOFError) as error:
        raise ValueError(f"{name}: expected a PCM wave file, got {str(error) or 'one that is cut short'}") from None
    if width not in (1, 2, 3, 4):
        raise ValueError(f"{name}: got samples of {8 * width} bits, expected 8, 16, 24 or 32")
    if len(raw) < channels * width * WINDOW or len(raw) < channels * width * count:
        raise ValueError(f"{name}: got {len(raw) // (channels * width)} of {count} samples, expected all, at least {WINDOW}")
    if width == 3:          # a byte of zeros below makes 32 bits of 24
        raw, width = np.pad(np.frombuffer(raw, "u1").reshape(-1, 3), ((0, 0), (1, 0))).tobytes(), 4
    samples = np.frombuffer(raw, {1: "u1", 2: "<i2", 4: "<i4"}[width]).reshape(-1, channels).astype(np.float64)
    samples = (samples - 128) / 128 if width == 1 else samples / 2 ** (8 * width - 1)
    return resample(samples.mean(axis=1), rate)


def resample(samples, rate):
    """At RATE instead of `rate`. Frequencies that RATE cannot hold are cut off first, by their Fourier coefficients."""
    if rate == RATE:
        return samples
    spectrum = np.fft.rfft(samples)
    spectrum[int(len(samples) * min(RATE, rate) / (2 * rate)):] = 0
    clean = np.fft.irfft(spectrum, len(samples))
    return np.interp(np.arange(int(len(samples) * RATE / rate)) * rate / RATE, np.arange(len(samples)), clean)


def mel_filters():
    """(frequencies, BANDS) triangles that are evenly spaced in mel, 2595 log10(1 + f / 700)."""
    mels = np.linspace(*(2595 * np.log10(1 + np.array([100, 3800]) / 700)), BANDS + 2)
    edges = 700 * (10 ** (mels / 2595) - 1)
    at = np.fft.rfftfreq(256, 1 / RATE)[:, None]
    up, down = (at - edges[:-2]) / np.diff(edges)[:-1], (edges[2:] - at) / np.diff(edges)[1:]
    return np.maximum(0, np.minimum(up, down))


FILTERS = mel_filters()


def log_mel(samples):
    """(frames, BANDS): the log energy of each band, about 0 on average and 1 in size."""
    frames = 1 + (len(samples) - WINDOW) // HOP
    at = HOP * np.arange(frames)[:, None] + np.arange(WINDOW)
    spectrum = np.abs(np.fft.rfft(samples[at] * np.hanning(WINDOW), 256)) ** 2
    return (np.log(spectrum @ FILTERS + 1e-5) + 4) / 4              # 1e-5: below the noise of any recording


def speak(rng, text, noise=0.02):
    """A letter is two tones that glide for 60 to 130 ms, fading in and out; samples and where each letter ends."""
    parts, ends = [], []
    for letter in text:
        index = LETTERS.index(letter)
        t = np.arange(int(RATE * rng.uniform(0.06, 0.13))) / RATE
        low, high = 300 + 130 * (index % 4), 1300 + 450 * (index // 4)
        glide = (-1) ** index * 120 / t[-1]                         # Hz a second
        tones = [np.sin(2 * np.pi * (f * rng.uniform(0.97, 1.03) * t + glide * t * t)) for f in (low, high)]
        parts.append(sum(tones) * np.sin(np.pi * t / t[-1]) * rng.uniform(0.15, 0.3))
        ends.append(sum(map(len, parts)))
    samples = np.concatenate(parts)
    return samples + rng.normal(0, noise, len(samples)), ends


def synthetic(rng, n, shortest=2, longest=6):
    """n utterances: (samples, text, ends)."""
    texts = ["".join(rng.choice(list(LETTERS), size)) for size in rng.integers(shortest, longest + 1, n)]
    return [(*spoken[:1], text, spoken[1]) for text in texts for spoken in [speak(rng, text)]]


def read_digits(path):
    """{speaker: [(digit, index, samples), ...]} of the Free Spoken Digits, `{digit}_{speaker}_{index}.wav`.

    path: a folder or a tar archive. raises: ValueError where there is none, or one cannot be read
    """
    path, found = Path(path), {}
    if path.is_dir():
        files = ((file.name, file.read_bytes(), str(file)) for file in sorted(path.rglob("*.wav")))
    elif tarfile.is_tarfile(path):
        files = _members(path)
    else:
        raise ValueError(f"{path}: expected a folder or a tar archive of digit_speaker_index.wav, got another file")
    for name, content, where in files:
        match = re.fullmatch(r"(\d)_(\w+)_(\d+)\.wav", name)
        if match:
            found.setdefault(match[2], []).append((int(match[1]), int(match[3]), read_wav(content, where)))
    if not found:
        raise ValueError(f"{path}: expected files digit_speaker_index.wav, got none")
    return found


def _members(path):
    """(name, bytes, where) of the wave files in an archive."""
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.name.endswith(".wav"):
                    yield Path(member.name).name, archive.extractfile(member).read(), f"{path}: {member.name}"
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ValueError(f"{path}: expected a whole tar archive, got {error}") from None
