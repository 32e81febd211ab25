"""Stage curate: every episode is checked; the fit ones become a new dataset, the others are named with reasons."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from motorium.core.errors import DataError
from motorium.data.companions import VALID
from motorium.data.curate import CHECKS
from motorium.data.curate.finding import INFO, WARNING
from motorium.data.curate.policy import CurationSpec
from motorium.flow.stage import Context, Port, Result, Stage
from motorium.stages.blocks import blocks
from motorium.stages.splits import read_splits, write_splits

DECISIONS = "curation.json"
NUMERIC = ("f", "i", "u")
PIECE_ROWS = 65_536


class CurateSpec(CurationSpec):
    """Options of the stage `curate`."""

    held_out: float = Field(0.0, ge=0, lt=1, description="share of the kept episodes held out as the split `test`")
    pictures: bool = Field(True, description="look at the pictures, where there are any")
    best_share: float = Field(
        1.0,
        gt=0,
        le=1,
        description="share of each task's fit episodes to keep, those of the best quality; what it does to a policy is"
        " to be measured (ablate), not assumed",
    )
    best_count: int = Field(0, ge=0, description="fit episodes of each task to keep at most, the best; 0: any number")
    random_share: float = Field(
        1.0,
        gt=0,
        le=1,
        description="share of each task's fit episodes to keep, drawn by the seed, whatever their quality: what"
        " best_share has to be compared with",
    )
    shard_episodes: int = Field(25, ge=1, description="episodes that one shard measures; does not change the result")

    @model_validator(mode="after")
    def _one_selection(self) -> CurateSpec:
        if self.random_share < 1 and (self.best_share < 1 or self.best_count):
            raise ValueError("random_share cannot be combined with best_share or best_count")
        return self


def run(spec: CurateSpec, inputs: Mapping[str, Any], context: Context) -> Result:
    """Take the scales of the dataset, measure in shards, decide over the whole, copy what is kept."""
    from motorium.data.convert import copy_spec
    from motorium.data.curate.policy import decide
    from motorium.data.dataset import open_dataset
    from motorium.data.writer import DatasetWriter
    from motorium.stages.curate_examples import write_examples

    folder = inputs["dataset"].path
    source = open_dataset(folder, nonfinite="keep", times="keep")
    spec = with_stated_limits(spec, source.conventions)
    scale, center = scales(source)
    measures = _measured(spec, source, scale, center, context)
    tasks = [source.tasks[index] for index in source.column("task_index")[source.starts].tolist()]
    curation = decide(measures, source.lengths.tolist(), spec, fps=source.fps, groups=tasks)
    curation = with_leaks(curation, measures, spec, folder)
    for finding in curation.overall:
        if finding.severity != INFO:
            context.note(finding.message)
    kept = chosen(curation, tasks, spec, context.seed)
    _check_enough(kept, curation, spec, folder, source.num_episodes)
    copies = [(index, piece) for index in kept for piece in curation.decisions[index].pieces]
    train, test = _split(spec, context, len(copies), _alike(copies, curation.duplicates))
    described = copy_spec(source, episodes=kept).replace(durable=False)
    bar = context.progress(len(copies), unit="episode", label="copy")
    with DatasetWriter(context.output, spec=described) as writer:
        for index, (start, stop) in copies:
            split = len(curation.decisions[index].pieces) > 1
            meta = {**source.meta(index), "piece": [start, stop]} if split else None
            writer.add_copy(source, index, start=start, stop=stop, meta=meta)
            bar.advance()
        writer.finalize()
    bar.close()
    record = {**curation.to_plain(), "kept": [index for index, _ in copies], "source_episodes": source.num_episodes}
    (context.output / "meta" / DECISIONS).write_text(json.dumps(record, sort_keys=True) + "\n", encoding="utf-8")
    write_examples(source, record["decisions"], scale, context.output)
    if spec.held_out > 0:
        write_splits(context.output, {"train": train, "test": test})
    elif own := read_splits(folder):
        sides = {name: set(indices) for name, indices in own.items()}
        numbered = {name: [new for new, (old, _) in enumerate(copies) if old in one] for name, one in sides.items()}
        write_splits(context.output, numbered)
    how = "drawn from" if spec.random_share < 1 else "the best of"
    return result_of(curation, kept, len(test), source.num_episodes, how)


def _alike(copies: Sequence[tuple[int, Any]], duplicates: Sequence[Sequence[int]]) -> list[list[int]]:
    """Sets of new episodes that have to stay on one side of a split: duplicates, and pieces of one episode."""
    places: dict[int, list[int]] = {}
    for number, (index, _) in enumerate(copies):
        places.setdefault(index, []).append(number)
    sets = [[number for index in members for number in places.pop(index, [])] for members in duplicates]
    return sets + [numbers for numbers in places.values() if len(numbers) > 1]


def scales(source: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the standard deviation and the mean of each numeric feature over the dataset, read a piece at a time.

    Pieces are of a fixed number of rows, so that the bits depend on the data alone.
    """
    from motorium.data.curate.recording import Spread, with_floor

    spreads = {
        key: Spread() for key, one in source.features.items() if not one.visual and one.dtype.startswith(NUMERIC)
    }
    for start in range(0, source.num_frames, PIECE_ROWS):
        stop = min(start + PIECE_ROWS, source.num_frames)
        for key, spread in spreads.items():
            mask = key + VALID
            spread.add(
                source.rows(key, start, stop), source.rows(mask, start, stop) if mask in source.features else None
            )
    scale = {key: with_floor(spread.deviation, source.features[key].units) for key, spread in spreads.items()}
    return scale, {key: spread.mean for key, spread in spreads.items()}


def _measured(
    spec: CurateSpec, source: Any, scale: Mapping[str, Any], center: Mapping[str, Any], context: Context
) -> list[dict[str, Any]]:
    """What every check measures of every episode, in shards."""
    shards = [
        {
            "folder": str(source.root),
            "plain": spec.to_plain(),
            "first": first,
            "count": count,
            "scale": dict(scale),
            "center": dict(center),
        }
        for first, count in blocks(0, source.num_episodes, spec.shard_episodes)
    ]
    parts = context.map(measure_shard, shards, unit="episode", sizes=[shard["count"] for shard in shards])
    seen: dict[tuple[str, ...], list[str]] = {}
    return [_with_shared_names(measured, seen) for part in parts for measured in part]


def _with_shared_names(measured: dict[str, Any], seen: dict[tuple[str, ...], list[str]]) -> dict[str, Any]:
    """The measures with one list for equal names of elements: many episodes are in memory at once."""
    for key, value in measured.items():
        if key == "names" and isinstance(value, list):
            measured[key] = seen.setdefault(tuple(value), value)
        elif isinstance(value, dict):
            _with_shared_names(value, seen)
    return measured


def with_stated_limits(spec: CurateSpec, conventions: Mapping[str, str]) -> CurateSpec:
    """Return the spec with the joint limits that the dataset states, behind those of the spec itself."""
    from motorium.data.curate.limits import stated_limits

    stated = stated_limits(conventions)
    if not stated or "limits" not in spec.checks:
        return spec
    mine = dict(spec.limits.get("limits", {}))
    mine["limits"] = {**mine.get("limits", {}), **{k: v for k, v in stated.items() if k not in mine.get("limits", {})}}
    return spec.replace(limits={**spec.limits, "limits": mine})


def with_leaks(curation: Any, measures: Any, spec: CurateSpec, folder: Path) -> Any:
    """Return the curation with what is found of the source's own splits, where it has some."""
    from dataclasses import replace

    from motorium.data.curate.leakage import leaks

    splits = read_splits(folder)
    if splits is None or not {"duplicate", "lookalike"} & set(spec.checks):
        return curation
    limits = [CHECKS.load(name).limits.parse(spec.limits.get(name, {})) for name in ("duplicate", "lookalike")]
    return replace(curation, overall=(*curation.overall, *leaks(measures, splits, *limits)))


def chosen(curation: Any, tasks: Sequence[str], spec: CurateSpec, seed: int) -> list[int]:
    """Return the episodes to keep: the fit ones; where fewer are wanted, the best of each task, or some at random."""
    from motorium.core.random import stream
    from motorium.data.curate.policy import REJECT
    from motorium.data.curate.score import best

    fit = [index for index, decision in enumerate(curation.decisions) if decision.action != REJECT]
    if spec.best_share == 1.0 and not spec.best_count and spec.random_share == 1.0:
        return fit
    quality = [curation.decisions[index].quality for index in fit]
    share = spec.best_share
    if spec.random_share < 1:
        # The same rule, so that the numbers of episodes are the same; only what it goes by is drawn.
        quality, share = stream(seed, "random share").random(len(fit)).tolist(), spec.random_share
    picked = best(quality, [tasks[index] for index in fit], share=share, count=spec.best_count)
    return [fit[place] for place in picked]


def _check_enough(kept: Sequence[int], curation: Any, spec: CurateSpec, folder: Path, total: int) -> None:
    if not kept:
        raise DataError(
            "no episode is fit to be kept",
            where=str(folder),
            got=f"{total} episodes, of which the first: {curation.decisions[0].reason}",
            expected="at least one",
            remedy="look at the reasons; change `limits` or `strict` if they are too narrow",
        )
    if spec.held_out > 0 and len(kept) < 2:
        raise DataError(
            "no episode can be held out: only one is left to train on",
            where=str(folder),
            got=f"{len(kept)} of {total} episodes kept" + _why_not(curation),
            expected="two at least",
            remedy="record more, or set held_out to 0 and do without a test",
        )


def _split(
    spec: CurateSpec, context: Context, count: int, duplicates: Sequence[Sequence[int]]
) -> tuple[list[int], list[int]]:
    """Episodes to train on and held out; near-duplicates stay on one side."""
    from motorium.core.random import stream
    from motorium.data.curate.split import grouped_split

    order = stream(context.seed, "held out").permutation(count).tolist()
    return grouped_split(duplicates, spec.held_out, order)


def result_of(curation: Any, chosen: Sequence[int], held: int, total: int, how: str = "the best of") -> Result:
    """Say in one line what was kept and why the rest was not; `how` some were picked from the fit ones."""
    counts = curation.counts()
    kept, fit = len(chosen), total - counts["reject"]
    reasons = curation.reasons()
    summary = f"{kept} of {total} kept"
    if kept < fit:
        summary += f", {how} {fit} fit ones"
    if counts["trim"]:
        summary += f", {counts['trim']} of them trimmed"
    if counts.get("split"):
        summary += f", {counts['split']} of them split at local faults"
    summary += _why_not(curation)
    warned = sum(any(one.severity == WARNING for one in curation.decisions[index].findings) for index in set(chosen))
    if warned:
        summary += f", {warned} with warnings"
    if held:
        summary += f", {held} held out"
    worst = [
        {"episode": index, "action": decision.action, "reason": decision.reason, "score": decision.score}
        for index, decision in enumerate(curation.decisions)
        if decision.reason
    ]
    metrics = {
        "kept": kept,
        "counts": counts,
        "reasons": reasons,
        "held_out": held,
        "fit": fit,
        "duplicates": [list(members) for members in curation.duplicates],
        "overall": [{"check": one.check, "severity": one.severity, "message": one.message} for one in curation.overall],
        "not_checked": {check: dict(why) for check, why in curation.not_checked.items()},
        "decisions": worst,
    }
    return Result(summary=summary, metrics=metrics)


def _why_not(curation: Any) -> str:
    """`, 3 rejected (lag 2, jump 1)`; nothing where none was."""
    rejected = curation.counts()["reject"]
    checks = {name: count for name, count in curation.reasons().items() if name not in ("idle ends", "split")}
    why = ", ".join(f"{name} {count}" for name, count in checks.items())
    return f", {rejected} rejected ({why or 'score'})" if rejected else ""


def measure_shard(
    folder: str,
    plain: dict[str, Any],
    first: int,
    count: int,
    scale: Mapping[str, Any] | None = None,
    center: Mapping[str, Any] | None = None,
    threads: int = 1,
) -> list[dict[str, Any]]:
    """Return what every check measures of episodes `first` to `first + count`; reads only their rows.

    Args:
        scale, center: standard deviation and mean of each numeric feature over the whole dataset; None: taken here.
    """
    import numpy as np

    from motorium.data.curate.policy import measure
    from motorium.data.curate.recording import Recording
    from motorium.data.dataset import open_dataset

    spec = CurateSpec.parse(plain)
    dataset = open_dataset(folder, nonfinite="keep", times="keep")
    if scale is None or center is None:
        scale, center = scales(dataset)
    missing = dataset.missing_videos()
    keys = [key for key, feature in dataset.features.items() if not feature.visual]
    names = {key: feature.names for key, feature in dataset.features.items() if feature.names}
    units = {key: feature.units for key, feature in dataset.features.items() if feature.units}
    made = []
    for index in range(first, first + count):
        start = int(dataset.starts[index])
        stop = start + int(dataset.lengths[index])
        frames = {}
        if spec.pictures:
            seen = [camera for camera in dataset.cameras if index not in missing.get(camera, [])]
            frames = {camera: dataset.pictures(index, camera) for camera in seen}
        recording = Recording(
            arrays={key: dataset.rows(key, start, stop) for key in keys},
            fps=dataset.fps,
            scale=scale,
            center=center,
            stamps_s=dataset.column("timestamp")[start:stop].astype(np.float64),
            frames=frames,
            names=names,
            units=units,
            task=dataset.tasks[int(dataset.column("task_index")[start])],
            meta=dataset.meta(index),
        )
        made.append(measure(recording, spec))
    return made


STAGE = Stage(
    name="curate",
    version=1,
    kind="dataset",
    spec=CurateSpec,
    ports={"dataset": Port(kind="dataset")},
    modules=(
        "motorium.stages.curate",
        "motorium.stages.curate_examples",
        "motorium.stages.blocks",
        "motorium.stages.splits",
        "motorium.data",
        "motorium.core",
    ),
    distributions=("av", "pyarrow", "numpy"),
    run=run,
)
