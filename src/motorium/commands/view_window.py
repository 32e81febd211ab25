"""The window of `motorium view`: MuJoCo's passive viewer at the pace of real time, with keys."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from motorium.core.errors import SimError
from motorium.core.protocols import Viewable

if TYPE_CHECKING:
    from motorium.stages.watching import Shown

KEYS = "R again   N next seed   space pause"
AGAIN, NEXT, PAUSE = ord("R"), ord("N"), ord(" ")
HOLD_S, IDLE_S = 1.5, 0.02


class Keys:
    """What was pressed since it was last asked for; the window calls from a thread of its own."""

    def __init__(self) -> None:
        self.paused, self._wish = False, 0

    def pressed(self, key: int) -> None:
        """Take one key."""
        if key == PAUSE:
            self.paused = not self.paused
        elif key in (AGAIN, NEXT):
            self._wish = key

    def wish(self) -> int:
        """Return `AGAIN`, `NEXT` or 0, and forget it."""
        wish, self._wish = self._wish, 0
        return wish


def watch(shown: Shown) -> int:
    """Show episode after episode until the window is closed; prints how each ended.

    Raises:
        SimError: when the task has nothing that a window could show.
    """
    import mujoco
    import mujoco.viewer

    env = shown.session.env
    if not isinstance(env, Viewable):
        raise SimError(f"task '{env.info.name}' cannot be shown in a window", remedy="--out view.mp4 writes a video")
    model, keys = env.looks(), Keys()
    data = mujoco.MjData(model)
    window = mujoco.viewer.launch_passive(model, data, key_callback=keys.pressed, show_left_ui=False)
    try:
        if shown.camera or env.info.cameras:
            from motorium.stages.filming import camera_of

            window.cam.type = mujoco.mjtCamera.mjCAMERA_FIXED
            window.cam.fixedcamid = model.camera(camera_of(shown.camera, env.info.cameras)).id
        print(KEYS)
        _play(shown, window, keys, (mujoco, model, data))
    finally:
        window.close()
    return 0


def _play(shown: Shown, window: Any, keys: Keys, scene: tuple[Any, Any, Any]) -> None:
    place, count = 0, len(shown.seeds)
    while window.is_running():
        # Beyond the seeds that were named, the next ones follow.
        seed = shown.seeds[place] if place < count else shown.seeds[-1] + place - count + 1
        now, wish = _episode(shown, window, keys, scene, seed)
        if now.ended:
            print(f"seed {seed}: {now.outcome} after {now.steps} steps, return {now.total_reward:.4g}")
        place += wish != AGAIN


def _episode(shown: Shown, window: Any, keys: Keys, scene: tuple[Any, Any, Any], seed: int) -> tuple[Any, int]:
    """Play one episode; return its last moment and the key that ended it, or 0."""
    session, period_s = shown.session, 1.0 / shown.session.env.info.control_hz
    now, due, ended_at = session.begin(seed), time.monotonic(), None
    while window.is_running():
        _draw(session, window, scene, now)
        wish = keys.wish()
        if wish or (ended_at is not None and time.monotonic() - ended_at > HOLD_S):
            return now, wish
        if keys.paused or now.ended:
            ended_at = (ended_at or time.monotonic()) if now.ended else None
            time.sleep(IDLE_S)
            due = time.monotonic()
            continue
        now = session.step()
        # A step that took longer than it lasts is not made up for: the picture lags, it does not race.
        due = max(due + period_s, time.monotonic())
        time.sleep(max(0.0, due - time.monotonic()))
    return now, 0


def _draw(session: Any, window: Any, scene: tuple[Any, Any, Any], now: Any) -> None:
    mujoco, model, data = scene
    with window.lock():
        for name, values in session.env.pose(0).items():
            getattr(data, name)[:] = values
        mujoco.mj_forward(model, data)
    said = "\n".join(now.lines(session.env.info))
    if hasattr(window, "set_texts"):
        font, corner = mujoco.mjtFontScale.mjFONTSCALE_150, mujoco.mjtGridPos.mjGRID_TOPLEFT
        window.set_texts((font, corner, said, ""))
    window.sync()
