"""Make an environment from a task's name."""

from __future__ import annotations

from typing import Any, Literal

from motorium.core.errors import SimError
from motorium.core.protocols import Env
from motorium.tasks import TASKS

Engines = Literal["cpu", "warp"]


def make_env(name: str, num_envs: int, *, threads: int = 0, engine: Engines = "cpu", **fields: Any) -> Env:
    """Return a batch of worlds of the task `name`.

    Args:
        name: of a row of `TASKS`, or `module:attribute` of a user's own task class.
        num_envs: B, number of worlds.
        threads: physics threads; 0 is one a CPU. Results do not depend on it.
        engine: `cpu`, NumPy arrays from MuJoCo on threads; `warp`, torch tensors from MuJoCo Warp, on the GPU where
            there is one.
        fields: fields of the task's spec.

    Raises:
        CatalogError: when the task is unknown.
        SpecError: when a field is.
        AssetError: when its robot's model cannot be had.
        SimError: when the task does not run on the engine.
    """
    from motorium.tasks.mdp.env import MdpEnv
    from motorium.tasks.mdp.task import Task

    task = TASKS.load(name)
    spec = task.Spec.parse(fields, where=name)
    if issubclass(task, Task):
        return MdpEnv(name, task(spec), lambda model, wanted: _physics(engine, model, num_envs, threads, wanted))
    if engine != "cpu":
        raise SimError(f"task '{name}' runs on CPU threads only", got=engine, expected="engine='cpu'")
    return task(spec, num_envs=num_envs, threads=threads, name=name)


def _physics(engine: str, model: Any, num_envs: int, threads: int, fields: tuple[str, ...]):
    if engine == "warp":
        from motorium.sim.engine_warp import WarpEngine

        return WarpEngine(model, num_envs, fields=fields)
    from motorium.sim.engine import Engine

    return Engine(model, num_envs, threads, fields)
