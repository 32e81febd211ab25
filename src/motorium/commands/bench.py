"""`motorium bench [NAME ...]`: run the project's benchmarks, one process each, one after the other."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from motorium.core.errors import SpecError, nearest


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="benchmarks to run (default: all)")
    parser.add_argument("--list", action="store_true", help="only name them")
    parser.add_argument(
        "--folder", type=Path, default=Path("benchmarks"), help="folder that holds them (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> int:
    """Run them; return the number of those that failed, at most 1.

    Raises:
        SpecError: when there is no such folder or benchmark.
    """
    found = {path.stem: path for path in sorted(args.folder.glob("*.py"))} if args.folder.is_dir() else {}
    if not found:
        raise SpecError(
            "there are no benchmarks here",
            where=args.folder,
            remedy="run it in a checkout of the project, or name --folder",
        )
    if args.list:
        print("\n".join(f"{name:10} {summary(path)}" for name, path in found.items()))
        return 0
    for name in args.names:
        if name not in found:
            raise SpecError(f"there is no benchmark '{name}'", expected=", ".join(found), nearest=nearest(name, found))
    failed = []
    for name in args.names or found:
        print(f"== {name}", flush=True)
        # A process each: threads, caches and settings of one must not reach the next.
        if subprocess.run([sys.executable, str(found[name])]).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return min(len(failed), 1)


def summary(path: Path) -> str:
    """Return the first line of a benchmark's text."""
    import ast

    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
