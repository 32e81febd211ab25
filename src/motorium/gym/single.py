"""One world of a task as `gymnasium.Env`."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import SpecError
from motorium.core.protocols import Env
from motorium.gym.worlds import RENDER_MODES, Size, Worlds, info_of, row_of, taken_options


class TaskEnv(gymnasium.Env):
    """One world.

    `reset(seed=s)` begins the episode derived from (s, 0, 0), the resets after it those of (s, 0, 1), (s, 0, 2), ...
    `options={"factors": {name: number}}` replaces start conditions of the one episode that begins. Infos: `seed` of
    the episode after a reset; after a step `success`, `outcome` by name, `reward.<term>` and the task's metrics.

    Args:
        task: name of a row of `TASKS`, `module:attribute` of a task of one's own, or an Env of one world.
        observations: `state`, an array; `all`, a dictionary.
        render_mode: None or `rgb_array`.
        camera: what `render` looks through; None: the task's first.
        size: of its pictures, (height, width).
        fields: fields of the task's spec; `threads`, which is 1 here.

    Raises:
        SpecError: when an option is not valid.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": list(RENDER_MODES)}

    def __init__(
        self,
        task: str | Env,
        *,
        observations: str = "state",
        render_mode: str | None = None,
        camera: str | None = None,
        size: Size = (240, 320),
        **fields: Any,
    ) -> None:
        if isinstance(task, str):
            fields.setdefault("threads", 1)
        self.worlds = Worlds(task, 1, observations, fields)
        if self.worlds.num_envs != 1:
            raise SpecError("this is an Env of several worlds", got=self.worlds.num_envs, remedy="use TaskVectorEnv")
        self.render_mode, self._camera, self._size = render_mode, self.worlds.camera(render_mode, camera), size
        self.observation_space, self.action_space = self.worlds.observation_space, self.worlds.action_space
        self.metadata = {**self.metadata, "render_fps": round(self.worlds.env.info.control_hz)}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; return the observation and an info with the episode's seed."""
        super().reset(seed=seed)
        given = taken_options(options, ("factors",))
        observed, infos = self.worlds.reset(seed, factors=given.get("factors"))
        return row_of(observed, 0), info_of(infos, 0)

    def step(self, action: NDArray) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Advance by a control period; return observation, reward, terminated, truncated, info."""
        observed, reward, terminated, truncated, infos = self.worlds.step(np.asarray(action)[None])
        return row_of(observed, 0), float(reward[0]), bool(terminated[0]), bool(truncated[0]), info_of(infos, 0)

    def render(self) -> NDArray[np.uint8] | None:
        """Return a picture (height, width, 3) uint8; None without a render mode."""
        return self.worlds.render(self._camera, self._size)[0] if self.render_mode else None

    def close(self) -> None:
        """Release what the world holds; idempotent."""
        self.worlds.env.close()
