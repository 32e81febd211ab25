"""`motorium ingest PATH`: any recording becomes a checked LeRobot v3.0 dataset."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from motorium.commands.single import add_single_options, check_out, deliver, run_stages
from motorium.commands.stage import add_fields, read_fields
from motorium.flow.recipe import Entry
from motorium.stages.ingest import IngestSpec

OWN = ("mapping", "mapping_file", "accept")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("path", metavar="PATH", help="a file or folder; its format is recognised by its content")
    parser.add_argument(
        "--mapping", metavar="FILE", type=Path, help="which streams become which features (YAML or JSON)"
    )
    parser.add_argument(
        "--accept", action="store_true", help="take the suggestion for every decision that is left open"
    )
    add_single_options(parser)
    add_fields(parser.add_argument_group("options of ingest"), IngestSpec, leave_out=OWN)


def run(args: argparse.Namespace) -> int:
    """Take the recording in; where it leaves decisions open, ask for all of them at once."""
    check_out(args.out)
    options = read_fields(IngestSpec, vars(args))
    if args.accept:
        options["accept"] = True
    if args.mapping is not None:
        from motorium.data.ingest.mapping import read_mapping

        # Its content, not its name: what was decided is then in the artifact's manifest.
        options["mapping"] = read_mapping(args.mapping).to_plain()
    if not args.accept:
        _ask(Path(args.path), options)
    entry = Entry(uses="ingest", options=options, inputs={"source": args.path})
    code, made = run_stages("ingest", {"ingest": entry}, args)
    if "ingest" in made:
        deliver(made["ingest"], args.out)
    return code


def _ask(path: Path, options: dict[str, Any]) -> None:
    """Ask for what the recording leaves open, and leave a mapping that is ready to be edited.

    Raises:
        DataError: with every decision that is missing, and the name of the file that holds the suggestions.
    """
    from motorium.data.ingest.decisions import decisions_missing
    from motorium.data.ingest.planning import questions
    from motorium.data.ingest.sources import recognise
    from motorium.stages.ingest_log import mapping_of

    spec = IngestSpec.parse(options, where="ingest")
    found = recognise(path)
    if spec.format is None and found and found[0].kind == "dataset":
        return
    asked = questions(path, mapping_of(spec), fps=spec.fps, task=spec.task)
    if not asked.decisions:
        return
    ready = Path(f"{path.resolve().stem}.mapping.yaml")
    error = decisions_missing(path, asked.decisions, None)
    if ready.exists():
        said = f"{ready} is there already and was left alone; edit it"
    else:
        ready.write_text(asked.text(), encoding="utf-8")
        said = f"{ready} now holds a mapping with these suggestions; edit it"
    error.details["remedy"] = f"{said}, then: motorium ingest {path} --mapping {ready}   (or --accept takes them all)"
    raise error
