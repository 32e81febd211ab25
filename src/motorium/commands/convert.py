"""`motorium convert DATASET OUT --to FORMAT`: write a dataset in a format that other tools read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from motorium.commands.dataset import add_dataset, find_dataset
from motorium.core.errors import DataError, SpecError
from motorium.core.wording import counted
from motorium.flow.bars import Console
from motorium.flow.commands import leaf_fields, read_option


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from motorium.data.writers import WRITERS

    # Neither is needed to list the options of a format.
    add_dataset(parser, optional=True)
    parser.add_argument("out", metavar="OUT", type=Path, nargs="?", help="new file or folder")
    parser.add_argument("--to", metavar="FORMAT", required=True, help=f"one of: {', '.join(WRITERS)}")
    parser.add_argument(
        "--with", metavar="NAME=VALUE", action="append", default=[], dest="options", help="an option of the format"
    )
    parser.add_argument("--options", action="store_true", dest="list_options", help="only list the format's options")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(args: argparse.Namespace) -> int:
    """Write it; say what the format cannot hold."""
    from motorium.data.writers import WRITERS

    writer = WRITERS.load(args.to)
    if args.list_options:
        for name, info in leaf_fields(writer.spec).items():
            default = "required" if info.is_required() else repr(info.get_default(call_default_factory=True))
            print(f"{name:20} {info.description or ''} ({default})")
        return 0
    if args.dataset is None or args.out is None:
        raise SpecError(
            "it is not said what is converted, and where to",
            got="no DATASET" if args.dataset is None else "no OUT",
            remedy=f"motorium convert DATASET OUT --to {args.to}",
        )
    spec = writer.spec.parse(_options(writer.spec, args.options), where=f"--to {args.to}")
    if args.out.exists():
        raise DataError("something is there already", where=args.out, remedy="name a new one; nothing is overwritten")
    dataset = find_dataset(args)
    bar = Console(quiet=args.quiet).bar(dataset.num_episodes, unit="episode", label=args.to)
    try:
        written = writer.write(dataset, args.out, spec, bar)
    finally:
        bar.close()
    paths = list(written.paths)
    print(
        f"{args.to}: {counted(dataset.num_episodes, 'episode')}, {counted(dataset.num_frames, 'frame')} -> {args.out}"
    )
    if len(paths) > 1:
        print(f"  {len(paths)} files and folders, from {paths[0].name} to {paths[-1].name}")
    for words in written.left_out:
        print(f"  left out: {words}")
    return 0


def _options(spec: type, pairs: list[str]) -> dict[str, Any]:
    fields, options = leaf_fields(spec), {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise SpecError("an option needs a name and a value", where="--with", got=pair, expected="name=value")
        # Unknown names are left to the spec, which knows the nearest.
        options[name] = read_option(fields[name], text) if name in fields else text
    return options
