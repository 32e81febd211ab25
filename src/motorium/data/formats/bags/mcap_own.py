"""Datasets that `writers/mcap.py` wrote, as they were: their features, steps, tasks and episodes.

Two kinds of metadata records hold what messages cannot: `motorium.dataset` once, `motorium.episode` after the
messages of each episode. Where they do not fit the messages, the file is read as any other MCAP file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.core.features import Feature
from motorium.data.formats.bags.mcap_file import McapFile
from motorium.data.formats.bags.segment import BagSegment
from motorium.data.log import Segment, Stream

DATASET, EPISODE = "motorium.dataset", "motorium.episode"
VERSION = "1"

# Field of the messages that hold numbers and texts.
VALUE = "value"


@dataclass(frozen=True)
class OwnEpisode:
    """One `motorium.episode` record: index in the dataset, steps, and the `keys` of features it has messages of."""

    index: int
    length: int
    task: str
    meta: Mapping[str, Any]
    keys: frozenset[str]


@dataclass(frozen=True)
class Own:
    """What the records say."""

    fps: float
    robot_type: str | None
    conventions: Mapping[str, str]
    features: Mapping[str, Feature]
    episodes: Sequence[OwnEpisode] = field(default_factory=list)


def topic_of(key: str) -> str:
    """Return the topic of a feature: `observation.state` is `/observation/state`."""
    return "/" + key.replace(".", "/")


def read_own(file: McapFile) -> tuple[Own | None, list[str]]:
    """Return what a file's records say, None when Motorium did not write it; and problems in words."""
    heads = [words for name, words in file.metadata if name == DATASET]
    if not heads:
        return None, []
    try:
        head = heads[0]
        if head["format"] != VERSION:
            return None, [f"written by another version of Motorium (format {head['format']}): read as any MCAP file"]
        features = {str(key): _feature(plain) for key, plain in json.loads(head["features"]).items()}
        own = Own(
            fps=float(head["fps"]),
            robot_type=head["robot_type"] or None,
            conventions={str(key): str(value) for key, value in json.loads(head["conventions"]).items()},
            features=features,
            episodes=[_episode(words, features) for name, words in file.metadata if name == EPISODE],
        )
        if not (0 < own.fps < 1e6 and own.episodes):
            raise ValueError("no valid fps, or no episodes")
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        return None, [f"Motorium's records in the file are damaged ({error!r}): read as any MCAP file"]
    return own, []


def attachment_name(index: int, name: str) -> str:
    """Return under which name a file of an episode is attached."""
    return f"episode_{index:06d}/{name}"


def own_segments(
    base: BagSegment, own: Own, name: str, attached: Mapping[str, Callable[[], bytes]]
) -> tuple[list[Segment], list[str]]:
    """Return one segment an episode whose messages are all there; and problems in words."""
    done = dict.fromkeys(own.features, 0)
    made: list[Segment] = []
    problems: list[str] = []
    for number, episode in enumerate(own.episodes):
        label = name if len(own.episodes) == 1 else f"{name}/{number}"
        starts = {key: done[key] for key in own.features if key in episode.keys}
        ends = {key: start + episode.length for key, start in starts.items()}
        short = sorted(key for key, end in ends.items() if _count(base, key, own.features[key]) < end)
        if short:
            problems.append(f"episode {number} is left out: messages of {', '.join(short)} are missing")
            continue
        done.update(ends)
        prefix = attachment_name(episode.index, "")
        files = {one.removeprefix(prefix): read for one, read in attached.items() if one.startswith(prefix)}
        made.append(OwnSegment(label, base, own, episode, starts, files))
    for key, end in done.items():
        more = _count(base, key, own.features[key]) - end
        if more > 0:
            problems.append(f"{more:,} steps of {key} after the last whole episode are left out")
    return (made, problems) if made else ([base], [*problems, "no episode is whole: read as any MCAP file"])


class OwnSegment(Segment):
    """One episode: streams are the dataset's features, in steps."""

    def __init__(
        self,
        name: str,
        base: BagSegment,
        own: Own,
        episode: OwnEpisode,
        starts: Mapping[str, int],
        files: Mapping[str, Callable[[], bytes]],
    ) -> None:
        self.name, self.task, self.meta = name, episode.task, dict(episode.meta)
        self.own = own
        self._base, self._starts, self._files = base, dict(starts), dict(files)
        self.streams = {
            key: Stream(
                feature=own.features[key],
                count=episode.length,
                target=key,
                align="nearest",
                note=base.streams[_stream(key, own.features[key])].note,
            )
            for key in starts
        }

    def attachments(self) -> Mapping[str, Callable[[], bytes]]:
        """Return the files of the episode."""
        return self._files

    def prepare(self, keys: Collection[str]) -> None:
        """Gather the numbers of some features in one pass."""
        self._base.prepare([self._key(key) for key in keys if not self.streams[key].feature.visual])

    def values(self, key: str, start: int = 0, stop: int | None = None) -> NDArray:
        """Return steps [start, stop) of a feature: (n, *shape)."""
        stream = self.streams[key]
        steps = range(stream.count)[start:stop]
        first = self._starts[key]
        found = self._base.values(self._key(key), first + steps.start, first + steps.stop)
        shaped = found.reshape(len(steps), *stream.feature.shape)
        return shaped if stream.feature.dtype == "string" else shaped.astype(stream.feature.dtype, copy=False)

    def valid(self, key: str) -> NDArray[np.bool_] | None:
        """Return None: datasets have a value at every step."""
        return None

    def pictures(self, key: str, samples: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
        """Yield the pictures of a camera at steps (ascending, may repeat)."""
        return self._base.pictures(self._key(key), np.asarray(samples, np.int64) + self._starts[key])

    def _key(self, key: str) -> str:
        return _stream(key, self.streams[key].feature)


def _stream(key: str, feature: Feature) -> str:
    return topic_of(key) if feature.visual else f"{topic_of(key)}.{VALUE}"


def _count(base: BagSegment, key: str, feature: Feature) -> int:
    """Return how many samples the messages hold of a feature; 0 where they do not fit it."""
    stream = base.streams.get(_stream(key, feature))
    if stream is None or (stream.feature.visual and stream.feature.shape != feature.shape):
        return 0
    return stream.count if stream.feature.visual == feature.visual and stream.feature.size == feature.size else 0


def _feature(plain: Any) -> Feature:
    feature = Feature.from_plain(plain)
    if not all(isinstance(n, int) and 0 < n < 2**31 for n in feature.shape) or not isinstance(feature.dtype, str):
        raise ValueError(f"a feature of shape {feature.shape}")
    if not feature.visual and feature.dtype != "string" and np.dtype(feature.dtype).kind not in "biuf":
        raise ValueError(f"a feature of {feature.dtype}")
    return feature


def _episode(words: Mapping[str, str], features: Mapping[str, Feature]) -> OwnEpisode:
    length = int(words["length"])
    keys = frozenset(json.loads(words["keys"]))
    meta = json.loads(words["meta"])
    if not 0 < length < 2**40 or not keys <= features.keys() or not isinstance(meta, dict):
        raise ValueError("an episode's record is not valid")
    return OwnEpisode(int(words["index"]), length, str(words["task"]), meta, keys)
