"""Cameras through OpenGL (`mujoco.Renderer`): needs Debian packages and PyOpenGL, and draws transparency."""

from __future__ import annotations

import atexit
import copy
import os
from collections import OrderedDict

import mujoco
import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import SimError
from motorium.sim.cameras import Quality, Shot
from motorium.sim.cameras_gl_packages import DEBIAN_PACKAGES

RENDERERS_KEPT = 4
SHADOW_MAP_PIXELS = 1024  # MuJoCo's default of 4096 takes most of a picture's time in software GL


class GLRenderer:
    """Draws one state at a time.

    Raises:
        SimError: when no GL context can be had; names the Debian packages.
    """

    slots = 1

    def __init__(self, model: mujoco.MjModel, quality: Quality) -> None:
        # The picture's size is bounded by the model's offscreen buffer, which is the caller's.
        self._model = copy.copy(model)
        self._model.vis.quality.offsamples = 0 if quality.samples == 1 else quality.samples**2
        self._model.vis.quality.shadowsize = SHADOW_MAP_PIXELS
        self._data = mujoco.MjData(model)
        self._shadows = quality.shadows
        self._option = mujoco.MjvOption()
        self._option.geomgroup[:] = [group in quality.groups for group in range(mujoco.mjNGROUP)]
        self._option.sitegroup[:] = 0
        self._renderers: OrderedDict[tuple[int, int], mujoco.Renderer] = OrderedDict()
        self._make(16, 16).close()
        # Contexts must go before the display; mujoco ends that at exit, registered when the first context was made.
        atexit.register(_free, self._renderers)

    def place(self, slot: int, data: mujoco.MjData) -> None:
        """Take over the poses of `data`."""
        self._data = data

    def draw(self, shot: Shot) -> dict[str, NDArray]:
        """Return {output: (1, h, w, ...)}."""
        renderer = self._renderer(shot.height, shot.width)
        renderer.update_scene(self._data, camera=shot.camera, scene_option=self._option)
        renderer.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = self._shadows
        renderer.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = False
        pictures: dict[str, NDArray] = {}
        if "rgb" in shot.outputs:
            pictures["rgb"] = renderer.render()[None]
        if "depth" in shot.outputs or "geom" in shot.outputs:
            renderer.enable_segmentation_rendering()
            thing, kind = np.moveaxis(renderer.render(), -1, 0)
            renderer.disable_segmentation_rendering()
            pictures["geom"] = np.where(kind == int(mujoco.mjtObj.mjOBJ_GEOM), thing, -1).astype(np.int32)[None]
        if "depth" in shot.outputs:
            renderer.enable_depth_rendering()
            depth = renderer.render()[None].astype(np.float32)
            renderer.disable_depth_rendering()
            pictures["depth"] = np.where(pictures["geom"] >= 0, depth, np.float32(0))
        return pictures

    def close(self) -> None:
        """Free GL contexts; idempotent."""
        _free(self._renderers)

    def _renderer(self, height: int, width: int) -> mujoco.Renderer:
        size = (height, width)
        if size not in self._renderers:
            if len(self._renderers) >= RENDERERS_KEPT:
                _close(self._renderers.popitem(last=False)[1])
            self._renderers[size] = self._make(height, width)
        self._renderers.move_to_end(size)
        return self._renderers[size]

    def _make(self, height: int, width: int) -> mujoco.Renderer:
        self._model.vis.global_.offheight = max(height, self._model.vis.global_.offheight)
        self._model.vis.global_.offwidth = max(width, self._model.vis.global_.offwidth)
        try:
            return mujoco.Renderer(self._model, height, width)
        except Exception as error:  # mujoco and PyOpenGL raise a dozen types when a library is missing
            raise _no_context(error) from error


def _free(renderers: OrderedDict[tuple[int, int], mujoco.Renderer]) -> None:
    while renderers:
        _close(renderers.popitem()[1])


def _close(renderer: mujoco.Renderer) -> None:
    # Closing deletes GL objects in whatever context is current: drawing, of nothing, makes it the right one.
    renderer.scene.ngeom = 0
    renderer.render()
    renderer.close()


def _no_context(error: Exception) -> SimError:
    kind = os.environ.get("MUJOCO_GL", "").lower()
    packages = " ".join(DEBIAN_PACKAGES.get(kind, DEBIAN_PACKAGES["egl"]))
    return SimError(
        "no OpenGL context can be had",
        where=f"MUJOCO_GL={kind or '(not set)'}",
        got=f"{type(error).__name__}: {error}".splitlines()[0],
        remedy=f"apt-get install {packages}; pip install 'motorium[gl]'; start with "
        f"MUJOCO_GL={kind if kind in DEBIAN_PACKAGES else 'egl'}; or choose renderer='warp', which needs none of it",
    )
