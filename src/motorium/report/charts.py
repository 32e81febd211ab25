"""Charts as SVG from matplotlib: the same bytes for the same numbers, in the page's own colours and font."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence

import numpy as np

from motorium.core.errors import SpecError
from motorium.report.content import Chart, finite
from motorium.report.markup import Markup

# Drawn in these colours, which occur nowhere else, and then replaced by the page's: it has a dark side too.
INK, FAINT = "#010203", "#040506"
SERIES = ("#0a0b01", "#0a0b02", "#0a0b03", "#0a0b04", "#0a0b05", "#0a0b06")
STYLES = ("-", (0, (5, 1.6)), (0, (1.4, 1.4)), (0, (6, 1.6, 1.4, 1.6)), (0, (3, 1.5)), (0, (8, 2)))
SIZE_IN = (3.75, 2.4)  # 360 px: one column on a phone, where a wider figure would be scaled until unreadable
MAX_POINTS = 400


def chart_svg(chart: Chart, key: str) -> Markup:
    """Return a chart as an `<svg>` element; `key` is unique on the page and keeps element names apart.

    Raises:
        SpecError: when there are more series than can be told apart, or x and y differ in length.
    """
    from matplotlib import style
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    if len(chart.series) > len(SERIES):
        raise SpecError(f"chart '{chart.title}' has too many series", got=len(chart.series), expected=len(SERIES))
    settings = {
        "svg.hashsalt": key,
        "svg.fonttype": "none",
        "font.family": ["DejaVu Sans"],
        "font.size": 9,
        "axes.edgecolor": FAINT,
        "axes.labelcolor": INK,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.color": FAINT,
        "xtick.labelcolor": INK,
        "ytick.color": FAINT,
        "ytick.labelcolor": INK,
        "text.parse_math": False,
    }
    # A user's matplotlibrc must not change the page: "default" is matplotlib's own.
    with style.context(["default", settings]):
        figure = Figure(figsize=SIZE_IN, layout="constrained")
        FigureCanvasSVG(figure)
        _draw(figure.add_subplot(), chart)
        file = io.StringIO()
        metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
        figure.savefig(file, format="svg", transparent=True, metadata=metadata)
    return Markup(_themed(file.getvalue(), chart, key))


def _draw(axes, chart: Chart) -> None:
    from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    for series, colour, style in zip(chart.series, SERIES, STYLES, strict=False):
        x, y = finite(series.x), finite(series.y)
        if len(x) != len(y):
            raise SpecError(f"series '{series.name}' has unequal axes", got=(len(x), len(y)), expected="one length")
        x, y = thin(x, np.where(np.isfinite(y) & ((y > 0) | (not chart.log_y)), y, np.nan))
        marker = "o" if len(x) == 1 or chart.points else None
        axes.plot(x, y, color=colour, linestyle=style, linewidth=1.6, marker=marker, markersize=4, label=series.name)
        _band(axes, series, colour, chart)
    if chart.log_y:
        axes.set_yscale("log")
        plain = FuncFormatter(lambda value, place: f"{value:g}")
        low, high = axes.get_ylim()
        axes.yaxis.set_major_formatter(plain)
        axes.yaxis.set_minor_locator(LogLocator(subs=(2, 5)))
        axes.yaxis.set_minor_formatter(plain if high < 200 * low else NullFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=_whole(chart)))
    thousands = EngFormatter(sep="")
    # Steps and samples in thousands and millions; never 400m for 0.4, which reads as metres.
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, place: thousands(x) if abs(x) >= 1000 else f"{x:g}"))
    axes.set_xlabel(chart.x_label)
    axes.set_ylabel(chart.y_label)
    if chart.y_range is not None:
        axes.set_ylim(*chart.y_range)
    if chart.shaded is not None:
        left, right = axes.get_xlim()
        axes.axvspan(*chart.shaded, color=FAINT, alpha=0.18, linewidth=0)
        axes.set_xlim(left, right)
    axes.grid(axis="y", color=FAINT, alpha=0.35, linewidth=0.6)
    axes.set_axisbelow(True)


def _band(axes, series, colour: str, chart: Chart) -> None:
    if series.low is None or series.high is None:
        return
    x, low, high = finite(series.x), finite(series.low), finite(series.high)
    if not len(x) == len(low) == len(high):
        raise SpecError(f"the band of '{series.name}' has another length", got=(len(low), len(high)), expected=len(x))
    shown = np.unique(np.linspace(0, len(x) - 1, min(len(x), MAX_POINTS)).round().astype(int))
    low = np.where((low > 0) | (not chart.log_y), low, np.nan)
    axes.fill_between(x[shown], low[shown], high[shown], color=colour, alpha=0.16, linewidth=0)


def _whole(chart: Chart) -> bool:
    return all(np.array_equal(finite(s.x), np.round(finite(s.x))) for s in chart.series)


def thin(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return at most about `MAX_POINTS` points: least and greatest of each stretch, so that no spike is lost."""
    if len(x) <= MAX_POINTS:
        return x, y
    keep: list[int] = []
    for part in np.array_split(np.arange(len(x)), MAX_POINTS // 2):
        known = part[np.isfinite(y[part])]
        keep += sorted({int(known[np.argmin(y[known])]), int(known[np.argmax(y[known])])}) if len(known) else [part[0]]
    chosen = np.unique(np.asarray([0, *keep, len(x) - 1]))
    return x[chosen], y[chosen]


def _themed(svg: str, chart: Chart, key: str) -> str:
    svg = svg[svg.index("<svg") :]
    # matplotlib's style sheet would hold for the whole page, its metadata is of no use there.
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>|<!--.*?-->", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<svg [^>]*viewBox="([^"]*)"[^>]*>', r'<svg viewBox="\1" aria-hidden="true">', svg, count=1)
    svg = svg.replace("xlink:href", "href").replace(INK, "currentColor").replace(FAINT, "var(--rule)")
    for number, colour in enumerate(SERIES, 1):
        svg = svg.replace(colour, f"var(--s{number})")
    # matplotlib names groups alike in every figure (figure_1, axes_1, ...); nothing refers to them.
    svg = re.sub(r'<g id="[\w.]+_\d+">', "<g>", svg)
    svg = re.sub(r" font-family: [^;\"]*;?| transform=\"rotate\(-0 [^\"]*\"", "", svg)
    return re.sub(r"\s*\n\s*", "\n", svg).strip()


def legend(chart: Chart) -> Sequence[tuple[str, str]]:
    """Return (name, CSS colour) of each series; the page writes the legend, so that it wraps on a phone."""
    return [(series.name, f"var(--s{number})") for number, series in enumerate(chart.series, 1)]
