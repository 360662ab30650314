"""A release of WikiTableQuestions that is small enough for a test."""

import numpy as np

from tasks import wiki

TEAMS = ("Rome", "Oslo", "Bonn", "Lima", "Cairo", "Delhi")


def small_release(folder):
    """30 tables and as many questions of each of two kinds, in a new folder of this one. returns: folder"""
    rng, root = np.random.default_rng(0), folder / "WikiTableQuestions"
    (root / "data").mkdir(parents=True)
    (root / "csv" / "1-csv").mkdir(parents=True)
    lines = {"training": [], "random-split-1-train": [], "random-split-1-dev": []}
    for i in range(30):
        points = rng.permutation(90)[:len(TEAMS)] + 10
        name = f"csv/1-csv/{i}.csv"
        (root / name).write_text('"Team","Points"\n' + "".join(f'"{team}","{x}"\n' for team, x in zip(TEAMS, points)))
        team = TEAMS[i % len(TEAMS)]
        split = "random-split-1-dev" if i >= 25 else "random-split-1-train"
        lines[split] += [f"{i}-0\twhich team had the most points?\t{name}\t{TEAMS[points.argmax()]}",
                         f"{i}-1\thow many points did {team.lower()} have?\t{name}\t{points[i % len(TEAMS)]}"]
    for split, found in lines.items():
        (root / "data" / f"{split}.tsv").write_text("\n".join(["id\tutterance\tcontext\ttargetValue", *found, ""]))
    for cached in (wiki.release, wiki.examples, wiki.parts):
        cached.cache_clear()
    return folder
