"""`motorium verify [REF]`: read every byte again and name what is corrupt."""

from __future__ import annotations

import argparse

from motorium.commands.options import add_store, open_store
from motorium.core.errors import StoreError
from motorium.flow.bars import Console
from motorium.flow.refs import resolve_ref
from motorium.flow.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("ref", metavar="REF", nargs="?", help="an artifact (default: all of them)")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Check the artifacts; return 1 when one is corrupt."""
    store = open_store(args)
    if args.ref:
        chosen = resolve_ref(store, args.ref).id
        rows = [row for row in store.rows() if row["id"] == chosen]
    else:
        store.adopt()
        rows = store.rows()
    bar = Console(quiet=args.quiet).bar(sum(row["bytes"] for row in rows) / 1e6, unit="MB", label="verify")
    bad = 0
    for row in rows:
        problems = _problems(store, row)
        bad += bool(problems)
        for problem in problems:
            print(f"{row['kind']}/{row['id'][:12]}: {problem}")
        bar.advance(row["bytes"] / 1e6)
    bar.close()
    print(f"{len(rows)} artifacts read, {bad} corrupt")
    return 1 if bad else 0


def _problems(store: Store, row: dict) -> list[str]:
    try:
        return store.problems(store.load(row["kind"], row["id"]), thorough=True)
    except (StoreError, OSError) as error:
        return [" ".join(str(error).split())]
