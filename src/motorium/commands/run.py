"""`motorium run RECIPE`: run a recipe."""

from __future__ import annotations

import argparse
import contextlib
import shlex
import signal
import sys
import traceback
from collections.abc import Iterator

from motorium.commands.options import add_run_options, add_store, all_stages, open_store
from motorium.core.errors import MotoriumError
from motorium.flow.bars import Console
from motorium.flow.recipe import Recipe, parse_settings
from motorium.flow.runner import BAD_INPUT, STOPPED, Runner, RunOptions
from motorium.flow.tables import run_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("recipe", metavar="RECIPE", help="a YAML file")
    parser.add_argument(
        "--set",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="set a variable, or a field as STAGE.FIELD=VALUE",
    )
    parser.add_argument("--only", metavar="STAGE", action="append", default=[], help="make this, and what it needs")
    parser.add_argument("--force", metavar="STAGE", action="append", default=[], help="make it again even if cached")
    add_run_options(parser)
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Run the recipe; print a table of what it made."""
    recipe = Recipe.read(args.recipe)
    options = RunOptions(
        executor=args.on,
        jobs=args.jobs,
        only=args.only,
        force=args.force,
        console=Console(quiet=args.quiet),
        command=shlex.join(["motorium", *sys.argv[1:]]),
    )
    store = open_store(args, create=True)
    runner = Runner(recipe, all_stages(), store, options, settings=parse_settings(args.set))
    return finish(runner)


def finish(runner: Runner) -> int:
    """Execute, print the table and where the page is; return the exit code."""
    try:
        with stoppable():
            runner.execute()
        code = runner.run.exit_code
    except KeyboardInterrupt:
        print("interrupted: the same command goes on from here", file=sys.stderr)
        code = STOPPED
    except (MotoriumError, OSError) as error:
        print(f"error: {_failed(runner)}{error}", file=sys.stderr)
        code = BAD_INPUT
    except Exception:
        traceback.print_exc()
        print(f"error: {_failed(runner)}see {runner.run.folder}/log.txt", file=sys.stderr)
        code = BAD_INPUT
    print(run_table(runner.run.outcomes))
    for page in runner.run.pages:
        print(f"report: {page}   every row prints the command that reproduces it")
    return code


def _failed(runner: Runner) -> str:
    failed = [name for name, outcome in runner.run.outcomes.items() if outcome.state == "failed"]
    return f"stage '{failed[0]}' failed: " if failed else ""


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Treat a polite request to end (SIGTERM) as Ctrl-C: clean up and exit."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
