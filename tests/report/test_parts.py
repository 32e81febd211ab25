import itertools
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from motorium.core.errors import DataError, SpecError
from motorium.report.charts import MAX_POINTS, chart_svg, thin
from motorium.report.content import Chart, CurationRow, Interval, Node, Series
from motorium.report.lineage import _apart, layout
from motorium.report.markup import Markup, join, tag
from motorium.report.measured import curve
from motorium.report.numbers import interval_text, p_text
from motorium.report.parts import PROPORTION, scale_to, whisker


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        (Interval(value=0.941, low=0.917, high=0.959, n=512), "94.1 % [91.7, 95.9]"),
        (Interval(value=0.02134, low=0.0201, high=0.0226, unit="rad"), "0.0213 rad [0.0201, 0.0226]"),
        (Interval(value=12.34, low=11.0, high=14.0, unit="s"), "12.3 s [11.0, 14.0]"),
        (Interval(value=1234.0, low=1000.0, high=1500.0, unit=None), "1234 [1000, 1500]"),
        (Interval(value=0.5, unit="m"), "0.500 m"),
        (Interval(value=None, n=0), "unknown"),
    ],
)
def test_numbers_have_the_digits_their_interval_supports(interval, text):
    assert interval_text(interval) == text


def test_differences_of_proportions_are_in_points_with_their_sign():
    assert interval_text(Interval(value=-0.03, low=-0.08, high=0.02), signed=True) == "-3.0 points [-8.0, +2.0]"


@pytest.mark.parametrize(("p", "text"), [(1e-12, "p < 0.001"), (0.034, "p = 0.034"), (0.5, "p = 0.50")])
def test_p_values_in_words(p, text):
    assert p_text(p) == text


def test_only_markup_stays_markup():
    assert tag("b", "<i>", title='"') == '<b title="&quot;">&lt;i&gt;</b>'
    assert tag("p", tag("b", "x"), None, ["a", Markup("<br>")]) == "<p><b>x</b>a<br></p>"
    assert tag("meta", http_equiv="x", hidden=True, class_=None) == '<meta http-equiv="x" hidden>'
    assert join(["<", Markup("<")]) == "&lt;<"


@given(st.lists(st.floats(0, 1e6, allow_nan=False), min_size=1))
@settings(max_examples=60, deadline=None)
def test_a_scale_holds_all_its_values_without_wasting_room(values):
    scale = scale_to(values, "rad")
    places = [scale.place(value) for value in values]
    assert all(0 <= place <= 100 for place in places)
    assert max(values) == 0 or max(values) < 1e-300 or scale.high >= max(values) * (1 - 1e-6)
    assert max(values) < 1e-300 or scale.high <= max(values) * 1.6


def test_whiskers_lie_where_their_numbers_are():
    line = whisker([("", Interval(value=0.5, low=0.25, high=0.75, n=9))], PROPORTION)
    assert 'class="bar" style="left:25.00%;width:50.00%"' in line and 'class="dot" style="left:50.00%"' in line
    assert 'aria-label="50.0 % [25.0, 75.0]"' in line


def node(name, *parents):
    return Node(id=name, ref=name, kind="dataset", parents=tuple((parent, "") for parent in parents))


def test_children_lie_in_later_layers_than_their_parents_and_apart():
    nodes = [node("a"), node("b", "a"), node("c", "a"), node("d", "b", "c"), node("e", "a", "d"), node("f", "a")]
    places, routes = layout(nodes)
    for child in nodes:
        assert all(places[child.id].layer > places[parent].layer for parent, _ in child.parents)
    for layer in {place.layer for place in places.values()}:
        across = sorted(place.across for place in places.values() if place.layer == layer)
        assert all(b - a >= 1 - 1e-9 for a, b in itertools.pairwise(across))
    assert len(routes) == 7
    for route in routes:
        assert [place.layer for place in route] == list(range(route[0].layer, route[-1].layer + 1))


def test_long_edges_pass_beside_the_nodes_between():
    places, routes = layout([node("a"), node("b", "a"), node("c", "a", "b")])
    [long] = [route for route in routes if len(route) == 3]
    assert abs(long[1].across - places["b"].across) >= 1 - 1e-9


def test_parents_that_are_not_shown_are_left_out():
    places, routes = layout([node("b", "elsewhere")])
    assert places["b"].layer == 0 and routes == []


def test_two_nodes_with_one_id_are_refused():
    with pytest.raises(DataError, match="one id"):
        layout([node("a"), node("a")])


@given(st.lists(st.floats(-20, 20, allow_nan=False), min_size=1, max_size=12))
@settings(max_examples=60, deadline=None)
def test_wishes_are_kept_when_they_can_be(wishes):
    wishes = sorted(wishes)
    places = _apart(wishes)
    assert all(b - a >= 1 - 1e-6 for a, b in itertools.pairwise(places))
    if all(b - a >= 1 for a, b in itertools.pairwise(wishes)):
        np.testing.assert_allclose(places, wishes, atol=1e-9)
    assert np.isclose(np.mean(places), np.mean(wishes))  # least squares moves nobody on the whole


def test_thinning_a_long_curve_keeps_its_ends_and_its_spike():
    x = np.arange(100_000.0)
    y = np.sin(x / 1e4)
    y[54_321] = 50.0
    thinned_x, thinned_y = thin(x, y)
    assert len(thinned_x) <= MAX_POINTS + 2 and thinned_y.max() == 50.0
    assert thinned_x[0] == 0 and thinned_x[-1] == 99_999 and (np.diff(thinned_x) > 0).all()


def test_charts_keep_apart_what_they_name():
    chart = Chart(title="c", series=(Series(name="s", x=[0, 1, 2], y=[1, 2, 3]),))
    ids = [set(re.findall(r'id="([^"]+)"', chart_svg(chart, key))) for key in ("a", "b")]
    assert ids[0] and not ids[0] & ids[1]


def test_a_chart_takes_gaps_single_points_and_nothing():
    for y in ([1, np.nan, 3], [np.nan] * 3, [-1, 0, 5]):
        for log_y in (False, True):
            assert "<svg" in chart_svg(Chart(title="c", series=(Series(name="s", x=[0, 1, 2], y=y),), log_y=log_y), "k")
    assert "<svg" in chart_svg(Chart(title="c", series=(Series(name="s", x=[1], y=[2]),)), "k")
    assert "<svg" in chart_svg(Chart(title="c", series=(Series(name="s", x=[], y=[]),)), "k")


def test_a_series_with_unequal_axes_is_refused():
    with pytest.raises(SpecError, match="unequal"):
        chart_svg(Chart(title="c", series=(Series(name="s", x=[1, 2], y=[2]),)), "k")


def test_dollars_in_labels_are_text_and_not_formulas():
    svg = chart_svg(Chart(title="c", series=(Series(name="s", x=[0, 1], y=[0, 1]),), y_label="a $b$ <c>"), "k")
    assert "a $b$ &lt;c&gt;" in svg


def test_an_episode_curve_marks_its_steps():
    row = CurationRow(episode="3", action="trim", curve=np.linspace(0, 2, 101), marks=((50, 100),))
    svg = curve(row)
    assert '<rect x="80.0" y="0" width="80.0"' in svg and "0 to 2; marked: steps 50 to 100" in svg
    assert curve(CurationRow(episode="3", action="keep", curve=[np.nan, 1.0])) == ""
    assert "<polyline" in curve(CurationRow(episode="3", action="keep", curve=[1.0, np.nan, 1.0]))


def test_a_band_and_a_shaded_range_are_drawn_and_the_axis_keeps_to_its_range():
    plain = Chart(title="t", series=(Series(name="s", x=[0.0, 1.0, 2.0], y=[90.0, 50.0, 10.0]),))
    banded = replace(
        plain,
        series=(replace(plain.series[0], low=[80.0, 40.0, 5.0], high=[95.0, 60.0, 20.0]),),
        shaded=(0.0, 0.5),
        y_range=(0.0, 100.0),
    )
    count = [len(re.findall("<path", chart_svg(one, "k"))) for one in (plain, banded)]
    assert count[1] >= count[0] + 2
    assert ">100<" in chart_svg(banded, "k")


def test_a_band_of_another_length_is_refused():
    chart = Chart(title="t", series=(Series(name="s", x=[0, 1], y=[0, 1], low=[0], high=[1]),))
    with pytest.raises(SpecError, match="band"):
        chart_svg(chart, "k")


@pytest.mark.parametrize(("greatest", "shown"), [(1.2, ">0.4<"), (2_000_000, ">1M<"), (800, ">400<")])
def test_numbers_under_a_chart_are_plain_below_a_thousand(greatest, shown):
    chart = Chart(title="t", series=(Series(name="s", x=[0.0, greatest], y=[0.0, 1.0]),))
    assert shown in chart_svg(chart, "k")
