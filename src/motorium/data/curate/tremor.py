"""tremor: oscillation above 5 Hz in an element of the state, more than that element has in the other episodes.

The amplitude above 5 Hz comes from Welch's averaged periodogram (Hann, half overlap, 64 steps, linear trend
removed), in units of the element's standard deviation over the dataset, and is compared element by element on
a logarithmic scale: an arm joint and a quantised finger sensor have different noise.
Measured on 100 real teleoperated episodes with 2 % of a joint's standard deviation added at 6-10 Hz: see
`docs/curation.md`. Source: Welch 1967, "The use of fast Fourier transform for the estimation of power spectra".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from motorium.core.spec import Spec
from motorium.data.curate.finding import MISSING, WARNING, Check, Finding, Measures, robust_z, table
from motorium.data.curate.recording import STATE, Recording

SEGMENT = 64
# Below a thousandth of the standard deviation it is rounding, whatever the group's is.
LEAST = 1e-3


class TremorLimits(Spec):
    """Thresholds of `tremor`."""

    above_hz: float = Field(5.0, gt=0, description="frequency from which motion is tremor")
    z: float = Field(6.0, gt=0, description="robust z-score of an element; there are many elements, so it is high")


def measure(recording: Recording, limits: TremorLimits) -> dict:
    """Return the amplitude (rms, standard deviations) above the limit frequency, and the name, of each element
    of the state.
    """
    state = recording.scaled(STATE)
    if state is None:
        return {MISSING: "no finite state"}
    if len(state) < SEGMENT:
        return {MISSING: f"shorter than {SEGMENT} steps"}
    if recording.fps <= 2 * limits.above_hz:
        return {MISSING: f"recorded at {recording.fps:g} Hz: nothing above {limits.above_hz:g} Hz can be seen"}
    frequency, power = welch(state, recording.fps)
    amplitude = np.sqrt(power[frequency > limits.above_hz].sum(axis=0))
    return {"amplitude": amplitude.tolist(), "names": recording.element_names(STATE)}


def judge(measures: Sequence[Measures], limits: TremorLimits) -> list[list[Finding]]:
    """Return a warning for each episode with an element that oscillates far more than in the group."""
    amplitude = table(measures, "amplitude")
    z = robust_z(np.log10(np.maximum(amplitude, LEAST)), 0.1)
    findings: list[list[Finding]] = [[] for _ in measures]
    far = z > limits.z
    for i in np.flatnonzero(far.any(axis=tuple(range(1, far.ndim)))):
        element = int(np.nanargmax(z[i]))
        findings[i].append(
            Finding(
                check="tremor",
                severity=WARNING,
                value=float(z[i, element]),
                threshold=limits.z,
                unit="MAD",
                message=f"{measures[i]['names'][element]} oscillates above {limits.above_hz:g} Hz with "
                f"{amplitude[i, element]:.1%} of its standard deviation, far more than in the group",
            )
        )
    return findings


def welch(series: NDArray[np.float64], fps: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return frequencies (k,) in Hz and mean power (k, n) of a (T, n) series; the powers sum to its mean square."""
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(SEGMENT) / SEGMENT)
    ramp = np.linspace(-1.0, 1.0, SEGMENT)[:, None]
    starts = range(0, len(series) - SEGMENT + 1, SEGMENT // 2)
    power = np.zeros((SEGMENT // 2 + 1, series.shape[1]))
    for start in starts:
        part = series[start : start + SEGMENT]
        part = part - part.mean(axis=0)
        part = part - ramp * ((ramp * part).sum(axis=0) / (ramp**2).sum())
        power += np.abs(np.fft.rfft(part * window[:, None], axis=0)) ** 2
    power *= 2.0 / (len(starts) * SEGMENT * (window**2).sum())
    # The first and the last bin have no mirror image.
    power[[0, -1]] /= 2.0
    return np.fft.rfftfreq(SEGMENT, 1.0 / fps), power


CHECK = Check(name="tremor", limits=TremorLimits, measure=measure, judge=judge)
