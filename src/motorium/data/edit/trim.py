"""Cutting steps off the beginning and the end of episodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from motorium.core.errors import DataError
from motorium.core.spec import Spec
from motorium.data.companions import TIME
from motorium.data.contents import VideoSpan
from motorium.data.edit.operation import Operation, Others, episode_numbers
from motorium.data.edit.select import Episodes
from motorium.data.edit.view import View
from motorium.data.statistics import Statistics


class TrimSpec(Spec):
    """Options of `trim`."""

    start: int = Field(0, ge=0, description="first step that is kept")
    stop: int | None = Field(None, description="one past the last step; negative: counted from the end")
    episodes: Episodes = Field("all", description="which episodes are cut")


class Cut(View):
    """A view with steps [start, stop) of each episode."""

    def __init__(self, inner: View, spans: list[tuple[int, int]]) -> None:
        super().__init__(inner)
        self.spans = spans
        self.lengths = np.array([stop - start for start, stop in spans], np.int64)

    def arrays(self, index: int) -> dict[str, NDArray]:
        start, stop = self.spans[index]
        cut = {key: array[start:stop] for key, array in self.inner.arrays(index).items()}
        for key in cut:
            # Times count from the first step, which is another one now.
            if key.endswith(TIME) and key.removesuffix(TIME) in self.features and start:
                cut[key] = cut[key] - np.asarray(start / self.fps, cut[key].dtype)
        return cut

    def video_span(self, index: int, key: str) -> VideoSpan:
        span = self.inner.video_span(index, key)
        return replace(span, from_s=span.from_s + self.spans[index][0] / self.fps)

    def frames(self, index: int, key: str, steps: Sequence[int] | NDArray | None = None) -> NDArray[np.uint8]:
        start, stop = self.spans[index]
        chosen = np.arange(stop - start) if steps is None else np.asarray(steps, np.int64)
        return self.inner.frames(index, key, chosen + start)

    def episode_statistics(self, index: int) -> dict[str, Statistics]:
        whole = self.spans[index] == (0, int(self.inner.lengths[index]))
        return self.inner.episode_statistics(index) if whole else {}

    def base_steps(self, index: int) -> range | None:
        inner = self.inner.base_steps(index)
        start, stop = self.spans[index]
        return None if inner is None else inner[start:stop]


def _trim(view: View, spec: TrimSpec, others: Others) -> View:
    chosen = set(episode_numbers(spec.episodes, view.num_episodes, "trim"))
    spans = []
    for index, length in enumerate(view.lengths.tolist()):
        if index not in chosen:
            spans.append((0, length))
            continue
        stop = length if spec.stop is None else spec.stop + (length if spec.stop < 0 else 0)
        if not spec.start < stop <= length:
            raise DataError(
                "nothing would be left of an episode, or it is not that long",
                where=f"trim, episode {index}",
                got=f"steps {spec.start} to {stop}",
                expected=f"within 0 to {length}",
                remedy="cut less, or name the episodes that are to be cut",
            )
        spans.append((spec.start, stop))
    return Cut(view, spans)


TRIM = Operation(name="trim", spec=TrimSpec, short="start", apply=_trim)
