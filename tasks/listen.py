"""Listen, attend and spell: sound to letters.

The sound is synthetic speech, a glide of two tones a letter, or, with `--data`, recordings of spoken digits joined into
utterances, which are spelled as words. `--model pyramid` halves the frames twice on their way up, `flat` keeps them all.

The functions below are those that tasks/task.py describes; TASK, at the end, names them.
"""

import sys
from functools import lru_cache

import numpy as np

from tasks import answering, writing
from tasks.task import OptionError, Task
from tinyaug.attention import Pyramid, Seq2Seq, sequence_loss
from tinyaug.data import audio
from tinyaug.data.symbols import STOP, Alphabet, batch_of

TARGETS = Alphabet("abcdefghijklmnopqrstuvwxyz ")
RECIPE = {"steps": 6000, "batch": 32, "validate_every": 200, "rate": 3e-3, "half_rate": 2000, "clip_norm": 1.0,
          "hidden": 64, "embedding": 32, "score": "additive", "sampling": 0.1, "growing": 500}
MODELS = {"pyramid": RECIPE, "flat": RECIPE, "no-attention": {k: v for k, v in RECIPE.items() if k != "score"}}
CORPUS = 2000                   # utterances that are trained on; drawn once, as a recorded corpus would be
TESTED = 1000                   # utterances of a measurement
STEP = 16                       # frames are padded to a multiple of this; a pyramid needs one of 4
HELD = 10                       # of the recordings, one index in so many is for testing only
SCORES = tuple(score for score in writing.SCORES if score != "location")      # sounds have no longest length


def check(config):
    """Settings that cannot be."""
    writing.check(config)
    if config.get("score", SCORES[0]) not in SCORES:
        raise ValueError(f"score: got {config['score']!r}, expected one of {', '.join(SCORES)}")


def build(config, rng):
    hidden = config["hidden"]
    layers = [writing.bidirectional(audio.BANDS, hidden, rng=rng)]
    if config["model"] != "flat":
        layers += [writing.bidirectional(2 * hidden, hidden, rng=rng) for _ in range(2)]
    decoder = writing.decoder(config, len(TARGETS), hidden, rng=rng)
    return Seq2Seq(Pyramid(layers), decoder)


@lru_cache(maxsize=2)
def corpus(seed):
    """[(features, text)] of the synthetic speech that is trained on."""
    rng = np.random.default_rng([seed, 1])
    return [(audio.log_mel(samples), text) for samples, text, _ in audio.synthetic(rng, CORPUS)]


@lru_cache(maxsize=1)
def recordings(path):
    """({speaker: {digit: [samples]}} for training, the same for testing)."""
    found = writing.read(audio.read_digits, path)
    halves = ({}, {})
    for speaker, clips in found.items():
        for digit, index, samples in clips:
            half = halves[index % HELD == HELD - 1]
            half.setdefault(speaker, {}).setdefault(digit, []).append(samples)
    if not all(halves):
        raise OptionError(f"--data {path}: got recordings of which none is held out, or all are; expected 0 .. 49")
    return halves


def joined(rng, sizes, speakers):
    """For each size an utterance of so many digits by one speaker: (samples, text, ends)."""
    found = []
    for size in sizes:
        clips = speakers[list(speakers)[rng.integers(len(speakers))]]
        digits = [list(clips)[rng.integers(len(clips))] for _ in range(size)]
        parts = [clips[digit][rng.integers(len(clips[digit]))] for digit in digits]
        found.append((np.concatenate(parts), " ".join(audio.NAMES[digit] for digit in digits), None))
    return found


def utterances(config, rng, n, testing):
    """n utterances that were not trained on (of the recordings: that are made of such), or are."""
    if config["data"]:
        return joined(rng, rng.integers(1, 6, n), recordings(config["data"])[testing])
    return audio.synthetic(rng, n)


def arrays(features, texts, step=STEP, text_step=8):
    """Frames (B, T, BANDS), their mask (B, T), shifted and targets."""
    frames = -(-max(map(len, features)) // step) * step
    padded, mask = np.zeros((len(features), frames, audio.BANDS), np.float32), np.zeros((len(features), frames), bool)
    for row, real, x in zip(padded, mask, features):
        row[:len(x)], real[:len(x)] = x, True
    return padded, mask, *batch_of([[STOP]] * len(texts), [TARGETS.encode(text) for text in texts], (1, text_step))[1:]


def batch(config, rng, i):
    """Of the recordings all utterances of a batch have one number of digits, which grows from 1 to at most 5."""
    if config["data"]:
        size = rng.integers(1, 2 + min(4, 4 * i // max(1, config["growing"])))
        sounds = joined(rng, [size] * config["batch"], recordings(config["data"])[0])
        found = arrays([audio.log_mel(samples) for samples, _, _ in sounds], [text for _, text, _ in sounds], 80, 32)
    else:
        spoken = corpus(config["seed"])
        found = arrays(*zip(*[spoken[j] for j in rng.integers(len(spoken), size=config["batch"])]))
    return (*found, rng.random(found[2].shape) < config["sampling"])


def loss(model, frames, mask, shifted, targets, own):
    logits, _ = model(frames, shifted, mask, own)
    return sequence_loss(logits, targets), {}


def answers(model, sounds):
    """What is written of each sound, and the weights of each letter over the pyramid's windows."""
    batches = [[audio.log_mel(samples) for samples in sounds[i:i + 100]] for i in range(0, len(sounds), 100)]
    written, weights = writing.greedily(model, [arrays(some, ["a"] * len(some))[:2] for some in batches], 40)
    return ["".join(TARGETS.decode(sequence)) for sequence in written], weights


def measure(model, sounds):
    """Character and word error rate, share of texts that are right, and of steps at which the attention does not go back.

    A step goes back where its centre, the mean place by the weights, is more than one window before that of the last.
    """
    written, weights = answers(model, [samples for samples, _, _ in sounds])
    texts = [text for _, text, _ in sounds]
    wrong = sum(writing.edits(a, b) for a, b in zip(written, texts))
    words = sum(writing.edits(a.split(), b.split()) for a, b in zip(written, texts))
    forward = [move > -1 for looked in weights if looked
               for move in np.diff([float(w @ np.arange(len(w))) for w in looked[:-1]])]
    return {"character_error_rate": wrong / sum(map(len, texts)),
            "word_error_rate": words / sum(len(text.split()) for text in texts),
            "exact": float(np.mean([a == b for a, b in zip(written, texts)])),
            **({"monotone": float(np.mean(forward))} if forward else {})}


def validate(model, config, rng):
    found = measure(model, utterances(config, rng, TESTED // 4, testing=False))
    found["done"] = not config["data"] and found["character_error_rate"] < 0.004
    return found


def evaluate(model, config, rng):
    return {"metrics": measure(model, utterances(config, rng, TESTED, testing=True))}


def targets(config, result):
    metrics = result["metrics"]
    if config["data"]:
        return writing.at_most(word_error_rate=(metrics["word_error_rate"], 0.1))
    bars = writing.at_most(character_error_rate=(metrics["character_error_rate"], 0.02), seconds=(result["seconds"], 900.0))
    return bars | (writing.at_least(monotone=(metrics["monotone"], 0.95)) if "monotone" in metrics else {})


def trace(model, config, rng):
    sounds = utterances(config, rng, 2, testing=True)
    written, weights = answers(model, [samples for samples, _, _ in sounds])
    found = {}
    for i, ((samples, text, _), output, looked) in enumerate(zip(sounds, written, weights)):
        found |= {f"samples_{i}": samples.astype(np.float32), f"target_{i}": np.array(list(text)),
                  f"output_{i}": np.array(list(output), dtype=str)}
        if looked:
            frames = len(audio.log_mel(samples))
            found[f"attention_{i}"] = np.stack(looked)[:len(output), :-(-frames // model.encoder.factor)]
    return found | {"rate": np.array(audio.RATE)}


figures = writing.drawn_by("listen")


def option(add):
    add("--wav", metavar="FILE", help="write what is heard in a wave file, with the shipped weights; no training")


def command(options, weights):
    """`--wav FILE`: any rate and number of channels; with `--data` given, by the weights of the spoken digits."""
    if options.wav is None:
        return None
    answering.refuse(options, "--wav", "listens")
    from tasks.runner import shipped
    model, _, _ = shipped(TASK, options.model, weights, data=options.data)
    try:
        written, looked = answers(model, [audio.read_wav(options.wav)])
    except ValueError as error:
        print(f"tasks: --wav {error}", file=sys.stderr)
        return 2
    print(written[0])
    for letter, w in zip(written[0], looked[0]):
        start = int(np.argmax(w)) * model.encoder.factor * audio.HOP / audio.RATE
        print(f"    {letter} at {start:.2f} s, {w.max():.0%}")
    return 0


TASK = Task(
    name="listen", title="sound to letters: synthetic speech, or spoken digits",
    paper="Chan et al. 2015, Listen, Attend and Spell",
    measures="character and word error rate; how often the attention goes forward",
    found=("0.05 % of the letters wrong (3 of 3 seeds), without attention 54.6 %",
           "Free Spoken Digits: 3.4 % of the words wrong, without attention 66.6 %"),
    minutes=1, **writing.parts(globals()), keeps=writing.reading(recordings),
    data="the Free Spoken Digits: a folder or tar archive of digit_speaker_index.wav",
    choices={"score": SCORES}, options=option, command=command,
)
