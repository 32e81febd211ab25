"""What several commands share: the store's option, the table of stages, JSON output."""

from __future__ import annotations

import argparse
import json
import os
from typing import Any

from motorium.flow.store import Store

DEFAULT_STORE = ".motorium"


def add_store(parser: argparse.ArgumentParser) -> None:
    """Add `--store`."""
    parser.add_argument(
        "--store",
        metavar="DIR",
        default=os.environ.get("MOTORIUM_STORE", DEFAULT_STORE),
        help="folder of artifacts (default: $MOTORIUM_STORE, else .motorium in the working directory)",
    )


def open_store(args: argparse.Namespace, *, create: bool = False) -> Store:
    """Return the store that `--store` names.

    Raises:
        StoreError: when it is not there and is not to be made.
    """
    return Store(args.store, create=create)


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add how to run: `--on`, `--jobs`, `--quiet`."""
    parser.add_argument(
        "--on", metavar="EXECUTOR", default="inline", help="how shards are run: inline (default), processes"
    )
    parser.add_argument("--jobs", metavar="N", type=positive, help="threads or worker processes (default: every core)")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def all_stages() -> Any:
    """Return the table of stages."""
    from motorium.stages import STAGES

    return STAGES


def print_json(value: Any) -> None:
    """Print `value` for a program to read."""
    print(json.dumps(value, indent=2, ensure_ascii=False))
