"""`motorium cache`: what the training loader keeps of datasets, and how much room it takes."""

from __future__ import annotations

import argparse

from motorium.commands.options import print_json
from motorium.core.wording import format_bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--clear", metavar="KIND", nargs="*", help="delete these kinds (none named: all)")
    parser.add_argument("--json", action="store_true", help="print it as JSON")


def run(args: argparse.Namespace) -> int:
    """Show what is kept, or delete it; everything in it is made again when it is needed."""
    from motorium.data.loader.cache import cache_folder, cache_sizes, clear

    freed = None if args.clear is None else clear(*args.clear)
    sizes = cache_sizes()
    if args.json:
        print_json({"folder": str(cache_folder()), "bytes": sizes, "freed": freed})
        return 0
    print(cache_folder())
    for kind, size in sizes.items():
        print(f"  {kind:10} {format_bytes(size):>10}")
    if freed is not None:
        print(f"freed {format_bytes(freed)}")
    return 0
