"""Make an environment from a task's name."""

from __future__ import annotations

from typing import Any

from motorium.core.protocols import Env
from motorium.tasks import TASKS


def make_env(name: str, num_envs: int, *, threads: int = 0, **fields: Any) -> Env:
    """Return a batch of worlds of the task `name`.

    Args:
        name: of a row of `TASKS`, or `module:attribute` of a user's own task class.
        num_envs: B, number of worlds.
        threads: physics threads; 0 is one a CPU. Results do not depend on it.
        fields: fields of the task's spec.

    Raises:
        CatalogError: when the task is unknown.
        SpecError: when a field is.
        AssetError: when its robot's model cannot be had.
    """
    task = TASKS.load(name)
    return task(task.Spec.parse(fields, where=name), num_envs=num_envs, threads=threads, name=name)
