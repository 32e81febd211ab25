"""What an attack has to show on a report page: a curve a sweep, and where the policy starts to fail."""

from __future__ import annotations

from collections.abc import Callable

from motorium.evaluate.axes import CONTROL
from motorium.evaluate.intervals import Estimate
from motorium.evaluate.report import Report
from motorium.evaluate.sweeps import Sweep, SweepPoint
from motorium.report import content
from motorium.stages.wording import percent


def of_attack(name: str, report: Report) -> dict[str, list]:
    """Return the curves, the headline of the control, and a sentence for each sweep."""
    control = next(arm for arm in report.arms if arm.name == CONTROL)
    headlines = [
        content.Headline(
            label=f"success unperturbed, {name}",
            value=percent(control.success.value),
            detail=f"n = {control.n}, seeds {control.seeds}",
        )
    ]
    return {
        "headlines": headlines,
        "attacks": [_chart(name, one) for one in report.sweeps],
        "notes": [f"{name}: {one.text}" for one in report.sweeps],
    }


def _chart(name: str, sweep: Sweep) -> content.Chart:
    shaded = f" Shaded: the range in training, {sweep.trained[0]:g} to {sweep.trained[1]:g}." if sweep.trained else ""
    return content.Chart(
        title=f"{sweep.name}, {name}",
        series=(
            _series("success", sweep, lambda point: point.success),
            _series("ended in a failure", sweep, lambda point: point.failed),
        ),
        x_label=sweep.unit or sweep.name,
        y_label="% of episodes",
        y_range=(0.0, 100.0),
        points=True,
        shaded=sweep.trained,
        caption=f"{sweep.text}. n = {sweep.points[0].success.n} a point; bands: 95 % Wilson intervals.{shaded}",
    )


def _series(label: str, sweep: Sweep, of: Callable[[SweepPoint], Estimate]) -> content.Series:
    rates = [of(point) for point in sweep.points]
    x = [point.value for point in sweep.points]
    y, low, high = ([100.0 * getattr(rate, end) for rate in rates] for end in ("value", "low", "high"))
    return content.Series(name=label, x=x, y=y, low=low, high=high)
