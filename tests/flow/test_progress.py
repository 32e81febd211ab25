"""What people see of a run: bars, lines, and the published page."""

import io
import time

import pytest

from motorium.core.progress import Silent
from motorium.flow import bars
from motorium.flow.bars import Console, duration
from motorium.flow.pages import publish, wall_times
from motorium.flow.runner import run_stage
from tests.flow import toys


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_without_a_terminal_a_line_now_and_then_with_rate_and_estimate(monkeypatch):
    clock = iter(range(0, 1000, 2))  # two seconds pass at each look
    monkeypatch.setattr(bars.time, "monotonic", lambda: float(next(clock)))
    stream = io.StringIO()
    bar = Console(stream).bar(1000, unit="steps", label="train")
    for _ in range(10):
        bar.advance(50, loss=0.25)
    bar.close()
    bar.close()
    lines = stream.getvalue().splitlines()
    assert 2 <= len(lines) <= 6
    assert lines[0].startswith("train: ")
    assert "steps" in lines[0] and "/s" in lines[0] and " left" in lines[0] and "loss=0.25" in lines[0]
    assert lines[-1].startswith("train: 500/1,000 steps")


def test_short_work_says_nothing_without_a_terminal():
    stream = io.StringIO()
    bar = Console(stream).bar(10, unit="steps", label="train")
    bar.advance(10)
    bar.close()
    assert stream.getvalue() == ""


def test_on_a_terminal_there_is_a_bar_that_goes_away():
    stream = Terminal()
    bar = Console(stream).bar(10, unit="steps", label="train", initial=5)
    bar.advance(1, loss=0.5)
    bar.close()
    assert "train" in stream.getvalue()
    assert "10" in stream.getvalue()
    # The last thing written wipes the line.
    assert stream.getvalue().endswith("\r") and stream.getvalue().split("\r")[-2].isspace()


def test_quiet_is_silent():
    stream = Terminal()
    console = Console(stream, quiet=True)
    console.line("hello")
    assert isinstance(console.bar(1, unit="x", label="y"), Silent)
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (59.4, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")]
)
def test_durations_read_well(seconds, text):
    assert duration(seconds) == text


def test_wall_times_are_escaped(store):
    made = run_stage(toys.MAKE, {}, {}, store)
    text = wall_times({"<script>": made})
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_several_pages_are_named_after_their_entries(store, run):
    text = "recipe: two\nstages:\n  make:\n  sum: {from: {dataset: make}}\n"
    text += "  a: {uses: compare, from: {reports: {s: sum}}}\n  b: {uses: compare, from: {reports: {t: sum}}}\n"
    assert [page.name for page in run(text).pages] == ["two-a.html", "two-b.html"]


def test_page_without_an_index_is_a_clear_error(store):
    made = run_stage(toys.MAKE, {}, {}, store)
    with pytest.raises(Exception, match=r"has no 'index\.html'"):
        publish(store, "r", {"make": (made, {"make": made})})


def test_publishing_again_replaces_the_page(store, run):
    first = run()
    first.pages[0].write_text("old")
    assert "old" not in run().pages[0].read_text()
    assert [path.name for path in first.pages[0].parent.iterdir()] == ["toy.html"]


def shown(total, *steps, label="make"):
    """The last that a terminal bar shows."""
    stream = Terminal()
    bar = Console(stream).bar(total, unit="episode", label=label)
    for step in steps:
        bar.advance(step)
        time.sleep(0.11)  # tqdm draws ten times a second at most
    bar.advance(0, loss=0.25)
    bar.close()
    return stream.getvalue().split("\r")[-3]


def test_terminal_bar_shows_whole_amounts_whole_and_others_short():
    assert " 12/24 " in shown(24.0, 12.0)
    assert " 0.3/0.7 " in shown(0.7000001, 0.1, 0.2)


def test_long_names_leave_room_for_rate_and_estimate():
    text = shown(100, 50, label="a-rather-long-name-that-somebody-chose-for-an-entry")
    assert text.startswith("a-rather-long-name")
    assert 0 < text.index("episode/s") < 80
