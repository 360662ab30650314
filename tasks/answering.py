"""What the tasks share that answer lines as they are typed: the options, the loop, and how an answer is written."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from tasks.task import OptionError
from tasks.writing import LONGEST
from tinyaug import Tensor, no_grad
from tinyaug.attention import beam_search, greedy
from tinyaug.data.parallel import UNKNOWN
from tinyaug.data.parallel import text_of as line_of
from tinyaug.data.symbols import STOP


def option(add):
    """The options of a task that answers what you type."""
    add("--interactive", action="store_true", help="answer the lines you type, with the shipped weights; no training")
    add("--beams", type=int, metavar="N", help="with --interactive: the N best answers that beam search finds")


def refuse(options, asked, why):
    """An option that only answers goes with nothing that trains. raises: OptionError"""
    for name in ("pretrained", "resume", "steps", "minutes", "set", "out", "trace"):
        if getattr(options, name):
            raise OptionError(f"--{name}: not together with {asked}, which only {why}")


def interactive(task, prepare, alphabets):
    """A Task's command: reads lines, writes answers.

    task: -> Task; prepare: a line, its config -> source symbols; raises ValueError; alphabets: config -> sources, targets
    """
    def command(options: argparse.Namespace, weights: Path) -> int | None:
        if options.beams is not None and (options.beams < 1 or not options.interactive):
            raise OptionError(f"--beams {options.beams}: expected at least 1, and --interactive")
        if not options.interactive:
            return None
        refuse(options, "--interactive", "answers")
        from tasks.runner import shipped
        model, config, _ = shipped(task(), options.model, weights, data=options.data)
        sources, targets = alphabets(config)
        if sys.stdin.isatty():
            print("a line to answer, or an empty one to end", file=sys.stderr)
        for number, line in enumerate(sys.stdin, 1):
            line = line.rstrip("\n")
            if not line.strip():
                break
            try:
                source = prepare(line, config)
                for word in unknown(source, sources):
                    print(f"line {number}: got {word!r}, not trained, read as {UNKNOWN}", file=sys.stderr, flush=True)
                print(reply(model, source, sources, targets, options.beams), flush=True)
            except ValueError as error:
                print(f"line {number}: {error}", file=sys.stderr, flush=True)
        return 0
    return command


def unknown(source, sources):
    """The symbols that an alphabet of words reads as UNKNOWN; an alphabet of letters refuses them itself."""
    return [word for word in source if word not in sources.index] if UNKNOWN in sources.index else []


def reply(model, source, sources, targets, beams=None):
    """The answer, and below it the places of the source that it was read from; or the best answers of a beam search."""
    integers = sources.encode(source)
    if not 0 < len(integers) <= LONGEST:
        raise ValueError(f"got {len(integers)} symbols, expected 1 to {LONGEST}")
    with no_grad():
        state, start = model.begin(Tensor(np.array([integers]))), Tensor(np.array([STOP]))
        if beams is not None:
            found = beam_search(model, state, start, STOP, 2 * len(integers) + 16, beams)[:beams]
            return "\n".join(f"{score:8.3f}  {text_of(targets.decode(sequence))}" for score, sequence in found)
        sequences, weights = greedy(model, state, start, STOP, LONGEST)
    written = targets.decode(sequences[0])
    text = text_of(written)
    if not weights[0]:
        return text
    looks = ", ".join(f"{symbol} < {source[int(np.argmax(w))]!r} {w.max():.0%}" for symbol, w in zip(written, weights[0]))
    return f"{text}\n    {looks}"


def text_of(symbols):
    """Words with blanks between them, characters without."""
    return line_of(symbols) if max(map(len, symbols), default=0) > 1 else "".join(symbols)
