"""`motorium inspect PATH`: what is in a recording or dataset, and what of it would become a dataset."""

from __future__ import annotations

import argparse
from pathlib import Path

from motorium.commands.options import print_json
from motorium.core.errors import SpecError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("path", metavar="PATH", help="a recording, a folder of recordings, or a dataset")
    parser.add_argument("--json", action="store_true", help="print everything as JSON")
    parser.add_argument("--mapping", metavar="FILE", help="write the suggested mapping to a new file, to edit")


def run(args: argparse.Namespace) -> int:
    """Print what is there; write the mapping where it is wanted."""
    from motorium.data.ingest.inspect import inspect
    from motorium.data.ingest.inspect_text import table

    target = None if args.mapping is None else Path(args.mapping)
    if target is not None and target.exists():
        raise SpecError("the file is there already", where=target, remedy="choose another name, or remove it first")
    found = inspect(args.path)
    if target is not None:
        if found.mapping is None:
            raise SpecError("a dataset needs no mapping", where=args.path, remedy="motorium ingest converts it")
        try:
            target.write_text(found.mapping, encoding="utf-8")
        except OSError as error:
            raise SpecError("the mapping cannot be written", where=target, got=error.strerror) from None
    if args.json:
        print_json(found.to_plain())
    else:
        print(table(found))
        if target is not None:
            print(f"\nmapping written to {target}")
    return 0
