"""A batch of worlds of a task as `gymnasium.vector.VectorEnv`.

Automatic reset, as Gymnasium defines it (https://farama.org/Vector-Autoreset-Mode):
    NEXT_STEP   (Gymnasium's default, and what its wrappers expect) the step after the end ignores the action, gives
                reward 0 and the first observation of the next episode.
    SAME_STEP   (what most learners expect) the ending step gives the next episode's first observation;
                the last one is in `final_obs`, what was said of it in `final_info`.
    DISABLED    `reset(options={"reset_mask": (B,) bool})` begins episodes; worlds that ended are frozen until then.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from motorium.core.errors import SpecError
from motorium.core.protocols import Env
from motorium.gym.seeds import Seed
from motorium.gym.worlds import RENDER_MODES, Infos, Rows, Size, Worlds, check_choice, row_of, taken_options

MODES = {mode.value: mode for mode in AutoresetMode}


class TaskVectorEnv(VectorEnv):
    """A batch of worlds, stepped together.

    World i is bitwise what `TaskEnv` is. `reset(seed=s)`: its episodes 0, 1, ... have the seeds derived from (s, i, 0),
    (s, i, 1), ...; `reset(seed=[s0, s1, ...])`: it is a `TaskEnv` after `reset(seed=si)`. `options`: `factors`,
    {name: number or (B,)}, NaN for those that are to be drawn, of the episodes that begin now; `reset_mask`.
    Infos are those of `TaskEnv` as arrays, with `_key` the mask of the worlds that have them.

    Args:
        task: name of a row of `TASKS`, `module:attribute` of a task of one's own, or an Env.
        num_envs: B; of an Env that is given, its own.
        autoreset_mode: `NextStep`, `SameStep`, `Disabled`, or Gymnasium's `AutoresetMode`.
        observations: `state`, an array (B, n); `all`, a dictionary of arrays.
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
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        observations: str = "state",
        render_mode: str | None = None,
        camera: str | None = None,
        size: Size = (240, 320),
        **fields: Any,
    ) -> None:
        if not isinstance(autoreset_mode, AutoresetMode):
            check_choice("autoreset_mode", autoreset_mode, tuple(MODES))
            autoreset_mode = MODES[autoreset_mode]
        self.worlds = Worlds(task, num_envs, observations, fields)
        self.num_envs, self._mode = self.worlds.num_envs, autoreset_mode
        self.render_mode, self._camera, self._size = render_mode, self.worlds.camera(render_mode, camera), size
        self.single_observation_space, self.single_action_space = (
            self.worlds.observation_space,
            self.worlds.action_space,
        )
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.metadata = {
            "autoreset_mode": autoreset_mode,
            "render_modes": list(RENDER_MODES),
            "render_fps": round(self.worlds.env.info.control_hz),
        }
        self._ended = np.zeros(self.num_envs, bool)

    def reset(self, *, seed: Seed = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin episodes in all worlds, or in those of `reset_mask`; return the observation of the batch and infos."""
        super().reset(seed=seed if np.ndim(seed) == 0 else None)
        given = taken_options(options, ("factors", "reset_mask"))
        rows = self._mask(given.get("reset_mask"))
        observed, started = self.worlds.reset(seed, rows, given.get("factors"))
        self._ended &= ~rows
        return observed, _infos(started, rows)

    def step(self, actions: NDArray) -> tuple[Any, NDArray, Rows, Rows, dict[str, Any]]:
        """Advance by a control period; return observations, rewards (B,), terminations, truncations, infos."""
        observed, reward, terminated, truncated, said = self.worlds.step(actions)
        if self._mode is AutoresetMode.NEXT_STEP and self._ended.any():
            # The worlds that had ended were frozen in this step: their rewards are zero.
            rows = self._ended
            observed, started = self.worlds.reset(rows=rows)
            terminated, truncated = terminated & ~rows, truncated & ~rows
            infos = {**_infos(said, ~rows), **_infos(started, rows)}
        else:
            infos = None
        self._ended = terminated | truncated
        if self._mode is AutoresetMode.SAME_STEP and self._ended.any():
            rows, last = self._ended, observed
            observed, started = self.worlds.reset(rows=rows)
            infos = {**_final(last, said, rows), **_infos(said, ~rows), **_infos(started, rows)}
        everyone = np.ones(self.num_envs, bool)
        return observed, reward, terminated, truncated, _infos(said, everyone) if infos is None else infos

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Return a picture (height, width, 3) uint8 of each world; None without a render mode."""
        return tuple(self.worlds.render(self._camera, self._size)) if self.render_mode else None

    def close_extras(self, **kwargs: Any) -> None:
        """Release what the worlds hold."""
        self.worlds.env.close()

    def _mask(self, given: Any) -> Rows:
        if given is None:
            return np.ones(self.num_envs, bool)
        mask = np.asarray(given)
        if mask.dtype != bool or mask.shape != (self.num_envs,):
            got, expected = f"{mask.dtype} {mask.shape}", f"bool ({self.num_envs},)"
            raise SpecError("this is no mask of the worlds", where="options['reset_mask']", got=got, expected=expected)
        return mask


def _final(last: Any, said: Infos, rows: Rows) -> dict[str, Any]:
    final = np.full(len(rows), None, object)
    for i in np.flatnonzero(rows):
        final[i] = row_of(last, i)
    return {"final_obs": final, "_final_obs": rows.copy(), "final_info": _infos(said, rows), "_final_info": rows.copy()}


def _infos(values: Infos, rows: Rows) -> dict[str, Any]:
    """Return Gymnasium's infos of what is said of `rows`: zeros (None) elsewhere, and the masks; empty for no row."""
    infos: dict[str, Any] = {}
    if not rows.any():
        return infos
    for key, value in values.items():
        if not rows.all():
            kept = np.full_like(value, None if value.dtype == object else 0)
            kept[rows] = value[rows]
            value = kept
        infos[key], infos[f"_{key}"] = value, rows.copy()
    return infos
