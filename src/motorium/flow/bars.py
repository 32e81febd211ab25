"""Progress for people: bars on a terminal, a line now and then where there is none."""

from __future__ import annotations

import sys
import time
from typing import TextIO

from motorium.core.progress import Progress, Silent

LINE_EVERY_S = 5.0
# A longer label would push the rate and the estimate off a terminal of 80 columns.
LABEL_WIDTH = 24


class Console:
    """Where a run speaks to its user: bars and lines on `stream`.

    Args:
        stream: standard error by default, so that tables on standard output can be piped.
        quiet: say nothing.
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._quiet = quiet
        self._terminal = self._stream.isatty()

    def bar(self, total: float, *, unit: str, label: str, initial: float = 0) -> Progress:
        """Open a bar; `initial` of the total was done by an earlier try."""
        if self._quiet:
            return Silent()
        kind = TerminalBar if self._terminal else LineBar
        return kind(self._stream, total, unit=unit, label=label, initial=initial)

    def line(self, text: str) -> None:
        """Say one line, above the bars."""
        if self._quiet:
            return
        if self._terminal:
            from tqdm import tqdm

            tqdm.write(text, file=self._stream)
        else:
            print(text, file=self._stream, flush=True)


class TerminalBar:
    """A tqdm bar with rate and estimate."""

    def __init__(self, stream: TextIO, total: float, *, unit: str, label: str, initial: float = 0) -> None:
        from tqdm import tqdm

        self._done = initial
        self._bar = tqdm(
            total=_tidy(total),
            initial=_tidy(initial),
            desc=label if len(label) <= LABEL_WIDTH else label[: LABEL_WIDTH - 1] + "…",
            unit=f" {unit}",
            file=stream,
            leave=False,
            dynamic_ncols=True,
        )

    def advance(self, amount: float = 1, **note: object) -> None:
        """See `core.progress`."""
        if note:
            self._bar.set_postfix({key: _short(value) for key, value in note.items()}, refresh=False)
        self._done += amount
        self._bar.n = _tidy(self._done)
        self._bar.update(0)

    def close(self) -> None:
        """See `core.progress`."""
        self._bar.close()


class LineBar:
    """A plain line about every five seconds, for logs; work shorter than that says nothing."""

    def __init__(self, stream: TextIO, total: float, *, unit: str, label: str, initial: float = 0) -> None:
        self._stream, self._total, self._unit, self._label = stream, total, unit, label
        self._initial = self._done = initial
        self._start = self._last = time.monotonic()
        self._note = ""
        self._said = self._closed = False

    def advance(self, amount: float = 1, **note: object) -> None:
        """See `core.progress`."""
        self._done += amount
        if note:
            self._note = "".join(f", {key}={_short(value)}" for key, value in note.items())
        if time.monotonic() - self._last >= LINE_EVERY_S:
            self._say()

    def close(self) -> None:
        """See `core.progress`."""
        if not self._closed and self._said:
            self._say()
        self._closed = True

    def _say(self) -> None:
        now = time.monotonic()
        rate = (self._done - self._initial) / max(now - self._start, 1e-9)
        left = (self._total - self._done) / rate if rate > 0 else float("nan")
        estimate = f", {duration(left)} left" if self._done < self._total and rate > 0 else ""
        print(
            f"{self._label}: {self._done:,.0f}/{self._total:,.0f} {self._unit}, {_short(rate)}/s{estimate}{self._note}",
            file=self._stream,
            flush=True,
        )
        self._last, self._said = now, True


def _tidy(amount: float) -> float:
    """Return an amount as it is shown: 24.0 as 24, 0.30000000000000004 as 0.3."""
    return int(amount) if float(amount).is_integer() else round(amount, 1)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """Return a time span for people: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
