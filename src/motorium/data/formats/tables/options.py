"""TableOptions: what a mapping may state about tables (`source:`); what it does not is found out, and said."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from motorium.core.spec import Spec

Unit = Literal["s", "ms", "us", "ns"]
Number = Literal[
    "float16",
    "float32",
    "float64",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "bool",
    "string",
]


class TableStream(Spec):
    """One stream, made of columns."""

    columns: list[str] = Field(min_length=1, description="the columns of a sample, in order")
    dtype: Number | None = Field(None, description="type of the values; as stored when not given")
    shape: list[int] | None = Field(None, description="shape of a sample, whose product is the number of columns")
    names: list[str] | None = Field(None, description="names of the elements; of the columns when not given")
    units: list[str] | str | None = Field(None, description="units of the elements, or one for all")
    frame: str | None = Field(None, description="coordinate frame of the values")
    pictures: bool = Field(False, description="the column holds paths of pictures, or pictures")


class TableOptions(Spec):
    """What may be stated about tables."""

    time: str | None = Field(None, description="column of times; null: rows are steps; found by name when not stated")
    time_unit: Unit | None = Field(None, description="unit of the times; found out when not stated")
    episode: str | None = Field(None, description="column whose value changes from episode to episode; null: none")
    task: str | None = Field(None, description="column of the instruction; null: none")
    streams: dict[str, TableStream] = Field({}, description="by stream: its columns; others are found out")
    delimiter: str | None = Field(None, min_length=1, max_length=1, description="of delimited text")
    encoding: str | None = Field(None, description="of delimited text: utf-8, latin-1")
    decimal: Literal[".", ","] | None = Field(None, description="decimal point of delimited text")
    header: bool | None = Field(None, description="whether the first row of delimited text names the columns")
    null_values: list[str] = Field([], description="further texts that stand for an empty cell")
    types: dict[str, Number] = Field({}, description="types of columns of delimited text")

    def stated(self, name: str) -> bool:
        """Whether a field was given, be it null."""
        return name in self.model_fields_set
