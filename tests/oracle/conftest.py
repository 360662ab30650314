"""Counts what each oracle compared, and prints it at the end of the run."""

from collections import Counter

import pytest

collect_ignore = ["hips_shim"]  # a package that stands in for another, run by test_hips.py in its own process
COUNTS: dict[str, dict[str, Counter]] = {}
NOTES: dict[str, list[str]] = {}


class Tally:
    """What one oracle compared: samples that matched, that were skipped (with a reason), that failed."""

    def __init__(self, name):
        self.name = name
        self.counts = COUNTS.setdefault(
            name, {"matched": Counter(), "skipped": Counter(), "failed": Counter()}
        )

    def matched(self, what, number=1):
        self.counts["matched"][what] += number

    def skipped(self, reason, number=1):
        self.counts["skipped"][reason] += number

    def failed(self, what, number=1):
        self.counts["failed"][what] += number

    def note(self, line):
        """A line to print beside the counts."""
        NOTES.setdefault(self.name, []).append(line)

    def total(self, kind):
        return self.counts[kind].total()


@pytest.fixture
def tally(request):
    """The tally of the oracle that the test file is named after."""
    return Tally(request.module.__name__.rpartition(".")[2].removeprefix("test_"))


def pytest_terminal_summary(terminalreporter):
    for name, counts in COUNTS.items():
        terminalreporter.section(
            f"oracle {name}: {counts['matched'].total()} matched, "
            f"{counts['skipped'].total()} skipped, {counts['failed'].total()} failed"
        )
        for line in NOTES.get(name, ()):
            terminalreporter.line(line)
        for kind in ("skipped", "failed"):
            for reason, number in counts[kind].most_common():
                terminalreporter.line(f"{kind} {number:5d}  {reason}")
