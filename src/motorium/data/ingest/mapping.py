"""Mapping: which streams of a log make which feature of a dataset, at which rate, on which clock. A file to edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, field_validator

from motorium.core.errors import SpecError, first_line
from motorium.core.spec import Spec
from motorium.data.log import Align

OVERLAP = "overlap"
LARGEST_FILE = 8 * 1024**2


class Part(Spec):
    """One stream, or some of its elements, as a part of a feature; a name alone stands for all of a stream."""

    stream: str = Field(description="the stream's name, as `motorium inspect` lists it")
    elements: list[int | str] | None = Field(
        None, min_length=1, description="which elements of a sample, by number or name; all when not given"
    )
    align: Align | None = Field(
        None,
        description="how it is put on the steps: linear, slerp (orientations), hold (commands), nearest;"
        " as the format suggests when not given",
    )
    clock: str | None = Field(None, description="the clock of this stream; as for all when not given")
    tolerance_s: float | None = Field(None, ge=0, description="nearest: how far the sample may be from the step")
    max_gap_s: float | None = Field(
        None, ge=0, description="linear, slerp: how far two samples may be apart; hold: how old one may be"
    )
    offset_s: float = Field(0.0, description="added to its stamps: a known error of its clock")
    scale: float | None = Field(None, description="factor on the values, such as 0.001 from mm to m")
    names: list[str] | None = Field(None, description="names of the elements; the stream's own when not given")
    units: list[str] | str | None = Field(None, description="units of the elements; the stream's own when not given")
    height: int | None = Field(None, gt=0, description="pictures: cut or padded with black at the bottom to this")
    width: int | None = Field(None, gt=0, description="pictures: cut or padded with black at the right to this")
    channels: Literal["rgb", "bgr"] | None = Field(
        None, description="pictures: bgr where a recorder stored blue first in arrays that should be rgb; it is swapped"
    )
    slots: int | None = Field(None, gt=0, description="tracked objects: how many, the first; the most of any segment")


class Split(Spec):
    """Where one segment becomes several episodes."""

    stream: str = Field(description="the stream whose silences part episodes")
    gap_s: float = Field(gt=0, description="the longest silence within an episode")


class MappingSpec(Spec):
    """What `motorium ingest --mapping` reads."""

    format: str | None = Field(None, description="format of the recording; recognised by its content when not given")
    source: dict[str, Any] = Field(
        {}, description="how the source is read, where its format cannot say: columns of a table, their types and units"
    )
    fps: float | None = Field(None, gt=0, description="steps in a second of the dataset")
    rate_hz: float | None = Field(
        None, gt=0, description="samples in a second of streams without stamps, where the source is silent or wrong"
    )
    clock: str | None = Field(
        None, description="clock of every stream that has it (header, log); each stream's best when not given"
    )
    task: str | None = Field(None, description="the instruction, for segments that have none of their own")
    robot_type: str | None = Field(None, description="name of the robot; as recorded when not given")
    features: dict[str, list[Part]] = Field(description="by feature of the dataset: the streams it is joined from")
    span: str = Field(
        OVERLAP, description="the time that becomes steps: the overlap of all streams, or from first to last of one"
    )
    split: Split | None = Field(None, description="new episodes at silences of a stream")
    lacking: Literal["stop", "drop", "mask"] = Field(
        "stop", description="a segment without one of the streams: stop, drop the segment, or mask what it lacks"
    )
    nonfinite: Literal["drop", "mask", "stop"] = Field(
        "drop",
        description="NaN or infinity in a recording of steps: drop the episode and say so, mask them, or stop."
        " Recordings with stamps always mask",
    )
    floats: Literal["recorded", "float32"] = Field(
        "recorded", description="keep the precision of the recording, or make all float32"
    )
    conventions: dict[str, str] = Field({}, description="units, frames and orders in words, beside the log's own")

    @field_validator("features", mode="before")
    @classmethod
    def _short(cls, features: Any) -> Any:
        """A name or a single part may stand where a list of parts is meant."""
        if not isinstance(features, Mapping):
            return features
        made = {}
        for key, parts in features.items():
            parts = parts if isinstance(parts, (list, tuple)) else [parts]
            made[key] = [{"stream": part} if isinstance(part, str) else part for part in parts]
        return made


def read_mapping(path: str | Path) -> MappingSpec:
    """Read a mapping from a YAML or JSON file.

    Raises:
        SpecError: when it is absent, neither of the two, or not a valid mapping; with line or key.
    """
    path = Path(path)
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise SpecError("this is too large for a mapping", where=path, got=f"{path.stat().st_size:,} bytes")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(
            "the mapping cannot be read",
            where=path,
            got=error.strerror,
            remedy="motorium inspect PATH --mapping FILE writes one",
        ) from None
    except UnicodeDecodeError as error:
        raise SpecError("the mapping is not UTF-8 text", where=path, got=error) from None
    return MappingSpec.parse(parse_yaml(text, str(path)), where=str(path))


def parse_yaml(text: str, name: str) -> Any:
    """Return the plain data of YAML text (JSON is YAML), without aliases, tags and duplicate keys.

    Raises:
        SpecError: with its line.
    """
    try:
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            _check_node(node, name, set())
            return None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise SpecError(
            "this is not valid YAML",
            where=f"{name}, line {mark.line + 1}" if mark else name,
            got=error.problem or error.context,
        ) from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise SpecError("this is not valid YAML", where=name, got=first_line(error)) from None


def _check_node(node: yaml.Node | None, name: str, seen: set[int]) -> None:
    if node is None:
        return
    if id(node) in seen:
        raise SpecError("an alias is not allowed here", where=f"{name}, line {node.start_mark.line + 1}")
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for child in node.value:
            _check_node(child, name, seen)
    elif isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            place = f"{name}, line {key.start_mark.line + 1}"
            if not isinstance(key, yaml.ScalarNode) or key.tag != "tag:yaml.org,2002:str":
                raise SpecError("a key must be text", where=place, got=str(key.value)[:80])
            if key.value in keys:
                raise SpecError(f"'{key.value}' is given twice", where=place, remedy="keep one of the two")
            keys.add(key.value)
            _check_node(value, name, seen)


@dataclass(frozen=True, kw_only=True)
class Comments:
    """What stands beside the values of a mapping file.

    Attributes:
        head: lines at the top.
        fields: by field of the mapping; the others are explained by their descriptions.
        streams: by stream: its rate, shape, units.
        left_out: (stream, why and what it is) of streams that are in no feature.
    """

    head: Sequence[str] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    streams: Mapping[str, str] = field(default_factory=dict)
    left_out: Sequence[tuple[str, str]] = ()


def write_mapping(mapping: MappingSpec, path: str | Path, comments: Comments | None = None) -> None:
    """Write a mapping as YAML with comments; `read_mapping` gives it back.

    Raises:
        SpecError: when it cannot be written.
    """
    try:
        Path(path).write_text(format_mapping(mapping, comments), encoding="utf-8")
    except OSError as error:
        raise SpecError("the mapping cannot be written", where=path, got=error.strerror) from None


def format_mapping(mapping: MappingSpec, comments: Comments | None = None) -> str:
    """Return a mapping as YAML text with comments."""
    comments = comments or Comments()
    plain = mapping.to_plain()
    lines = [f"# {line}".rstrip() for line in comments.head]
    for name, known in MappingSpec.model_fields.items():
        comment = comments.fields.get(name) or known.description
        if name == "features":
            lines += _features(mapping, comments)
        elif name in ("conventions", "split", "source"):
            lines += _block(name, plain[name], comment)
        else:
            lines.append(_commented(f"{name}: {_scalar(plain[name])}", comment))
    return "\n".join(lines) + "\n"


def _features(mapping: MappingSpec, comments: Comments) -> list[str]:
    lines = ["", "features:" if mapping.features else "features: {}"]
    for key, parts in mapping.features.items():
        lines.append(f"  {_scalar(key)}:" + " []" * (not parts))
        for part in parts:
            shown = {name: value for name, value in part.to_plain().items() if value is not None}
            if not part.offset_s:
                del shown["offset_s"]
            body = ", ".join(f"{name}: {_scalar(value)}" for name, value in shown.items())
            lines.append(_commented(f"    - {{{body}}}", comments.streams.get(part.stream)))
    if comments.left_out:
        lines.append("# Left out. To take one in, put its line under a feature and remove the '#':")
    for stream, why in comments.left_out:
        lines.append(_commented(f"#    - {{stream: {_scalar(stream)}}}", why))
    return [*lines, ""]


def _block(name: str, value: Mapping[str, Any] | None, comment: str | None) -> list[str]:
    if not value:
        return [_commented(f"{name}: {'null' if value is None else '{}'}", comment)]
    return [_commented(f"{name}:", comment), *(f"  {_scalar(key)}: {_scalar(item)}" for key, item in value.items())]


def _scalar(value: Any) -> str:
    """Return a value as YAML on one line."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, str) and _plain(value):
        return value
    texts = [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]
    # Line separators and control characters are escaped, letters of any language stay as they are.
    clean = all(text.isprintable() for text in texts)
    text = yaml.safe_dump(value, default_flow_style=True, width=2**31, allow_unicode=clean, default_style=_style(value))
    return text.removesuffix("...\n").strip()


def _style(value: Any) -> str | None:
    return '"' if isinstance(value, str) else None


def _plain(text: str) -> bool:
    """Whether a text may stand without quotes, also within braces."""
    head, rest = text[:1], text[1:]
    fine = all(c.isalnum() or c in "_./-" for c in rest) and (head.isalpha() or head in "_/")
    return fine and text.isascii() and yaml.safe_load(text) == text


def _commented(line: str, comment: str | None) -> str:
    return f"{line}  # {' '.join(comment.split())}" if comment else line
