"""Names of the tasks in Gymnasium's registry; no task is imported until one is made.

`go1/velocity` is `motorium/Go1Velocity-v0`, `ur5e/pick-place` is `motorium/Ur5ePickPlace-v0`.
"""

from __future__ import annotations

import re
from types import ModuleType

from motorium.core.errors import SimError
from motorium.tasks import TASKS

NAMESPACE, VERSION = "motorium", 0
SINGLE, VECTOR = "motorium.gym.single:TaskEnv", "motorium.gym.vector:TaskVectorEnv"


def load_gymnasium() -> ModuleType:
    """Return the module `gymnasium`.

    Raises:
        SimError: when it is not installed.
    """
    try:
        import gymnasium
    except ImportError as error:
        raise SimError(
            "Gymnasium is not installed",
            where="motorium.gym",
            expected="the extra 'gym'",
            remedy="pip install 'motorium[gym]'",
        ) from error
    return gymnasium


def environment_id(task: str) -> str:
    """Return the id in Gymnasium's registry of a row of `TASKS`."""
    camel = "".join(word[:1].upper() + word[1:] for word in re.split(r"[^0-9A-Za-z]+", task))
    return f"{NAMESPACE}/{camel}-v{VERSION}"


def register() -> None:
    """Register every row of `TASKS`; rows that are registered already stay as they are."""
    gymnasium = load_gymnasium()
    for task in TASKS:
        name = environment_id(task)
        if name not in gymnasium.registry:
            # No max_episode_steps: tasks truncate by themselves, with an outcome of their own.
            gymnasium.register(name, entry_point=SINGLE, vector_entry_point=VECTOR, kwargs={"task": task})
