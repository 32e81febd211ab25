"""`motorium lineage REF`: what an artifact was made from, up to the roots; or what was made from it."""

from __future__ import annotations

import argparse

from motorium.commands.options import add_store, open_store, print_json
from motorium.flow.lineage import ancestors, descendants, format_tree
from motorium.flow.refs import resolve_ref


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("ref", metavar="REF", help="kind/beginning-of-id, or the beginning alone")
    parser.add_argument("--down", action="store_true", help="show what was made from it instead")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Print the tree."""
    store = open_store(args)
    tree = (descendants if args.down else ancestors)(store, resolve_ref(store, args.ref))
    if args.json:
        print_json(tree.to_plain())
    else:
        print(format_tree(tree))
    return 0
