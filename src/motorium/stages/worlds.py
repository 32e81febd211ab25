"""Worlds: how stages name a task, and how its name travels with the data, the policy and the bundle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import Field

from motorium.core.errors import ConventionError
from motorium.core.spec import Spec
from motorium.flow.derivation import own_modules
from motorium.flow.digests import Sources

# Sources whose change may change what happens in a simulated world.
WORLD_MODULES = (
    "motorium.core.frames",
    "motorium.core.random",
    "motorium.sim",
    "motorium.robots",
    "motorium.tasks",
)


class WorldSpec(Spec):
    """A task and its options, as `make_env` takes them."""

    task: str | None = Field(None, description="task of the catalog; none: the one the input was made in")
    options: dict[str, Any] = Field({}, description="fields of the task's own spec")


def open_world(task: str, options: Mapping[str, Any], num_envs: int, threads: int):
    """Return the batched Env of `task` with `num_envs` worlds."""
    from motorium.tasks.make import make_env

    return make_env(task, num_envs, threads=threads, **options)


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


def blocks(first: int, count: int, size: int) -> list[tuple[int, int]]:
    """Cut `count` consecutive integers from `first` into (start, length) blocks of at most `size`."""
    return [(first + at, min(size, count - at)) for at in range(0, count, size)]
