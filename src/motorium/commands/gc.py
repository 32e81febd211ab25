"""`motorium gc`: delete what is no longer used."""

from __future__ import annotations

import argparse

from motorium.commands.options import add_store, open_store
from motorium.core.wording import format_bytes
from motorium.flow.collect import collect, parse_keep


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description += (
        " Kept, with all they were made from: artifacts of the newest finished run of each recipe, those that a run"
        " in progress uses, those younger than 14 days (or the age in --keep), and those named in --keep."
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be deleted")
    parser.add_argument(
        "--keep",
        metavar="AGE|REF",
        action="append",
        default=[],
        help="an age (30d, 12h, 10m), or an artifact; repeatable",
    )
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Delete, and say what."""
    store = open_store(args)
    age_s, keep = parse_keep(store, args.keep)
    garbage = collect(store, age_s=age_s, keep=keep, dry_run=args.dry_run)
    for row in garbage.artifacts:
        print(f"{row['kind']}/{row['id'][:12]}  {format_bytes(row['bytes'])}  {row['summary']}")
    for folder in garbage.folders:
        print(folder)
    verb = "would free" if args.dry_run else "freed"
    print(f"{verb} {format_bytes(garbage.bytes)}: {len(garbage.artifacts)} artifacts, {len(garbage.folders)} folders")
    return 0
