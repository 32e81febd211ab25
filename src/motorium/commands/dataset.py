"""What commands that take one dataset share: a folder, or a reference in the store."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motorium.commands.options import add_store, open_store
from motorium.core.errors import DataError

if TYPE_CHECKING:
    from motorium.data.dataset import Dataset


def add_dataset(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    """Add the positional DATASET, and the store it may be in."""
    text = "a folder, or a reference in the store (dataset/3f2a81c0)"
    parser.add_argument("dataset", metavar="DATASET", nargs="?" if optional else None, help=text)
    add_store(parser)


def dataset_folder(args: argparse.Namespace) -> Path:
    """Return the folder of the dataset that is named.

    Raises:
        StoreError: when it is no folder, and the store has no such artifact.
        DataError: when the artifact is no dataset.
    """
    folder = Path(args.dataset)
    if folder.exists():
        return folder
    if "/" in args.dataset.removeprefix("dataset/") or folder.suffix:
        raise DataError("there is no such file or folder", where=folder)
    from motorium.flow.refs import resolve_ref

    store = open_store(args)
    artifact = resolve_ref(store, args.dataset)
    if artifact.kind != "dataset":
        raise DataError("this is no dataset", where=args.dataset, got=artifact.kind, expected="dataset/...")
    store.check(artifact)
    return artifact.path


def find_dataset(args: argparse.Namespace, **how: Any) -> Dataset:
    """Open the dataset that is named; `how` as `open_dataset` takes it."""
    from motorium.data.dataset import open_dataset

    return open_dataset(dataset_folder(args), **how)
