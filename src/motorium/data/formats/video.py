"""Video files (mp4, mov, mkv, webm, avi), a camera each with the container's times, and folders of numbered pictures.

Source: what the demuxers of FFmpeg report; times are presentation times of packets, edit lists applied.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from motorium.core.errors import DataError
from motorium.data.bounds import LARGEST_SAMPLE, check_size
from motorium.data.formats.image_files import SUFFIXES, ImageFiles, image_feature, image_shape, is_image
from motorium.data.log import Log, Segment, Stream
from motorium.data.video_read import damaged, open_video

CAMERA, CLOCK = "camera", "container"
LEAST_PICTURES = 2
# Files that may lie beside recordings without being data.
NOTES = ("", ".txt", ".md", ".pdf", ".rst", ".html")
# A day of video at 240 Hz.
MOST_FRAMES = 20_736_000
# Frames decoded on rather than sought, where no keyframe lies in between.
LOOK_AHEAD = 64

_MP4_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")


class VideoFiles:
    """Reader of a video file, of a folder of them, or of a folder of numbered pictures."""

    def recognise(self, path: Path) -> str | None:
        """Return what shows that there are videos, or pictures, and no other data."""
        try:
            if path.is_file():
                found = container_of(path)
                return f"{found} container with {_described(path)}" if found and _described(path) else None
            videos, pictures = _content(path)
        except (DataError, OSError):
            return None
        if videos:
            return f"{len(videos)} video file(s), first {videos[0].name}: {_described(videos[0])}"
        return f"{len(pictures)} numbered pictures, first {pictures[0].name}" if pictures else None

    def open(self, path: Path) -> Log:
        """Read the packets' times of each video, or the names of pictures; decode nothing.

        Raises:
            DataError: when a video is damaged, or there are neither.
        """
        try:
            videos, pictures = ([path], []) if path.is_file() else _content(path)
        except OSError as error:
            raise DataError("a folder cannot be read", where=path, got=error) from error
        if not videos and not pictures:
            raise DataError("there are no videos or numbered pictures here", where=path)
        if not videos:
            return Log(
                format="video",
                path=path,
                segments=[PictureFolder(path, pictures)],
                facts={"pictures": str(len(pictures))},
                problems=["pictures in files have no times: state their rate"],
            )
        segments = [VideoSegment(video) for video in videos]
        return Log(
            format="video",
            path=path,
            segments=segments,
            conventions={"time": "seconds of the container, usually from its start"},
            facts={segment.name: segment.described for segment in segments[:100]},
            problems=[problem for segment in segments for problem in segment.problems],
        )


FORMAT = VideoFiles()


@dataclass(frozen=True, kw_only=True)
class Packets:
    """What demuxing a video says.

    Attributes:
        times: (n,) int64 in units of `unit_s`, ascending.
        stamped: whether packets have presentation times; else they are counted at the stated rate.
        keys: (m,) int64, times of keyframes, ascending.
    """

    times: NDArray[np.int64]
    keys: NDArray[np.int64]
    unit_s: tuple[int, int]
    stamped: bool
    shape: tuple[int, int, int]
    codec: str
    rate: str


class VideoSegment(Segment):
    """One video file."""

    def __init__(self, path: Path) -> None:
        self.name, self._path = path.name, path
        self._packets = read_packets(path)
        self.problems: list[str] = []
        if not self._packets.stamped:
            self.problems.append(f"{path.name}: its packets have no times; frames are counted at the stated rate")

    @property
    def described(self) -> str:
        """Codec, size, frames and rate, for people."""
        packets = self._packets
        height, width, _ = packets.shape
        return f"{packets.codec}, {width}x{height}, {len(packets.times)} frames, {packets.rate} Hz"

    @property
    def streams(self) -> Mapping[str, Stream]:
        """The camera."""
        stream = Stream(
            feature=image_feature(self._packets.shape),
            count=len(self._packets.times),
            clocks=(CLOCK,),
            target="observation.images.camera",
            note=f"{self._packets.codec}, {self._packets.rate} Hz",
            stored_bytes=self._path.stat().st_size,
        )
        return {CAMERA: stream}

    def times_ns(self, key: str, clock: str | None = None) -> NDArray[np.int64]:
        """Return the presentation times of frames, rounded to the nanosecond."""
        if key != CAMERA or clock not in (None, CLOCK):
            raise DataError("there is no such stream or clock", where=self._path, got=(key, clock), expected=CAMERA)
        numerator, denominator = self._packets.unit_s
        return np.array([_ns(time, numerator, denominator) for time in self._packets.times.tolist()], np.int64)

    def values(self, key: str, start: int = 0, stop: int | None = None) -> NDArray:
        """A video has no numbers."""
        raise DataError("a video has pictures only", where=self._path, got=key)

    def pictures(self, key: str, samples: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
        """Yield frames; see `Segment.pictures`."""
        if key != CAMERA:
            raise DataError("there is no such camera", where=self._path, got=key, expected=CAMERA)
        return read_frames(self._path, self._packets, np.asarray(samples, np.int64))


class PictureFolder(Segment):
    """Numbered pictures of a folder, without times."""

    def __init__(self, path: Path, pictures: Sequence[Path]) -> None:
        self.name = path.name or "pictures"
        self._files = ImageFiles(paths=pictures, shape=image_shape(pictures[0]))
        size = sum(picture.stat().st_size for picture in pictures)
        stream = Stream(
            feature=image_feature(self._files.shape),
            count=len(pictures),
            target="observation.images.camera",
            note="numbered pictures",
            stored_bytes=size,
        )
        self.streams = {CAMERA: stream}

    def values(self, key: str, start: int = 0, stop: int | None = None) -> NDArray:
        """Pictures have no numbers."""
        raise DataError("a folder of pictures has no numbers", where=self.name, got=key)

    def pictures(self, key: str, samples: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
        """Yield pictures; see `Segment.pictures`."""
        if key != CAMERA:
            raise DataError("there is no such camera", where=self.name, got=key, expected=CAMERA)
        return self._files.read(samples)


def container_of(path: Path) -> str | None:
    """Return the demuxer (`mp4`, `matroska`, `avi`) for a file's first bytes, or None."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return None
    if head[4:8] in _MP4_BOXES:
        return "mp4"
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return "matroska"
    return "avi" if head.startswith(b"RIFF") and head[8:12] == b"AVI " else None


def read_packets(path: Path) -> Packets:
    """Demux a video: the times of its frames, without decoding any.

    Raises:
        DataError: when it is damaged or holds no video.
    """
    times: list[int | None] = []
    keys: list[int | None] = []
    with _opened(path) as (container, stream):
        context = stream.codec_context
        shape = (context.height, context.width, 3)
        check_size("a video's frame", int(np.prod(shape, dtype=object)), LARGEST_SAMPLE, path)
        if min(shape) <= 0:
            raise damaged(path, f"a frame of {shape[1]}x{shape[0]}")
        for packet in container.demux(stream):
            # Packets that an edit list cuts away are decoded for their neighbours only.
            if packet.size == 0 or packet.is_discard:
                continue
            times.append(packet.pts)
            if packet.is_keyframe:
                keys.append(packet.pts)
            check_size("a video, in frames,", len(times), MOST_FRAMES, path)
        rate = stream.average_rate or stream.guessed_rate
        unit, codec = stream.time_base, context.name
    if not times:
        raise damaged(path, "no frames")
    if all(time is not None and abs(time) < 2**62 for time in times):
        return Packets(
            times=np.sort(np.array(times, np.int64)),
            keys=np.sort(np.array(keys, np.int64)),
            unit_s=(unit.numerator, unit.denominator),
            stamped=True,
            shape=shape,
            codec=codec,
            rate=f"{float(rate):g}" if rate else "unknown",
        )
    if not rate:
        raise damaged(path, "neither times of packets nor a rate")
    return Packets(
        times=np.arange(len(times), dtype=np.int64),
        keys=np.empty(0, np.int64),
        unit_s=(rate.denominator, rate.numerator),
        stamped=False,
        shape=shape,
        codec=codec,
        rate=f"{float(rate):g}",
    )


def read_frames(path: Path, packets: Packets, samples: NDArray[np.int64]) -> Iterator[NDArray[np.uint8]]:
    """Yield frames at `samples` (ascending, may repeat), numbered in order of presentation: (H, W, 3) uint8 RGB.

    Raises:
        DataError: when one cannot be decoded.
    """
    if not len(samples):
        return
    convert = VideoReformatter()
    with _opened(path) as (container, stream):
        stream.codec_context.thread_count = 1
        numbered = _numbered(container, stream, packets)
        place, frame, picture = -1, None, None
        for sample in samples.tolist():
            if not 0 <= sample < len(packets.times):
                raise DataError("there is no such frame", where=path, got=sample, expected=len(packets.times))
            if sample == place and picture is not None:
                yield picture
                continue
            if _worth_seeking(packets, place, sample):
                container.seek(int(packets.times[sample]), stream=stream)
                numbered = _numbered(container, stream, packets)
            while place != sample:
                place, frame = next(numbered, (None, None))
                if place is None or place > sample:
                    raise DataError(
                        "a frame of a video cannot be decoded",
                        where=f"{path}, frame {sample}",
                        remedy="the video is damaged; fetch or copy it again",
                    )
            picture = convert.reformat(frame, format="rgb24").to_ndarray()
            if picture.shape != packets.shape:
                raise DataError(
                    "a frame of a video has another size", where=f"{path}, frame {sample}", got=picture.shape[:2]
                )
            yield picture


def _worth_seeking(packets: Packets, place: int, sample: int) -> bool:
    """Whether a keyframe lies between the last decoded frame and the wanted one, which is far away."""
    if not packets.stamped or sample - place <= LOOK_AHEAD:
        return False
    now = packets.times[place] if place >= 0 else np.iinfo(np.int64).min
    first = int(np.searchsorted(packets.keys, now, side="right"))
    last = int(np.searchsorted(packets.keys, packets.times[sample], side="right"))
    return last - first > 1


def _numbered(container: Any, stream: Any, packets: Packets) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield decoded frames with their numbers; those that no packet announced are passed over."""
    for count, frame in enumerate(container.decode(stream)):
        if not packets.stamped:
            yield count, frame
            continue
        at = -1 if frame.pts is None else int(np.searchsorted(packets.times, frame.pts))
        if 0 <= at < len(packets.times) and packets.times[at] == frame.pts:
            yield at, frame


class _opened:
    """A container and its video stream; what FFmpeg raises becomes a DataError."""

    def __init__(self, path: Path) -> None:
        self._path, self._container = path, None

    def __enter__(self) -> tuple[Any, Any]:
        name = container_of(self._path)
        if name is None:
            raise DataError("this is no mp4, mov, mkv, webm or avi file", where=self._path)
        self._container = open_video(self._path, name)
        return self._container, self._container.streams.video[0]

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        self._container.close()
        if isinstance(error, (av.FFmpegError, ValueError, OverflowError)) and not isinstance(error, DataError):
            raise damaged(self._path, error) from error


def _ns(time: int, numerator: int, denominator: int) -> int:
    """Return a time in ns, rounded half up, in whole numbers: floats would lose digits."""
    value = (2 * time * numerator * 1_000_000_000 + denominator) // (2 * denominator)
    check_size("a time", abs(value), 2**63 - 1, "video")
    return value


def _described(path: Path) -> str | None:
    try:
        with _opened(path) as (_, stream):
            return f"{stream.codec_context.name}, {stream.codec_context.width}x{stream.codec_context.height}"
    except DataError:
        return None


def _content(path: Path) -> tuple[list[Path], list[Path]]:
    """Return the videos, or else the numbered pictures, of a folder; neither where other data lie beside them."""
    files = sorted(one for one in path.iterdir() if one.is_file() and not one.name.startswith("."))
    videos = [one for one in files if container_of(one)]
    pictures = [one for one in files if one.suffix.lower() in SUFFIXES and is_image(one)]
    others = [one for one in files if one.suffix.lower() not in NOTES and one not in {*videos, *pictures}]
    if others:
        return [], []
    if videos:
        return videos, []
    numbered = [one for one in pictures if re.search(r"\d", one.stem)]
    if len(numbered) < LEAST_PICTURES or len(numbered) < len(pictures):
        return [], []
    return [], sorted(numbered, key=_number)


def _number(path: Path) -> tuple[Any, ...]:
    """Return a key that sorts numbers in a name by value: `frame9` before `frame10`."""
    parts = re.split(r"(\d+)", path.stem)
    return (*(int(part[-18:]) if part.isdigit() else part for part in parts), path.name)
