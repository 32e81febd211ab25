"""`motorium show REF`: what an artifact is, what it was made from, and the command that makes it again."""

from __future__ import annotations

import argparse
import time

from motorium.commands.options import add_store, open_store, print_json
from motorium.core.wording import format_bytes
from motorium.flow.bars import duration
from motorium.flow.compare import flatten
from motorium.flow.derivation import named_records
from motorium.flow.refs import resolve_ref
from motorium.flow.stage import Artifact

SHOWN_FILES = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("ref", metavar="REF", help="kind/beginning-of-id, or the beginning alone")
    parser.add_argument("--json", action="store_true", help="print the manifest")
    parser.add_argument("--path", action="store_true", help="print only the folder, for other programs")
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Print the artifact."""
    artifact = resolve_ref(open_store(args), args.ref)
    if args.path:
        print(artifact.path)
    elif args.json:
        print_json(artifact.manifest)
    else:
        print("\n".join(_lines(artifact)))
    return 0


def _lines(artifact: Artifact) -> list[str]:
    record = artifact.manifest
    total = sum(entry["size"] for entry in record["files"])
    made = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record["created"]))
    lines = [
        f"{artifact.kind}/{artifact.id}",
        f"  result    {record['summary']}",
        f"  stage     {record['stage']} (version {record['version']}), root seed {record['root_seed']}",
        f"  made      {made} in {duration(record['duration_s'])}, by run {record['run']}",
        f"  folder    {artifact.path}",
        f"  again     {record['command']}",
        "inputs" if record["inputs"] else "inputs    none",
    ]
    for port, source in named_records(record["inputs"]):
        lines.append(f"  {port}  {source['ref']}" + (f"  {source['external']}" if "external" in source else ""))
    for part in ("spec", "metrics", "host"):
        fields = flatten(record[part])
        lines += [part, *(f"  {name}  {value}" for name, value in fields.items())] if fields else []
    lines.append(f"files     {len(record['files'])}, {format_bytes(total)}")
    lines += [f"  {entry['path']}  {format_bytes(entry['size'])}" for entry in record["files"][:SHOWN_FILES]]
    if len(record["files"]) > SHOWN_FILES:
        lines.append(f"  ... and {len(record['files']) - SHOWN_FILES} more")
    return lines
