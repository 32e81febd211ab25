"""`motorium diff A B`: in what two artifacts differ: specs, inputs, modules, metrics."""

from __future__ import annotations

import argparse

from motorium.commands.options import add_store, open_store, print_json
from motorium.flow.compare import changed_fields, derivation_changes
from motorium.flow.refs import resolve_ref
from motorium.flow.tables import format_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("a", metavar="A", help="an artifact: kind/beginning-of-id, or the beginning alone")
    parser.add_argument("b", metavar="B", help="another one")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Print the differences."""
    store = open_store(args)
    first, second = resolve_ref(store, args.a), resolve_ref(store, args.b)
    changes = derivation_changes(first.manifest, second.manifest)
    changes += changed_fields("metrics", first.manifest["metrics"], second.manifest["metrics"])
    if args.json:
        print_json({"a": first.ref, "b": second.ref, "changes": [change.to_plain() for change in changes]})
        return 0
    print(f"a  {first.ref}  {first.manifest['summary']}\nb  {second.ref}  {second.manifest['summary']}")
    if first.content == second.content:
        print("their files are the same")
    rows = [(change.part, change.field, change.before, change.after, change.note) for change in changes]
    print(format_table(("what", "field", "a", "b", ""), rows) if rows else "no spec, input, module or metric differs")
    return 0
