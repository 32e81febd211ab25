"""`motorium ls [KIND]`: list artifacts, newest first."""

from __future__ import annotations

import argparse
import time

from motorium.commands.options import add_store, open_store, print_json
from motorium.core.errors import StoreError, nearest
from motorium.core.wording import format_bytes
from motorium.flow.tables import format_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("kind", metavar="KIND", nargs="?", help="only this kind: dataset, policy, report, bundle, page")
    parser.add_argument("--stage", metavar="NAME", help="only what this stage made")
    parser.add_argument("--limit", metavar="N", type=int, help="only the newest N")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Print the list."""
    everything = open_store(args).rows()
    kinds = sorted({row["kind"] for row in everything})
    if args.kind and everything and args.kind not in kinds:
        raise StoreError(
            f"there is no artifact of kind '{args.kind}'",
            expected=f"one of: {', '.join(kinds)}",
            nearest=nearest(args.kind, kinds),
        )
    rows = [row for row in everything if args.kind in (None, row["kind"]) and args.stage in (None, row["stage"])]
    rows = rows[: args.limit]
    if args.json:
        print_json(rows)
        return 0
    table = [
        (
            f"{row['kind']}/{row['id'][:12]}",
            row["stage"],
            time.strftime("%Y-%m-%d %H:%M", time.localtime(row["created"])),
            format_bytes(row["bytes"]),
            row["summary"],
        )
        for row in rows
    ]
    print(format_table(("artifact", "stage", "made", "size", "result"), table))
    return 0
