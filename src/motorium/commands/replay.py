"""`motorium replay POLICY --seeds 10017,10020-10022`: run episodes of a policy again and film them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from motorium.commands.options import add_store, open_store
from motorium.core.errors import SpecError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("policy", help="a policy or a bundle: a folder, or a reference in the store (policy/40218643)")
    parser.add_argument("--seeds", required=True, metavar="SEEDS", help="episodes: 10017,10020-10022")
    parser.add_argument("--task", help="task of the catalog (default: the one the policy was made for)")
    parser.add_argument("--options", metavar="JSON", default="{}", help="fields of the task's own spec")
    parser.add_argument("--camera", help="camera to film with (default: front, follow, or the task's first)")
    parser.add_argument("--stride", type=int, default=1, help="control steps between pictures (default: %(default)s)")
    parser.add_argument(
        "--out", type=Path, default=Path("replays"), help="folder for the videos (default: %(default)s)"
    )
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Roll the episodes out, write one video each, print how each ended."""
    from motorium.evaluate.rollout import rollout
    from motorium.evaluate.seeds import parse_seeds
    from motorium.flow.bars import Console
    from motorium.stages.filming import FilmSpec, film, record_of
    from motorium.stages.foreign import load
    from motorium.stages.worlds import WorldSpec, open_world, world_of

    seeds = [int(seed) for seed in parse_seeds(args.seeds)]
    if not seeds:
        raise SpecError("no seed is named", where="--seeds", got=repr(args.seeds), expected="10017,10020-10022")
    folder, kind = find(args)
    policy = load(folder, kind)
    world = WorldSpec.parse({"task": args.task, "options": read_options(args.options)}, where="replay")
    task, options = world_of(world, policy.info.conventions, "replay")
    spec = FilmSpec.parse({"camera": args.camera, "stride": args.stride}, where="replay")
    env = open_world(task, options, len(seeds), 0)
    try:
        record = record_of(spec, env.info.cameras)
        bar = Console().bar(len(seeds), unit="episode", label="replay")
        made = rollout(env, policy, seeds, record=record, progress=bar)
        filmed = film(env.info, made, seeds, spec, args.out)
    finally:
        env.close()
    for one in filmed:
        print(f"seed {one['seed']}: {one['outcome']} after {one['steps']} steps  {args.out / one['file']}")
    return 0


def find(args: argparse.Namespace) -> tuple[Path, str]:
    """Return the folder and the kind of the policy that is named.

    Raises:
        StoreError: when the store has no such artifact.
        SpecError: when it is neither a policy nor a bundle.
    """
    folder = Path(args.policy)
    if folder.is_dir():
        return folder, "bundle" if (folder / "bundle.json").is_file() else "policy"
    from motorium.flow.refs import resolve_ref

    store = open_store(args)
    artifact = resolve_ref(store, args.policy)
    if artifact.kind not in ("policy", "bundle"):
        raise SpecError("this cannot act", where=args.policy, got=artifact.kind, expected="a policy or a bundle")
    store.check(artifact)
    return artifact.path, artifact.kind


def read_options(text: str) -> dict:
    """Return task options given as JSON.

    Raises:
        SpecError: when it is no JSON object.
    """
    try:
        options = json.loads(text)
    except ValueError as error:
        raise SpecError("--options is not JSON", got=text, expected='{"max_steps": 300}') from error
    if not isinstance(options, dict):
        raise SpecError("--options is not a JSON object", got=text, expected='{"max_steps": 300}')
    return options
