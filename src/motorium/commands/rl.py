"""`motorium rl --task TASK`: let a policy learn a task by reinforcement."""

from __future__ import annotations

import argparse
import re

from motorium.commands.single import add_single_options, check_out, deliver, run_stages
from motorium.commands.stage import add_fields, read_fields
from motorium.flow.recipe import Entry
from motorium.stages.rl import RlStageSpec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--from", metavar="POLICY", dest="start", help="policy to start from, a folder or a reference")
    add_single_options(parser)
    add_fields(parser.add_argument_group("options of rl"), RlStageSpec)


def run(args: argparse.Namespace) -> int:
    """Train into a new policy."""
    check_out(args.out)
    options = read_fields(RlStageSpec, vars(args))
    inputs = {"policy": args.start} if args.start else {}
    entries = {"rl": Entry(uses="rl", options=options, inputs=inputs)}
    code, made = run_stages(_name(options.get("task") or "again"), entries, args)
    if "rl" in made:
        deliver(made["rl"], args.out)
    return code


def _name(task: str) -> str:
    """The name of the run: of its own for every task."""
    return "rl-" + re.sub(r"[^A-Za-z0-9_-]+", "-", task).strip("-_")
