"""Worlds: how stages name a task, and how its name travels with the data, the policy and the bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from motorium.core.errors import ConventionError
from motorium.core.spec import Spec
from motorium.flow.derivation import own_modules
from motorium.flow.digests import Sources

# Sources and packages whose change may change what happens in a simulated world.
WORLD_MODULES = ("motorium.stages.worlds", "motorium.core", "motorium.sim", "motorium.robots", "motorium.tasks")
WORLD_PACKAGES = ("mujoco", "numpy", "mujoco-warp", "warp-lang", "torch")
MODEL_SUFFIXES = (".xml", ".mjcf", ".urdf")


class WorldSpec(Spec):
    """A task and its options, as `make_env` takes them."""

    task: str | None = Field(None, description="task of the catalog; none: the one the input was made in")
    options: dict[str, Any] = Field({}, description="fields of the task's own spec")


def world_files(spec: WorldSpec) -> list[Path]:
    """Return the files of the robot models that a task's options name, as far as they are there."""
    from motorium.robots.files import model_files

    return sorted({file for path in _models(spec.options) for file in model_files(path)})


def _models(value: Any) -> set[Path]:
    if isinstance(value, Mapping):
        return set().union(*map(_models, value.values()))
    if isinstance(value, (list, tuple)):
        return set().union(*map(_models, value))
    return {Path(value)} if isinstance(value, (str, Path)) and Path(value).suffix.lower() in MODEL_SUFFIXES else set()


def open_world(task: str, options: Mapping[str, Any], num_envs: int, threads: int):
    """Return the batched Env of `task` with `num_envs` worlds, in NumPy whatever the engine that `options` name."""
    from motorium.tasks.make import make_env
    from motorium.tasks.mdp.numpy_env import as_numpy

    return as_numpy(make_env(task, num_envs, threads=threads, **options))


def world_conventions(task: str, options: Mapping[str, Any]) -> dict[str, str]:
    """Return the entries that name a world in a dataset's or a policy's conventions.

    A task of the user's own comes with a digest of its module, so that what is made from its data is made again
    when the task changes.
    """
    named = {"task": task, "task_options": json.dumps(dict(options), sort_keys=True)}
    sources = Sources().of(own_modules([task, dict(options)]))
    return named | {f"source.{module}": source["digest"][:16] for module, source in sources.items()}


def world_of(spec: WorldSpec, conventions: Mapping[str, str], where: str) -> tuple[str, dict[str, Any]]:
    """Return (task, options): those of `spec`, or else those the conventions of an input name.

    Raises:
        ConventionError: when neither names a task.
    """
    if spec.task is not None:
        return spec.task, dict(spec.options)
    if "task" not in conventions:
        raise ConventionError(
            "the input does not say which task it was made in",
            where=where,
            got=f"conventions: {', '.join(sorted(conventions)) or 'none'}",
            expected="an entry 'task'",
            remedy="name one: --task ur5e/pick-place, or `with: {task: ...}` in the recipe",
        )
    return conventions["task"], {**json.loads(conventions.get("task_options", "{}")), **spec.options}
