"""Small stages that a recipe can be made of, quick enough to be killed a hundred times."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from motorium.core.catalog import Catalog
from motorium.core.errors import DataError
from motorium.core.random import stream
from motorium.core.spec import Spec
from motorium.flow.stage import Port, Result, Stage


class MakeSpec(Spec):
    """Options of `make`."""

    rows: int = Field(4, ge=1, description="how many rows to draw")
    same: int = Field(0, description="does not change what comes out")
    name: str = Field("toy", description="what to call it")


class SumSpec(Spec):
    """Options of `sum`."""

    power: int = Field(1, description="exponent")
    fail: bool = Field(False, description="raise instead")
    exit_code: int = Field(0, description="verdict")


class SlowSpec(Spec):
    """Options of `slow`."""

    shards: int = Field(6, description="how many shards")
    seconds: float = Field(0.2, description="how long each takes")


class InnerSpec(Spec):
    """Options within options."""

    rate: float = Field(1e-3, description="how fast")
    label: str | None = Field(None, description="what to call it")


class NestedSpec(Spec):
    """Options of `nested`, of all sorts; `seed` is also an option of the command."""

    seed: int = Field(3, description="its own seed")
    inner: InnerSpec = Field(InnerSpec(rate=0.5), description="options within")
    sizes: tuple[int, ...] = Field((64, 64), description="several")
    mode: Literal["a", "1"] = Field("a", description="one of")
    table: dict[str, float] = Field({}, description="by name")
    long_name: bool = Field(False, description="yes or no")


class CompareSpec(Spec):
    """Options of `compare`."""


def draw(*, seed: int, index: int, count: int, threads: int) -> dict:
    """Draw numbers; a shard."""
    assert threads >= 1
    count_call(f"draw-{index}")
    return {"index": index, "values": stream(seed, "draw", index).normal(size=count), "pair": (index, None)}


def count_call(name: str) -> None:
    """Leave a mark where a test can count it."""
    folder = os.environ.get("MOTORIUM_TOY_CALLS")
    if folder:
        with open(Path(folder) / name, "a") as file:
            file.write("x")


def run_make(spec: MakeSpec, inputs: Mapping, context) -> Result:
    """Draw rows, in two shards a row."""
    count_call("make")
    shards = [{"seed": context.seed, "index": index, "count": 3} for index in range(spec.rows)]
    rows = [result["values"] for result in context.map(draw, shards, unit="row")]
    np.save(context.output / "rows.npy", np.stack(rows))
    (context.output / "meta").mkdir()
    (context.output / "meta" / "info.json").write_text(json.dumps({"name": spec.name}))
    context.metrics.log(0, rows=spec.rows)
    return Result(summary=f"{spec.rows} rows", metrics={"rows": spec.rows})


def run_sum(spec: SumSpec, inputs: Mapping, context) -> Result:
    """Sum the rows."""
    count_call("sum")
    if spec.fail:
        raise ValueError("asked to fail")
    rows = np.load(inputs["dataset"].path / "rows.npy")
    total = float((rows**spec.power).sum())
    (context.output / "total.json").write_text(json.dumps(total))
    return Result(summary=f"total {total:.3f}", metrics={"total": total, "exit_code": spec.exit_code})


def nap(*, index: int, seconds: float, threads: int) -> int:
    """Take a while; a shard."""
    count_call(f"nap-{index}")
    time.sleep(seconds)
    return index


def run_slow(spec: SlowSpec, inputs: Mapping, context) -> Result:
    """Take a while, in shards."""
    count_call("slow")
    shards = [{"index": index, "seconds": spec.seconds} for index in range(spec.shards)]
    (context.output / "slow.json").write_text(json.dumps(list(context.map(nap, shards))))
    return Result(summary=f"{spec.shards} shards")


def run_compare(spec: CompareSpec, inputs: Mapping, context) -> Result:
    """Write a page of several reports."""
    count_call("compare")
    totals = {name: report.manifest["metrics"]["total"] for name, report in inputs["reports"].items()}
    (context.output / "index.html").write_text(f"<html><!--run-->{json.dumps(totals)}</html>")
    return Result(summary=f"{len(totals)} reports")


MAKE = Stage(name="make", version=1, kind="dataset", spec=MakeSpec, ports={}, modules=["tests.flow.toys"], run=run_make)
SUM = Stage(
    name="sum",
    version=1,
    kind="report",
    spec=SumSpec,
    ports={"dataset": Port(kind="dataset"), "weights": Port(kind="dataset", optional=True)},
    modules=["tests.flow.toys"],
    run=run_sum,
)
COMPARE = Stage(
    name="compare",
    version=1,
    kind="page",
    spec=CompareSpec,
    ports={"reports": Port(kind="report", many=True)},
    modules=["tests.flow.toys"],
    run=run_compare,
)


def run_nested(spec: NestedSpec, inputs: Mapping, context) -> Result:
    """Write the options."""
    (context.output / "spec.json").write_text(json.dumps(spec.to_plain()))
    return Result(summary="nested")


NESTED = Stage(
    name="nested", version=1, kind="report", spec=NestedSpec, ports={}, modules=["tests.flow.toys"], run=run_nested
)
SLOW = Stage(name="slow", version=1, kind="dataset", spec=SlowSpec, ports={}, modules=["tests.flow.toys"], run=run_slow)
STAGES = Catalog(
    "stage",
    [
        ("make", "tests.flow.toys:MAKE"),
        ("nested", "tests.flow.toys:NESTED"),
        ("slow", "tests.flow.toys:SLOW"),
        ("sum", "tests.flow.toys:SUM"),
        ("compare", "tests.flow.toys:COMPARE"),
    ],
)
RECIPE = """
recipe: toy
seed: 7
vars: {rows: 4}
stages:
  make: {with: {rows: ${rows}}}
  sum: {from: {dataset: make}}
  squares: {uses: sum, from: {dataset: make}, with: {power: 2}}
  compare: {from: {reports: {plain: sum, squares: squares}}}
"""


def measure(*, array: np.ndarray, path: Path, options: dict, threads: int) -> tuple:
    """Give back all types a shard may take and give."""
    product = array @ array.T if array.ndim == 2 else array * 2
    return (
        product,
        {"name": path.name, "path": path, "bytes": b"\x00\xff", **options},
        np.float32(0.1),
        (1, [2.5, None]),
    )


def explode(*, kind: str, threads: int) -> None:
    """Raise."""
    if kind == "data":
        raise DataError("the file is odd", where="row 3", got=7, remedy="mend it")
    raise KeyError("plain")


def die(*, name: str, times: int, threads: int) -> str:
    """Kill the worker the first `times` times."""
    count_call(name)
    if len((Path(os.environ["MOTORIUM_TOY_CALLS"]) / name).read_text()) <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return name


def doze(*, seconds: float, threads: int) -> int:
    """Sleep; tell the process."""
    count_call(f"pid-{os.getpid()}")
    time.sleep(seconds)
    return os.getpid()


def chatter(*, threads: int) -> int:
    """Print in the middle of a shard."""
    print("to standard output", flush=True)
    return threads


def environment(*, threads: int) -> str | None:
    """Tell how many threads numeric libraries may use."""
    return os.environ.get("OMP_NUM_THREADS")


def unpicklable(*, threads: int) -> object:
    """Give something that is not plain data."""
    return object()
