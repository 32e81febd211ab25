"""`motorium view RUN`: watch a policy in the task it was trained in, in a window or, without a screen, as a video."""

from __future__ import annotations

import argparse
import importlib.util
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from motorium.commands.options import add_store, open_store, positive
from motorium.commands.replay import read_options
from motorium.core.errors import SpecError, StoreError, nearest

if TYPE_CHECKING:
    from motorium.stages.watching import Shown

ACTING = ("policy", "bundle")
FRAMES_HZ, HOLD_S = 25.0, 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "run",
        nargs="?",
        metavar="RUN",
        help="policy or bundle: a reference (policy/3f2a81c0), a folder, RECIPE or RECIPE/STAGE of the newest run",
    )
    parser.add_argument("--task", help="task of the catalog (default: the one the policy was made for)")
    parser.add_argument("--options", metavar="JSON", default="{}", help="fields of the task's own spec")
    parser.add_argument("--seed", type=int, default=10_000, help="first episode (default: %(default)s)")
    parser.add_argument("--seeds", metavar="SEEDS", help="chosen episodes instead: 10017,10020-10022")
    parser.add_argument("--episodes", type=positive, default=2, help="how many, for a video (default: %(default)s)")
    parser.add_argument(
        "--factors",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="start conditions to set: push_m_s=1 friction=0.3",
    )
    parser.add_argument("--actions", choices=("zero", "random"), default="zero", help="without RUN: who acts")
    parser.add_argument("--camera", help="camera to look through (default: front, follow, or the task's first)")
    parser.add_argument("--size", type=_size, default=(480, 360), metavar="WxH", help="of the video (default: 480x360)")
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="to film of each episode, and its end (default: %(default)g)"
    )
    parser.add_argument("--stride", type=positive, help="control steps between pictures (default: as 25 a second need)")
    parser.add_argument("--out", type=Path, help="the video's file (default: views/TASK-SEED.mp4); no window then")
    add_store(parser)


def run(args: argparse.Namespace) -> int:
    """Open the task, let the policy act; show it in a window, or write the video and say where it is."""
    from motorium.evaluate.rollout import check_fit
    from motorium.evaluate.sweeps import setting
    from motorium.stages.foreign import load
    from motorium.stages.watching import Session, Shown, Untaught
    from motorium.stages.worlds import WorldSpec, open_world, world_of

    if args.run is None and args.task is None:
        raise SpecError(
            "nothing to watch",
            where="motorium view",
            expected="a RUN (a policy or bundle, or the name of a recipe that was run), or --task",
            remedy="name a policy that `motorium ls` shows, or watch a task alone: motorium view --task go1/velocity",
        )
    policy = None if args.run is None else load(*find_acting(args))
    world = WorldSpec.parse({"task": args.task, "options": read_options(args.options)}, where="view")
    task, options = world_of(world, policy.info.conventions if policy else {}, "view")
    seeds = _seeds(args)
    env = open_world(task, options, 1, 1)
    try:
        axis = setting(env.info, _factors(args.factors))
        world = axis.wrap(env) if axis.wrap else env
        policy = policy or Untaught(env.info, args.actions)
        check_fit(env.info, policy.info)
        shown = Shown(session=Session(world, policy, axis.factors), seeds=seeds, camera=args.camera)
        if args.out is None and has_screen():
            from motorium.commands.view_window import watch

            return watch(shown)
        name = f"{task.replace('/', '-').replace(':', '-')}-{seeds[0]}.mp4"
        return film(shown, args, args.out or Path("views") / name)
    finally:
        env.close()


def film(shown: Shown, args: argparse.Namespace, out: Path) -> int:
    """Write the episodes into the mp4 `out`; print how each ended."""
    from motorium.data.video_write import PROFILES, encode
    from motorium.flow.bars import Console
    from motorium.stages.filming import camera_of
    from motorium.stages.watching import Sight, captioned

    session, info = shown.session, shown.session.env.info
    stride = args.stride or max(1, math.ceil(info.control_hz / FRAMES_HZ - 1e-9))
    sight = Sight(session.env, camera_of(shown.camera, info.cameras), args.size)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part")
    bar = Console().bar(len(shown.seeds) * info.max_steps, unit="step", label="view")
    ends: list[str] = []

    def frames() -> Iterator[Any]:
        for seed in shown.seeds:
            for now in session.episode(seed):
                bar.advance(1 if now.steps else 0)
                seen = now.steps % stride == 0 and now.steps <= args.seconds * info.control_hz
                if seen or now.ended:
                    frame = captioned(sight.picture(), now.lines(info))
                    yield frame
            yield from [frame] * round(HOLD_S * info.control_hz / stride)
            bar.advance(info.max_steps - now.steps)
            ends.append(f"seed {seed}: {now.outcome} after {now.steps} steps, return {now.total_reward:.4g}")

    try:
        encode(part, frames(), info.control_hz / stride, PROFILES["fast"])
        part.rename(out)
    finally:
        bar.close()
        sight.close()
        part.unlink(missing_ok=True)
    print("\n".join(ends))
    print(f"video: {out}")
    return 0


def has_screen() -> bool:
    """Return whether MuJoCo's window can be opened here."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    return importlib.util.find_spec("mujoco.viewer") is not None and importlib.util.find_spec("glfw") is not None


def find_acting(args: argparse.Namespace) -> tuple[Path, str]:
    """Return the folder and the kind of the policy that `RUN` names.

    Raises:
        StoreError: when the store has no such artifact or run.
        SpecError: when what is named cannot act.
    """
    folder = Path(args.run)
    if folder.is_dir():
        return folder, "bundle" if (folder / "bundle.json").is_file() else "policy"
    from motorium.flow.refs import resolve_ref
    from motorium.tasks import TASKS

    try:
        store = open_store(args)
        artifact = _of_run(store, args.run) or resolve_ref(store, args.run)
    except StoreError as error:
        if args.run not in TASKS:
            raise
        remedy = f"motorium view --task {args.run}"
        raise SpecError("a task is no policy", where="motorium view", got=args.run, remedy=remedy) from error
    if artifact.kind not in ACTING:
        raise SpecError("this cannot act", where=args.run, got=artifact.kind, expected="a policy or a bundle")
    store.check(artifact)
    return artifact.path, artifact.kind


def _of_run(store: Any, name: str) -> Any:
    """Return what a stage of the newest run of a recipe made, or its newest policy; None where no run is so called."""
    from motorium.flow.runs import read_runs

    recipe, _, stage = name.removesuffix(".yaml").removeprefix("recipes/").partition("/")
    for one in read_runs(store.root / "runs"):
        if recipe not in (one["id"], one["recipe"]["recipe"]):
            continue
        made = {entry: row["artifact"] for entry, row in one["stages"].items() if row["artifact"]}
        acting = [entry for entry, artifact in made.items() if artifact["kind"] in ACTING]
        if stage and stage not in made:
            raise StoreError(
                f"that run made nothing in a stage '{stage}'",
                where=one["id"],
                expected=f"one of: {', '.join(acting) or '(no policy)'}",
                nearest=nearest(stage, acting),
            )
        policies = [entry for entry in acting if made[entry]["kind"] == "policy"]
        if stage or policies:
            chosen = made[stage or policies[-1]]
            return store.load(chosen["kind"], chosen["id"])
    return None


def _seeds(args: argparse.Namespace) -> list[int]:
    from motorium.evaluate.seeds import parse_seeds

    if args.seeds is None:
        return list(range(args.seed, args.seed + args.episodes))
    seeds = [int(seed) for seed in parse_seeds(args.seeds)]
    if not seeds:
        raise SpecError("no seed is named", where="--seeds", got=repr(args.seeds), expected="10017,10020-10022")
    return seeds


def _factors(words: list[str]) -> dict[str, float]:
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        try:
            found[name] = float(value)
        except ValueError:
            equals = ""
        if not equals:
            raise SpecError("a start condition is NAME=NUMBER", where="--factors", got=word, expected="push_m_s=1.0")
    return found


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    try:
        size = int(width), int(height)
    except ValueError:
        raise argparse.ArgumentTypeError("is WIDTHxHEIGHT, as 640x480") from None
    if any(side < 16 or side % 2 for side in size):
        raise argparse.ArgumentTypeError("both sides are even numbers from 16 on")
    return size
