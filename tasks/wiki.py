"""WikiTableQuestions for the tables task: `--model wiki --data PATH`. Its recipe, data, model and measures."""

from collections import Counter
from functools import lru_cache

import numpy as np

from tasks.task import OptionError
from tinyaug import Tensor, ops
from tinyaug.data import wiki_programs as programs
from tinyaug.data.wikitables import Release, ReleaseError, matches
from tinyaug.programmer.wiki import Read, WikiProgrammer, log_right
from tinyaug.train.runs import say

RECIPE = {"steps": 4000, "batch": 32, "validate_every": 250, "rate": 2e-3, "clip_norm": 1.0, "words": 4000,
          "word_dropout": 0.2, "dropout": 0.4, "width": 64, "hidden": 64}
TRAIN, TEST = "random-split-1-train", "random-split-1-dev"
TENTH = 10              # every tenth table of the training part is kept for validation
PAPER = 0.342           # dev accuracy of the paper's single model
TITLE = 6               # words of a column's name that are read
TRIED = 6               # of each step the likeliest so many choices, until a program says something
PLAIN = (1, len(programs.PLACES), 1)
COLUMNWISE = (len(programs.SELECT), len(programs.ORDER), len(programs.ANSWER))
COMPARED = 4
UNKNOWN, DIGITS = 1, 2  # tokens for a rare word and for a number; 0 is padding


@lru_cache(maxsize=1)
def release(path):
    """The release at a path. raises: OptionError for what is none"""
    try:
        return Release(path)
    except (ReleaseError, OSError) as error:
        raise OptionError(f"--data {error}") from None


@lru_cache(maxsize=2)
def examples(path, split):
    """[(question, grid, Example)] of a split, with the right programs. It takes a few minutes for the training part."""
    try:
        source, grids, found = release(path), {}, []
        questions = source.questions(split)
        say(f"running all programs on the {len(questions):,} questions of {split}")
        for asked in questions:
            if asked.table not in grids:
                grids[asked.table] = programs.Grid(source.table(asked.table))
            grid = grids[asked.table]
            found.append((asked, grid, programs.prepare(grid, asked)))
        return found
    except ReleaseError as error:
        raise OptionError(f"--data {error}") from None


@lru_cache(maxsize=1)
def parts(path):
    """The training part in two: what is trained on, where some program is right, and what is validated on, by table."""
    every = examples(path, TRAIN)
    kept = set(sorted({asked.table for asked, *_ in every})[::TENTH])
    return ([each for each in every if each[0].table not in kept and len(each[2].right)],
            [each for each in every if each[0].table in kept])


def check(config):
    """Settings that cannot be."""
    for key in ("words", "width", "hidden"):
        if config[key] < 1:
            raise ValueError(f"{key}: got {config[key]}, expected at least 1")
    for key in ("word_dropout", "dropout"):
        if not 0 <= config[key] < 1:
            raise ValueError(f"{key}: got {config[key]}, expected 0 or more, below 1")
    for key in ("rate", "clip_norm"):
        if config[key] <= 0:
            raise ValueError(f"{key}: got {config[key]}, expected more than 0")


def keeps(config):
    """The words that the model knows: the most frequent ones of the training part."""
    if not config["data"]:
        raise OptionError("--model wiki: got no --data, expected a release of WikiTableQuestions, a folder or an archive")
    source = release(config["data"])
    try:
        counts = Counter(word for asked in source.questions(TRAIN) for word in programs.words_of(asked.text))
        for table in sorted({asked.table for asked in source.questions(TRAIN)}):
            counts.update(word for name in source.table(table).names for word in programs.words_of(name))
    except ReleaseError as error:
        raise OptionError(f"--data {error}") from None
    words = [word for word, _ in counts.most_common(2 * config["words"]) if not word[0].isdigit()]
    return {"vocabulary": words[:config["words"]]}


def build(config, rng):
    return WikiProgrammer(words=len(config["vocabulary"]) + 3, width=config["width"], hidden=config["hidden"], plain=PLAIN,
                          columnwise=COLUMNWISE, compared=COMPARED, features=programs.FEATURES, rng=rng)


def read(config, chosen):
    """The arrays of a Read for Examples."""
    ids = {word: i + 3 for i, word in enumerate(config["vocabulary"])}

    def tokens(words):
        return [DIGITS if word[0].isdigit() else ids.get(word, UNKNOWN) for word in words]

    questions = np.zeros((len(chosen), programs.LENGTH), dtype=np.int64)
    titles = np.zeros((len(chosen), programs.COLUMNS, TITLE), dtype=np.int64)
    numbers = np.zeros((len(chosen), programs.NUMBERS, programs.LENGTH), dtype=np.float32)
    for i, example in enumerate(chosen):
        questions[i, :len(example.words)] = tokens(example.words)
        for c, title in enumerate(example.titles):
            titles[i, c, :len(title[:TITLE])] = tokens(title[:TITLE])
        for n, at in enumerate(example.numbers):
            numbers[i, n, at] = 1
    stacked = [np.stack([getattr(example, name) for example in chosen])
               for name in ("flags", "overlap", "features", "selections", "orders", "answers")]
    return [questions, *stacked[:2], titles, stacked[2], numbers, *stacked[3:]]


def batch(config, rng, i):
    """Questions, their right programs, and what dropout keeps."""
    pool = parts(config["data"])[0]
    chosen = [pool[k][2] for k in rng.integers(len(pool), size=config["batch"])]
    arrays = read(config, chosen)
    arrays[0][(rng.random(arrays[0].shape) < config["word_dropout"]) & (arrays[0] > 0)] = UNKNOWN
    right = np.zeros((len(chosen), *(example.shape[1] for example in arrays[-3:])), dtype=np.float32)
    for k, example in enumerate(chosen):
        right[(k, *example.right.T)] = 1
    share = 1 - config["dropout"]
    kept = (rng.random((len(chosen), 1, config["width"])) < share) / share
    return *arrays, right, kept.astype(np.float32)


def loss(model, *arrays):
    """How unlikely right programs are."""
    *parts, right, kept = arrays
    value = -ops.mean(log_right(model(Read(*parts), kept), right))
    return value, {"misfit": value}


def answers(model, config, chosen):
    """What the likeliest program that says something says, and that program: [(texts, (s, o, a))]"""
    device, result = model.title[0].weight.device, []
    for start in range(0, len(chosen), 64):
        some = chosen[start:start + 64]
        arrays = [Tensor(x).to(device) for x in read(config, [example for *_, example in some])]
        found = [each.numpy() for each in model(Read(*arrays), 1.0)]
        result += [_answer(asked, grid, example, [each[k] for each in found])
                   for k, (asked, grid, example) in enumerate(some)]
    return result


def _answer(asked, grid, example, scores):
    best = [np.argsort(-score)[:TRIED] for score in scores]
    tried = sorted(((scores[0][s] + scores[1][o] + scores[2][a], s, o, a)
                    for s in best[0] for o in best[1] for a in best[2]), reverse=True)
    selected = programs.selections(grid, example)
    for _, *program in tried:
        s, o, a = map(int, program)
        rows = programs.order(grid, selected[s])[o]
        if rows.any() and (texts := programs.say(grid, rows, a)):
            return texts, (s, o, a)
    return [], None


def accuracy(model, config, chosen):
    """Share of questions that are answered as the official evaluator wants it."""
    return float(np.mean([matches(asked.answer, texts, asked.canon)
                          for (asked, *_), (texts, _) in zip(chosen, answers(model, config, chosen))]))


def validate(model, config, rng):
    return {"accuracy": accuracy(model, config, parts(config["data"])[1][:600]), "done": False}


def evaluate(model, config, rng):
    """On the development part of the first split, beside two baselines and what the best choices could reach."""
    test, trained = examples(config["data"], TEST), release(config["data"]).questions(TRAIN)
    usual = Counter(tuple(asked.answer) for asked in trained).most_common(1)[0][0]
    return {"metrics": {
        "accuracy": accuracy(model, config, test),
        "majority": float(np.mean([matches(asked.answer, usual, asked.canon) for asked, *_ in test])),
        "look_up": float(np.mean([matches(asked.answer, look_up(grid, example), asked.canon)
                                  for asked, grid, example in test])),
        "reachable": float(np.mean([len(example.right) > 0 for *_, example in test])),
        "paper": PAPER}}


def look_up(grid, example):
    """The look-up baseline: the rows that share most with the question, in the column whose name shares most with it."""
    selected = programs.selections(grid, example)
    width = grid.keys.shape[1]
    shared = example.overlap[:, :width].sum(axis=0)
    columns = [c for c in range(width) if selected[1 + c].any()] or [c for c in range(width)
                                                                     if selected[1 + programs.COLUMNS + c].any()]
    if not columns:
        return [grid.rows[0][int(shared.argmax())]]
    at = columns[0] if selected[1 + columns[0]].any() else programs.COLUMNS + columns[0]
    others = [c for c in range(width) if c != columns[0]] or columns
    return [grid.rows[i][max(others, key=lambda c: shared[c])] for i in np.flatnonzero(selected[1 + at])]


def targets(config, result):
    found = result["metrics"]
    return {f"beats_{name}": {"value": found["accuracy"], "bound": found[name], "reached": found["accuracy"] > found[name]}
            for name in ("majority", "look_up")}


def trace(model, config, rng):
    """One question of the development part: what was chosen, how surely, and the table with the rows that were taken."""
    test = examples(config["data"], TEST)
    asked, grid, example = test[int(rng.integers(len(test)))]
    (texts, program), = answers(model, config, [(asked, grid, example)])
    device = model.title[0].weight.device
    found = [each.numpy()[0] for each in model(Read(*(Tensor(x).to(device) for x in read(config, [example]))), 1.0)]
    labels = names_of(grid)
    record = {"question": np.array(asked.text), "answer": np.array(" | ".join(asked.answer)),
              "said": np.array(" | ".join(texts)), "names": np.array([" ".join(title) for title in grid.titles]),
              "cells": np.array(grid.rows)}
    for step, (scores, label) in enumerate(zip(found, labels)):
        best = np.argsort(-scores)[:TRIED]
        record |= {f"choices_{step}": np.array([label[k] for k in best]), f"probabilities_{step}": np.exp(scores[best])}
    s, o, _ = program or (0, 0, 0)
    selected = programs.selections(grid, example)[s]
    return record | {"selected": selected, "taken": programs.order(grid, selected)[o]}


def names_of(grid):
    """What each choice of the three steps is called."""
    columns = [" ".join(title) or f"column {c + 1}" for c, title in enumerate(grid.titles)]
    columns += ["-"] * (programs.COLUMNS - len(columns))

    def each(operations):
        return [f"{operation} {column}" for operation in operations for column in columns]

    compared = [f"{sign} number {n + 1} in" for sign in programs.SELECT[2:] for n in range(programs.NUMBERS)]
    return (["all rows", *each(programs.SELECT[:2]), *each(compared)], [*programs.PLACES, *each(programs.ORDER)],
            ["count", *each(programs.ANSWER)])
