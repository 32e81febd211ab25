"""The page as a browser gets it: whole, offline, the same bytes, safe against what names and notes may hold."""

import base64
import dataclasses
import hashlib
import itertools
import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest

from motorium.core.errors import DataError, SpecError
from motorium.report import content
from motorium.report.content import (
    BinRow,
    Breakdown,
    Chart,
    ComparisonRow,
    Curation,
    CurationRow,
    ErrorRow,
    ErrorTable,
    Facts,
    FailureRow,
    Headline,
    Interval,
    MeasureTable,
    Media,
    Node,
    Page,
    Series,
    StageRow,
    SuccessRow,
    Verdict,
)
from motorium.report.page import PLACEHOLDER, build_page

VOID = {"br", "col", "hr", "img", "meta"}
NASTY = "<img src=x onerror=alert(1)>\"'&</script></style>"


def rate(value, low, high, n=512):
    return Interval(value=value, low=low, high=high, n=n, method="Wilson")


def full_page(word="arm") -> Page:
    """A page that uses every part once; `word` appears in every text."""
    steps = np.arange(0, 1000, 10)
    radians = Interval(value=0.0213, low=0.0201, high=0.0226, n=15, unit="rad", method="bootstrap")
    return Page(
        title=f"Pick {word}",
        subtitle=f"tested {word}",
        command=f"motorium run {word}.yaml",
        verdicts=(Verdict(text=f"improved {word}", detail=f"by much {word}", tone="good"),),
        headlines=(Headline(label=f"success {word}", value=f"94.1 % {word}", detail=f"n = 512 {word}"),),
        stages=(
            StageRow(stage=f"train {word}", ref="policy/c41d90be77a2", result=f"done {word}", command=f"again {word}"),
            StageRow(stage="evaluate", ref="report/5a0e11d8c0b7", result="94.1 %", command="motorium stage evaluate"),
        ),
        lineage=(
            Node(id="a", ref="dataset/3f2a81c09b44", kind="dataset", summary=f"from outside {word}"),
            Node(id="b", ref="policy/c41d90be77a2", kind="policy", stage=f"train {word}", parents=(("a", "dataset"),)),
            Node(
                id="c", ref="report/5a0e11d8c0b7", kind="report", stage="evaluate", parents=(("b", "policy"), ("a", ""))
            ),
        ),
        success=(
            SuccessRow(name=f"few {word}", success=rate(0.312, 0.274, 0.354), control=True, detail=f"data {word}"),
            SuccessRow(name="many", success=rate(0.941, 0.917, 0.959), seeds="10000-10511"),
        ),
        comparisons=(
            ComparisonRow(
                baseline=f"few {word}",
                candidate="many",
                verdict="improved",
                difference=rate(0.629, 0.586, 0.668),
                p_value=1e-9,
                detail=f"exact {word}",
            ),
        ),
        breakdowns=(
            Breakdown(
                factor=f"cube_x_m {word}",
                arm=f"few {word}",
                bins=(
                    BinRow(
                        label="0.3 to 0.4",
                        success=rate(0.5, 0.4, 0.6, 100),
                        failures={f"dropped {word}": 50},
                        measures={f"error_rad {word}": radians},
                    ),
                    BinRow(label="0.4 to 0.5", success=Interval(value=None, n=0)),
                ),
            ),
        ),
        measures=(MeasureTable(title=f"Measures {word}", rows={f"e {word}": radians}, caption=f"Means {word}"),),
        attacks=(
            Chart(
                title=f"push {word}",
                series=(Series(name=f"success {word}", x=[0, 1], y=[90, 20], low=[80, 10], high=[95, 30]),),
                shaded=(0.0, 0.3),
                y_range=(0.0, 100.0),
                points=True,
            ),
        ),
        failures=(
            FailureRow(
                reason=f"dropped {word}",
                count=14,
                rate=rate(0.027, 0.016, 0.045),
                seeds=",".join(str(seed) for seed in range(10000, 10030, 2)),
                command=f"motorium replay {word}",
            ),
        ),
        media=(
            Media(
                data=b"\x00video", type="video/mp4", alt=f"a video {word}", title=f"seed 1 {word}", outcome="success"
            ),
            Media(
                data=b"\x89PNG", type="image/png", alt=f"a picture {word}", command=f"replay {word}", width=3, height=2
            ),
        ),
        charts=(
            Chart(
                title=f"loss {word}",
                series=(
                    Series(name=f"training {word}", x=steps, y=np.exp(-steps / 300)),
                    Series(name="validation", x=steps[::10], y=np.exp(-steps[::10] / 300) + 0.01),
                ),
                y_label=f"loss $x$ {word}",
                log_y=True,
                caption=f"falls {word}",
            ),
            Chart(title="norm", series=(Series(name="norm", x=steps, y=np.sqrt(steps)),)),
        ),
        errors=(
            ErrorTable(
                title=f"by joint {word}",
                rows=(
                    ErrorRow(
                        name=f"elbow {word}", policy=radians, baselines={f"hold {word}": radians}, verdict="beats"
                    ),
                ),
            ),
        ),
        curation=(
            Curation(
                counts={"kept": 23, "rejected": 1},
                rows=(
                    CurationRow(
                        episode=f"17 {word}",
                        action="reject",
                        findings=(f"idle {word}",),
                        score=0.0,
                        curve=np.abs(np.sin(np.linspace(0, 9, 300))),
                        marks=((90, 270),),
                        curve_label=f"speed {word}",
                    ),
                ),
                not_checked=(f"timing {word}",),
                by_check={f"lag {word}": 2},
                flagged=2,
                alarms=(f"leakage {word}",),
                overall=(f"balance {word}",),
            ),
        ),
        missing=(f"no video {word}",),
        notes=(f"a note {word}",),
        facts=(Facts(title=f"Seeds {word}", rows={f"root {word}": f"7 {word}"}),),
    )


class Tree(HTMLParser):
    """Parses strictly: every element must be closed, in order."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.open, self.elements, self.text = [], [], []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in <{tag}>"
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("script", "style"):
            self.text.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture(scope="module")
def html():
    return build_page(full_page())


@pytest.fixture(scope="module")
def tree(html):
    return Tree(html)


def test_the_example_uses_every_part():
    page = full_page()
    for part in dataclasses.fields(Page):
        assert getattr(page, part.name), part.name


def test_nothing_is_loaded_from_anywhere(html, tree):
    for tag, attributes in tree.elements:
        for name in ("src", "href", "data", "poster", "action", "xlink:href", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, name, value)
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
    assert not re.search(r"https?://|//[a-z]+\.[a-z]{2,}|@import|url\(\s*['\"]?(?!#)", html)


def test_the_page_forbids_itself_the_network_and_any_other_script(html, tree):
    [policy] = [meta["content"] for meta in tree.all("meta") if meta.get("http-equiv")]
    assert policy.startswith("default-src 'none'") and "'unsafe-inline'" not in policy.split("script-src")[1]
    [script] = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in policy


def test_every_reference_inside_the_page_has_its_target(html, tree):
    ids = [attributes["id"] for _, attributes in tree.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    wanted = re.findall(r'(?:href="#|url\(#)([^")]+)', html)
    assert wanted and not set(wanted) - set(ids)


def test_the_placeholder_for_wall_times_is_there_once(html):
    assert html.count(PLACEHOLDER) == 1


@pytest.mark.slow
def test_the_same_content_gives_the_same_bytes_in_any_process(html, tmp_path):
    (tmp_path / "matplotlibrc").write_text("font.size: 30\naxes.facecolor: red\nlines.linewidth: 9\n")
    code = (
        "import sys; sys.path.insert(0, '.')\n"
        "from tests.report.test_page import *\n"
        "print(hashlib.sha256(build_page(full_page()).encode()).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "77", "MPLCONFIGDIR": str(tmp_path), "LC_ALL": "C"}
    environment["MATPLOTLIBRC"] = str(tmp_path / "matplotlibrc")
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == hashlib.sha256(html.encode()).hexdigest()


def test_names_and_notes_cannot_become_markup():
    html = build_page(full_page(NASTY))
    tree = Tree(html)
    assert "x" not in [attributes.get("src") for attributes in tree.all("img")]
    assert not [a for _, attributes in tree.elements for a in attributes if a.startswith("on")]
    assert len(tree.all("script")) == 1 and len(tree.all("style")) == 1
    assert "".join(tree.text).count(NASTY) > 20


def test_every_text_of_the_content_is_on_the_page():
    word = "zebra"
    tree = Tree(build_page(full_page(word)))
    shown = "".join(tree.text) + "".join(str(v) for _, attributes in tree.elements for v in attributes.values())

    def texts(value):
        if isinstance(value, str):
            yield value
        elif dataclasses.is_dataclass(value):
            for field in dataclasses.fields(value):
                yield from texts(getattr(value, field.name))
        elif isinstance(value, dict):
            for key, item in value.items():
                yield from [*texts(key), *texts(item)]
        elif isinstance(value, tuple):
            for item in value:
                yield from texts(item)

    wanted = [text for text in texts(full_page(word)) if word in text]
    assert len(wanted) > 35
    assert [text for text in wanted if text not in shown] == []


def test_comparisons_say_the_level_of_their_own_intervals():
    row = full_page().comparisons[0]
    shared = dataclasses.replace(
        row, difference=Interval(value=0.1, low=0.0, high=0.2, n=99, level=0.975, method="Tango score")
    )
    assert "Comparisons; in brackets: 97.5 % Tango score interval" in build_page(Page(title="x", comparisons=(shared,)))


def test_a_page_with_only_a_title_is_a_page():
    tree = Tree(build_page(Page(title="Empty")))
    assert "Empty" in "".join(tree.text) and not tree.all("table")


def test_videos_are_inside_and_play_only_when_asked(tree):
    [video] = tree.all("video")
    assert video["src"] == "data:video/mp4;base64," + base64.b64encode(b"\x00video").decode()
    assert {"controls", "loop", "muted", "playsinline"} <= set(video) and "autoplay" not in video
    assert video["preload"] == "metadata" and video["aria-label"]


def test_headings_descend_one_level_at_a_time(tree):
    levels = [int(tag[1]) for tag, _ in tree.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in itertools.pairwise(levels))


def test_tables_pictures_and_figures_can_be_read_without_seeing(tree):
    assert all("scope" in attributes for attributes in tree.all("th"))
    assert all(attributes.get("alt") for attributes in tree.all("img"))
    drawn = [attributes for _, attributes in tree.elements if attributes.get("role") == "img"]
    assert drawn and all(attributes.get("aria-label") or "curve" in attributes["class"] for attributes in drawn)
    assert tree.all("html")[0]["lang"] == "en"


def test_colours_follow_the_theme(html):
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)[1]
    assert "prefers-color-scheme: dark" in style
    body = html.replace(style, "")
    assert not re.findall(r"#[0-9a-fA-F]{6}\b|rgb\(", body)
    assert set(re.findall(r"var\((--[\w-]+)\)", html)) <= set(re.findall(r"(--[\w-]+):", style))


def contrast(one, other):
    def light(colour):
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_text_contrasts_with_its_background_in_both_themes(html):
    """WCAG 2.2, 1.4.3: 4.5 to 1 for text; 1.4.11: 3 to 1 for lines that carry meaning."""
    for block in re.findall(r":root \{(.*?)\}", html, re.DOTALL):
        colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
        for ground in ("page", "card", "sunk"):
            assert all(contrast(colours[text], colours[ground]) >= 4.5 for text in ("ink", "soft", "accent"))
            assert all(contrast(colours[f"s{i}"], colours[ground]) >= 3 for i in range(1, 7))
        for tone in ("good", "bad", "warn"):
            assert contrast(colours[tone], colours[f"{tone}-soft"]) >= 4.5
            assert contrast(colours["ink"], colours[f"{tone}-soft"]) >= 4.5


def test_a_lineage_that_runs_in_a_circle_is_refused():
    nodes = (
        Node(id="a", ref="a", kind="x", parents=(("b", ""),)),
        Node(id="b", ref="b", kind="x", parents=(("a", ""),)),
    )
    with pytest.raises(DataError, match="circle"):
        build_page(Page(title="t", lineage=nodes))


def test_a_chart_with_too_many_series_is_refused():
    series = tuple(Series(name=str(i), x=[0, 1], y=[0, 1]) for i in range(7))
    with pytest.raises(SpecError, match="too many series"):
        build_page(Page(title="t", charts=(Chart(title="c", series=series),)))


def test_content_has_only_plain_fields():
    kinds = [kind for kind in vars(content).values() if dataclasses.is_dataclass(kind)]
    assert len(kinds) > 15
    assert all(kind.__dataclass_params__.frozen for kind in kinds)
