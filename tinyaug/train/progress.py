"""Progress on the error stream: a bar on a terminal, plain lines everywhere else, nothing where quiet."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any

from tinyaug.train.runs import say

BAR_PAUSE = 0.2  # seconds between two updates of the bar
LINE_PAUSE = 10.0  # and, in the long run, between two lines


class Progress:
    """Shows rate, metrics and the time that is left; the first time at once.

    step, seconds: where the run stands as this process begins
    steps, minutes: where it shall end, whichever comes first; None for no such limit
    """

    def __init__(self, step: int, seconds: float, steps: int | None, minutes: float | None, quiet: bool):
        self.first, self.before, self.steps, self.minutes, self.quiet = step, seconds, steps, minutes, quiet
        self.began = self.due = time.monotonic()
        self.pause = 1.0
        self.bar = None if quiet else _bar(step, steps)

    def show(self, step: int, seconds: float, metrics: Callable[[], dict[str, float]]) -> None:
        """Tell how far the run is, where it is time to; only then are the metrics read."""
        if self.quiet or time.monotonic() < self.due:
            return
        if self.bar is not None:
            self.due = time.monotonic() + BAR_PAUSE
            self.bar.set_postfix_str(numbers(metrics()), refresh=False)
            self.bar.update(step - self.bar.n)
        else:
            self.due = time.monotonic() + self.pause
            self.pause = min(2 * self.pause, LINE_PAUSE)  # soon at first, so that one sees it run
            of = "" if self.steps is None else f"/{self.steps}"
            rate = (step - self.first) / max(time.monotonic() - self.began, 1e-9)
            say(f"step {step}{of}  {numbers(metrics())}  {rate:.3g} steps/s{self._left(step, seconds, rate)}")

    def tell(self, line: str) -> None:
        """A line of its own, above the bar where there is one."""
        if self.bar is not None:
            self.bar.write(line, file=sys.stderr)
        elif not self.quiet:
            say(line)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def _left(self, step: int, seconds: float, rate: float) -> str:
        left = [] if self.steps is None else [(self.steps - step) / rate]
        if self.minutes is not None:
            left.append(60 * self.minutes - seconds)
        return f"  {_duration(max(0.0, min(left)))} left" if left else ""


def _bar(step: int, steps: int | None) -> Any:
    """A tqdm bar, or None where the error stream is no terminal or tqdm is not installed."""
    if not (sys.stderr and sys.stderr.isatty()):
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    size = shutil.get_terminal_size()  # 80 by 24 where a terminal says 0 by 0, as some containers' do
    return tqdm(total=steps, initial=step, unit="step", ncols=size.columns, nrows=size.lines)


def numbers(metrics: Mapping[str, Any]) -> str:
    """The numbers among some metrics, on one line."""
    return "  ".join(f"{name} {value:.4g}" for name, value in metrics.items() if isinstance(value, Real))


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"
