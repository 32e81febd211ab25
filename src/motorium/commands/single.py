"""Commands that run one stage, or two: what `ingest`, `curate`, `edit` and `rl` share."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from motorium.commands.options import add_run_options, add_store, all_stages, open_store
from motorium.commands.run import finish
from motorium.core.errors import DataError
from motorium.flow.bars import Console
from motorium.flow.recipe import Entry, Recipe
from motorium.flow.runner import Runner, RunOptions
from motorium.flow.stage import Artifact


def add_single_options(parser: argparse.ArgumentParser) -> None:
    """Add `--out`, `--seed`, `--force`, how to run, and the store."""
    parser.add_argument("--out", metavar="DIR", type=Path, help="also put what is made there, as a plain folder")
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="root seed (default 0)")
    parser.add_argument("--force", action="store_true", help="make it again even if cached")
    add_run_options(parser)
    add_store(parser)


def check_out(out: Path | None) -> None:
    """Check, before anything runs, that `--out` may be written.

    Raises:
        DataError: when something is there already, or the folder above cannot be written.
    """
    if out is None:
        return
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError("--out is not empty", where=out, remedy="name a new folder; nothing is overwritten")
    above = next(folder for folder in out.absolute().parents if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise DataError(
            "--out cannot be written",
            where=out,
            got=f"{above} {'may not be written by you' if above.is_dir() else 'is no folder'}",
            remedy="name another folder",
        )


def run_stages(name: str, entries: Mapping[str, Entry], args: argparse.Namespace) -> tuple[int, dict[str, Artifact]]:
    """Run `entries` as a recipe called `name`, print its table; return the exit code and what was made.

    Args:
        args: with the options of `add_single_options`.
    """
    recipe = Recipe(name=name, seed=args.seed, stages=dict(entries))
    options = RunOptions(
        executor=args.on,
        jobs=args.jobs,
        force=list(entries) if args.force else [],
        console=Console(quiet=args.quiet),
        command=shlex.join(["motorium", *sys.argv[1:]]),
    )
    runner = Runner(recipe, all_stages(), open_store(args, create=True), options)
    code = finish(runner)
    made = {key: one.artifact for key, one in runner.run.outcomes.items() if one.artifact is not None}
    return code, made


def deliver(artifact: Artifact, out: Path | None) -> None:
    """Say where the artifact is; copy it to `out` when that was asked for.

    Raises:
        DataError: when the copy fails; the artifact is in the store all the same.
    """
    if out is None:
        print(f"{artifact.kind}: {artifact.path}")
        return
    aside = out.with_name(f".{out.name}.part")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        # A copy, not links: what people do to their folder must not reach the store.
        shutil.copytree(artifact.path, aside)
        if out.is_dir():
            out.rmdir()
        aside.rename(out)
    except OSError as error:
        shutil.rmtree(aside, ignore_errors=True)
        # Of a copied tree the error is a list of (from, to, why).
        first = error.args[0][0][2] if isinstance(error, shutil.Error) and error.args[0] else error.strerror or error
        raise DataError(
            f"the {artifact.kind} is made, but cannot be copied to --out",
            where=out,
            got=first,
            remedy=f"it is in the store: {artifact.path}; the same command with another --out copies it at once",
        ) from error
    print(f"{artifact.kind}: {out}   ({artifact.ref}; `motorium show {artifact.ref}` says how it was made)")
