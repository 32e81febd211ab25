"""`motorium edit DATASET`: delete, split, merge, rename, resample, crop; the options are done in their order."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from motorium.commands.single import add_single_options, check_out, deliver, run_stages
from motorium.core.errors import SpecError
from motorium.flow.document import read_document, read_value
from motorium.flow.recipe import Entry

# Option -> (operation, its options as written, help); all may be given several times.
OPTIONS = {
    "delete": ("EPISODES", "leave out episodes: 3,5-7"),
    "keep": ("EPISODES", "keep only these episodes, in this order: 0-9,12"),
    "keep-split": ("NAME", "keep only the episodes of a split"),
    "split": ("NAME=PART,...", "name splits: train=0.8,test=0.2 (drawn at random); several --split NAME=0-7 by number"),
    "merge": ("DATASET", "append the episodes of another dataset"),
    "trim": ("START:STOP", "keep steps START to STOP of each episode; either may be left out, STOP may be negative"),
    "rename": ("OLD=NEW", "rename a feature"),
    "remove": ("FEATURE", "leave out a feature, or those that a pattern matches: 'observation.images.*'"),
    "add": ("FEATURE=VALUE", "add a feature that is VALUE (as YAML) at every step"),
    "task": ("[EPISODES=]TEXT", "the instruction of these episodes, or of all; --task 'OLD WORDS->NEW WORDS' replaces"),
    "fps": ("RATE", "pick every n-th step, so that RATE are left in a second"),
    "resample": (
        "RATE",
        "any number of steps a second (12.5), also where --fps has none to pick: floats interpolated, the rest held;"
        " a higher rate only without cameras",
    ),
    "encode": ("PROFILE", "encode all videos again: fast (h264) or lerobot (AV1)"),
    "crop": ("[CAMERA=]TOP,LEFT,HEIGHT,WIDTH", "keep a part of the pictures"),
    "resize": ("[CAMERA=]HEIGHTxWIDTH", "scale the pictures"),
}


class _Ordered(argparse.Action):
    """Notes an operation in the order in which the options are given."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        namespace.done = [*(getattr(namespace, "done", None) or []), (self.dest.removeprefix("op_"), values)]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("dataset", metavar="DATASET", help="a folder, or a reference in the store (dataset/3f2a81c0)")
    parser.add_argument("--dry-run", action="store_true", help="say exactly what would happen, and write nothing")
    parser.add_argument("--json", action="store_true", help="with --dry-run: as JSON")
    parser.add_argument("--operations", metavar="FILE", help="further operations, a YAML list; done first")
    group = parser.add_argument_group("operations, done in the order in which they are given")
    for name, (metavar, text) in OPTIONS.items():
        group.add_argument(
            f"--{name}", metavar=metavar, action=_Ordered, dest=f"op_{name}", help=text.replace("%", "%%")
        )
    add_single_options(parser)


def run(args: argparse.Namespace) -> int:
    """Say what would happen, or let it happen."""
    operations, others = read_operations(args)
    if args.dry_run:
        return _dry_run(args, operations, others)
    check_out(args.out)
    inputs: dict[str, Any] = {"dataset": args.dataset}
    if others:
        inputs["others"] = others
    entry = Entry(uses="edit", options={"operations": operations}, inputs=inputs)
    code, made = run_stages("edit", {"edit": entry}, args)
    if "edit" in made:
        deliver(made["edit"], args.out)
    return code


def read_operations(args: argparse.Namespace) -> tuple[list[Any], dict[str, str]]:
    """Return plain operations in their order, and the other datasets by name.

    Raises:
        SpecError: when there are none, or one cannot be read.
    """
    operations: list[Any] = []
    if args.operations:
        try:
            text = Path(args.operations).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            got = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
            raise SpecError("the operations cannot be read", where=args.operations, got=got) from None
        listed = read_document(text, args.operations).data
        if not isinstance(listed, list):
            raise SpecError("a file of operations holds a list", where=args.operations, expected="- name: options")
        operations += listed
    others: dict[str, str] = {}
    for name, value in getattr(args, "done", None) or []:
        if name == "merge":
            others[f"other{len(others) + 1}"] = value
            operations.append({"merge": [list(others)[-1]]})
        elif name == "split" and operations and "split" in operations[-1]:
            operations[-1]["split"]["parts"] |= _pairs(value)
        else:
            operations.append(_operation(name, value))
    if not operations:
        raise SpecError("nothing says what to edit", where="motorium edit", remedy="`motorium edit --help` lists what")
    return operations, others


def _operation(name: str, value: str) -> dict[str, Any]:
    """One option as an operation."""
    if name in ("delete", "keep", "remove", "encode"):
        return {name: value}
    if name == "keep-split":
        return {"keep": {"split": value}}
    if name == "split":
        return {"split": {"parts": _pairs(value)}}
    if name == "trim":
        start, colon, stop = value.partition(":")
        if not colon:
            raise SpecError("a trim is a range of steps", where="--trim", got=value, expected="START:STOP")
        return {"trim": {"start": _whole(start or "0", "--trim"), "stop": _whole(stop, "--trim") if stop else None}}
    if name == "rename":
        old, new = _pair(value, "--rename", "OLD=NEW")
        return {"rename": {"features": {old: new}}}
    if name == "add":
        key, text = _pair(value, "--add", "FEATURE=VALUE")
        return {"add": {"feature": key, "value": read_value(text)}}
    if name == "task":
        return {"task": _task(value)}
    if name in ("fps", "resample"):
        return {"fps": {"to": read_value(value), "resample": name == "resample"}}
    camera, equals, size = value.rpartition("=")
    parts = size.replace("x", ",").split(",")
    names = ("top", "left", "height", "width") if name == "crop" else ("height", "width")
    if len(parts) != len(names):
        raise SpecError(f"--{name} takes {len(names)} numbers", where=f"--{name}", got=value, expected=OPTIONS[name][0])
    numbers = {key: _whole(part, f"--{name}") for key, part in zip(names, parts)}
    return {name: {**({"camera": camera} if equals else {}), **numbers}}


def _task(value: str) -> dict[str, Any]:
    old, arrow, new = value.partition("->")
    if arrow:
        return {"words": {old.strip(): new.strip()}}
    episodes, equals, text = value.partition("=")
    if equals and episodes and set(episodes) <= set("0123456789,- "):
        return {"text": text, "episodes": episodes}
    return {"text": value}


def _pairs(value: str) -> dict[str, Any]:
    """`train=0.8,test=0.2` as shares, `train=0-7` as episodes."""
    parts = value.split(",")
    if all("=" in part for part in parts) and len(parts) > 1:
        return {name.strip(): _share(text) for name, text in (part.split("=", 1) for part in parts)}
    name, text = _pair(value, "--split", "NAME=PART")
    return {name: _share(text)}


def _share(text: str) -> Any:
    return float(text) if "." in text else text.strip()


def _pair(value: str, where: str, expected: str) -> tuple[str, str]:
    left, equals, right = value.partition("=")
    if not equals or not left or not right:
        raise SpecError("an option needs two sides", where=where, got=value, expected=expected)
    return left, right


def _whole(text: str, where: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise SpecError("this is no whole number", where=where, got=text) from None


def _dry_run(args: argparse.Namespace, operations: list[Any], others: dict[str, str]) -> int:
    from dataclasses import asdict

    from motorium.commands.dataset import dataset_folder
    from motorium.data.dataset import open_dataset
    from motorium.data.edit.describe import describe
    from motorium.data.edit.plan import make_view, outline
    from motorium.stages.edit import splits_of

    folder = dataset_folder(args)
    named = {
        name: str(dataset_folder(argparse.Namespace(dataset=other, store=args.store))) for name, other in others.items()
    }
    made = outline(make_view(folder, operations, named, splits_of(str(folder), named)))
    source = open_dataset(folder, nonfinite="keep", times="keep")
    if args.json:
        print(json.dumps({"operations": operations, **asdict(made), "estimate": made.estimate}, indent=2))
    else:
        print(describe(made, (source.num_episodes, source.num_frames)))
        print("nothing was written (--dry-run)")
    return 0
