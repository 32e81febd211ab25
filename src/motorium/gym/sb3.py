"""A batch of worlds of a task as Stable-Baselines3's `VecEnv`; needs `stable_baselines3`, which only `dev` installs.

What its learners get is bitwise what `DummyVecEnv` over `TaskEnv` would give them: seeds, automatic reset in the ending
step, `terminal_observation`, `TimeLimit.truncated`. The infos of `TaskEnv` are there in the ending step of an
episode only: a list of dictionaries for every step of every world would cost more than the physics of a small one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import SimError, SpecError
from motorium.core.protocols import Env
from motorium.gym.registration import load_gymnasium
from motorium.gym.worlds import Size, Worlds, info_of, row_of, taken_options

load_gymnasium()
try:
    from stable_baselines3.common.vec_env import VecEnv
except ImportError as error:
    raise SimError(
        "Stable-Baselines3 is not installed", where="motorium.gym.sb3", remedy="pip install stable-baselines3"
    ) from error


class TaskVecEnv(VecEnv):
    """A batch of worlds for the learners of Stable-Baselines3.

    Statistics of episodes in its logger come from its own `VecMonitor` around this.

    Args:
        task: name of a row of `TASKS`, `module:attribute` of a task of one's own, or an Env.
        num_envs: B; of an Env that is given, its own.
        observations: `state`, for `MlpPolicy`; `all`, for `MultiInputPolicy`.
        render_mode: None or `rgb_array`.
        camera: what `render` looks through; None: the task's first.
        size: of its pictures, (height, width).
        fields: fields of the task's spec; `threads`, `engine`.

    Raises:
        SpecError: when an option is not valid.
    """

    def __init__(
        self,
        task: str | Env,
        num_envs: int = 1,
        *,
        observations: str = "state",
        render_mode: str | None = None,
        camera: str | None = None,
        size: Size = (240, 320),
        **fields: Any,
    ) -> None:
        self.worlds = Worlds(task, num_envs, observations, fields)
        self.render_mode, self._camera, self._size = render_mode, self.worlds.camera(render_mode, camera), size
        self._actions: NDArray | None = None
        super().__init__(self.worlds.num_envs, self.worlds.observation_space, self.worlds.action_space)

    def reset(self) -> Any:
        """Begin episodes in all worlds, with the seeds and options that were set; return the observations."""
        observed, started = self.worlds.reset(self._seeds, factors=self._factors())
        self.reset_infos = [info_of(started, i) for i in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        return observed

    def step_async(self, actions: NDArray) -> None:
        """Take the actions of the step that `step_wait` does."""
        self._actions = actions

    def step_wait(self) -> tuple[Any, NDArray, NDArray, list[dict[str, Any]]]:
        """Return observations, rewards (B,) float32, ends (B,), infos; worlds that ended have begun again."""
        observed, reward, terminated, truncated, said = self.worlds.step(self._actions)
        ended = terminated | truncated
        infos: list[dict[str, Any]] = [{"TimeLimit.truncated": False} for _ in range(self.num_envs)]
        if ended.any():
            last = observed
            observed, started = self.worlds.reset(rows=ended)
            for i in np.flatnonzero(ended).tolist():
                self.reset_infos[i] = info_of(started, i)
                time_out = {"TimeLimit.truncated": bool(truncated[i] and not terminated[i])}
                infos[i] = {**info_of(said, i), **time_out, "terminal_observation": row_of(last, i)}
        return observed, reward.astype(np.float32), ended, infos

    def close(self) -> None:
        """Release what the worlds hold; idempotent."""
        self.worlds.env.close()

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """Return a picture of each world; None without a render mode."""
        return list(self.worlds.render(self._camera, self._size)) if self.render_mode else [None] * self.num_envs

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """Return an attribute of the batch, once for each world."""
        return [getattr(self, attr_name) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Refuse: the worlds are no objects that have attributes of their own."""
        raise self._refused(f"set_attr('{attr_name}')")

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """Refuse: the worlds are no objects that have methods."""
        raise self._refused(f"env_method('{method_name}')")

    def env_is_wrapped(self, wrapper_class: type, indices: Any = None) -> list[bool]:
        """Return that no world is wrapped by itself."""
        return [False for _ in self._get_indices(indices)]

    def _factors(self) -> dict[str, NDArray[np.float64]]:
        """Return the start conditions that were set, world by world, NaN where they are to be drawn."""
        factors: dict[str, NDArray[np.float64]] = {}
        for i, options in enumerate(self._options):
            for name, value in taken_options(options, ("factors",)).get("factors", {}).items():
                factors.setdefault(name, np.full(self.num_envs, np.nan))[i] = value
        return factors

    def _refused(self, call: str) -> SpecError:
        return SpecError(
            "the worlds of a batch are rows of arrays, not objects",
            where=call,
            remedy="read or change `worlds.env`, the batch; or use DummyVecEnv over TaskEnv",
        )
