"""Cameras through MuJoCo Warp's ray tracer.

Only the tracer is used: poses come from MuJoCo on the CPU in float64, so that no physics kernel needs to be
compiled. Transparency is not drawn: a geom with alpha above zero is opaque.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import SimError
from motorium.sim.cameras import Quality, Shot
from motorium.sim.warp_load import load_warp

log = logging.getLogger(__name__)

GPU_SLOTS = 64
CONTEXTS_KEPT = 8
POSES = ("geom_xpos", "geom_xmat", "cam_xpos", "cam_xmat", "light_xpos", "light_xdir", "flexvert_xpos")


class WarpRenderer:
    """Draws one state at a time on the CPU, `GPU_SLOTS` at once on a GPU.

    Args:
        model: what is drawn.
        quality: shadows, smoothing, visible geom groups.
        device: of Warp: `cpu`, `cuda:0`.
        slots: states drawn at once; None: as said above.

    Raises:
        SimError: when the extra is not installed, or the model uses what MuJoCo Warp does not support.
    """

    def __init__(self, model: mujoco.MjModel, quality: Quality, device: str = "cpu", slots: int | None = None) -> None:
        self._wp, self._mjw = _load()
        self._model, self._quality, self._device = model, quality, device
        self.slots = slots or (1 if device == "cpu" else GPU_SLOTS)
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        try:
            with self._wp.ScopedDevice(device):
                self._m = self._mjw.put_model(model)
                self._d = self._mjw.put_data(model, data, nworld=self.slots)
        except NotImplementedError as error:
            raise SimError(
                "the ray tracer does not support this model",
                got=str(error),
                remedy="render with renderer='gl', or remove the feature from the model",
            ) from error
        self._poses = {name: getattr(self._d, name).numpy().copy() for name in POSES}
        self._contexts: OrderedDict[Shot, Any] = OrderedDict()

    def place(self, slot: int, data: mujoco.MjData) -> None:
        """Take over the poses of `data`."""
        for name, rows in self._poses.items():
            rows[slot] = getattr(data, name).reshape(rows.shape[1:])

    def draw(self, shot: Shot) -> dict[str, NDArray]:
        """Return {output: (slots, h, w, ...)}."""
        with self._wp.ScopedDevice(self._device):
            context = self._context(shot)
            for name, rows in self._poses.items():
                if rows.size:
                    getattr(self._d, name).assign(rows)
            self._mjw.refit_bvh(self._m, self._d, context)
            self._mjw.render(self._m, self._d, context)
            return self._pictures(context, shot)

    def close(self) -> None:
        """Drop contexts; idempotent."""
        self._contexts.clear()

    def _context(self, shot: Shot) -> Any:
        if shot in self._contexts:
            self._contexts.move_to_end(shot)
            return self._contexts[shot]
        if len(self._contexts) >= CONTEXTS_KEPT:
            self._contexts.popitem(last=False)
        ranged = "depth" in shot.outputs
        self._contexts[shot] = self._mjw.create_render_context(
            self._model,
            nworld=self.slots,
            cam_res=(shot.width, shot.height),
            cam_active=[shot.camera],
            render_rgb="rgb" in shot.outputs,
            render_depth=ranged,
            render_seg=ranged or "geom" in shot.outputs,
            render_skybox=True,
            use_shadows=self._quality.shadows,
            samples_per_pixel=self._quality.samples if "rgb" in shot.outputs else 1,
            enabled_geom_groups=list(self._quality.groups),
            use_fast_math=False,
        )
        return self._contexts[shot]

    def _pictures(self, context: Any, shot: Shot) -> dict[str, NDArray]:
        size = (self.slots, shot.height, shot.width)
        pictures: dict[str, NDArray] = {}
        if "rgb" in shot.outputs:
            packed = context.rgb_data.numpy().reshape(size)  # 0xAARRGGBB
            pictures["rgb"] = np.stack([packed >> 16, packed >> 8, packed], axis=-1).astype(np.uint8)
        if "depth" in shot.outputs:
            pictures["depth"] = context.depth_data.numpy().reshape(size)
        if "depth" in shot.outputs or "geom" in shot.outputs:
            thing, kind = np.moveaxis(context.seg_data.numpy().reshape(*size, 2), -1, 0)
            pictures["geom"] = np.where(kind == int(mujoco.mjtObj.mjOBJ_GEOM), thing, -1).astype(np.int32)
        return pictures


def _load() -> tuple[ModuleType, ModuleType]:
    try:
        warp, mujoco_warp = load_warp()
    except ImportError as error:
        raise _missing(error) from error
    if not any(Path(warp.config.kernel_cache_dir).glob("wp_*")):
        log.info("compiling the ray tracer for this machine (once, 5 to 15 s for each kind of scene)")
    return warp, mujoco_warp


def _missing(error: ImportError) -> SimError:
    return SimError(
        "cameras need the extra 'render'",
        got=str(error),
        expected="mujoco-warp and warp-lang",
        remedy="pip install 'motorium[render]', or choose renderer='gl'",
    )
