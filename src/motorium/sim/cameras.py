"""Offscreen cameras: pictures, depth and segmentation of states of one model, batched.

Two renderers give the same kinds of picture. `warp` is MuJoCo Warp's ray tracer: it needs no GL library
and runs on the CPU (one thread) or a GPU. `gl` is MuJoCo's own OpenGL renderer.

Conventions: images are RGB, row 0 on top, column 0 on the left. Depth is the distance along the optical axis
in metres, not along the ray. A picture is a function of (model, state, camera, size, quality): the rows
drawn beside it do not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from motorium.core.catalog import Catalog
from motorium.core.errors import SimError, nearest
from motorium.core.spec import Spec

if TYPE_CHECKING:
    import mujoco

RENDERERS = Catalog(
    "renderer",
    [
        ("warp", "motorium.sim.cameras_warp:WarpRenderer"),
        ("gl", "motorium.sim.cameras_gl:GLRenderer"),
    ],
)

OUTPUTS = ("rgb", "depth", "geom")
MAX_PIXELS_A_SIDE = 8192


class Quality(Spec):
    """How much work goes into a picture."""

    shadows: bool = Field(default=False, description="cast shadows; about 1.7 times the time")
    samples: int = Field(
        default=1, ge=1, le=8, description="rays a pixel and axis: 2 smooths edges at 4 times the time"
    )
    groups: tuple[int, ...] = Field(default=(0, 1, 2), description="geom groups that are seen")


@dataclass(frozen=True, kw_only=True)
class Views:
    """What a camera saw in n states; what was not asked for is None.

    Attributes:
        rgb: (n, h, w, 3) uint8.
        depth_m: (n, h, w) float32, metres along the optical axis; 0 where `hit` is False.
        hit: (n, h, w) bool: whether there is anything at the pixel.
        geom: (n, h, w) int32 geom index, -1 where there is none.
    """

    rgb: NDArray[np.uint8] | None = None
    depth_m: NDArray[np.float32] | None = None
    hit: NDArray[np.bool_] | None = None
    geom: NDArray[np.int32] | None = None


@dataclass(frozen=True)
class Shot:
    """One request to a renderer: camera index, size, and which of `OUTPUTS`."""

    camera: int
    height: int
    width: int
    outputs: tuple[str, ...]


class Renderer(Protocol):
    """What stands behind `Cameras`; built with (model, quality), draws up to `slots` states at once."""

    slots: int

    def place(self, slot: int, data: mujoco.MjData) -> None:
        """Take over the poses of `data`, whose kinematics are up to date."""

    def draw(self, shot: Shot) -> dict[str, NDArray]:
        """Return {output: (slots, h, w, ...)}; `geom` is there whenever `depth` is."""

    def close(self) -> None:
        """Release what is held; idempotent."""


class Cameras:
    """The cameras of one model.

    The model is read once: later changes to it (colours, lights) are not seen. One object serves one thread.
    The first picture of a scene compiles kernels for 5 to 15 s; they are cached on disk.

    Args:
        model: its named cameras are the ones to see through.
        renderer: `warp` or `gl`.
        quality: shadows, smoothing, visible geom groups.

    Raises:
        CatalogError: for an unknown renderer.
        SimError: when the renderer is not installed or cannot start; says how to get it.
    """

    def __init__(
        self, model: mujoco.MjModel, renderer: Literal["warp", "gl"] | str = "warp", quality: Quality | None = None
    ) -> None:
        import mujoco

        self._model = model
        self._data = mujoco.MjData(model)
        self._mocap = {name: getattr(self._data, name).copy() for name in ("mocap_pos", "mocap_quat")}
        self.names = tuple(model.camera(i).name for i in range(model.ncam))
        make: Callable[[Any, Quality], Renderer] = RENDERERS.load(renderer)
        self._renderer = make(model, quality or Quality())

    def render(
        self,
        qpos: ArrayLike,
        camera: str,
        height: int,
        width: int,
        mocap_pos: ArrayLike | None = None,
        mocap_quat: ArrayLike | None = None,
    ) -> NDArray[np.uint8]:
        """Return pictures (n, height, width, 3) uint8 RGB of n states.

        Args:
            qpos: (n, nq) float64, generalized positions.
            camera: name.
            height, width: pixels.
            mocap_pos: (n, nmocap, 3) float64, m, world; None: as in the model.
            mocap_quat: (n, nmocap, 4) float64; None: as in the model.

        Raises:
            SimError: for an unknown camera, or arrays that do not fit or are not finite.
        """
        return self.views(qpos, self.shot(camera, height, width), mocap_pos, mocap_quat).rgb

    def shot(self, camera: str, height: int, width: int, outputs: Sequence[str] = ("rgb",)) -> Shot:
        """Return a checked request for `views`; `outputs` are of `OUTPUTS`."""
        if camera not in self.names:
            raise SimError(
                f"there is no camera '{camera}'",
                expected=f"one of: {', '.join(self.names)}" if self.names else "a model with a named camera",
                nearest=nearest(camera, self.names),
            )
        if not 1 <= height <= MAX_PIXELS_A_SIDE or not 1 <= width <= MAX_PIXELS_A_SIDE:
            raise SimError("the picture's size is not valid", got=(height, width), expected=f"1 to {MAX_PIXELS_A_SIDE}")
        unknown = set(outputs) - set(OUTPUTS)
        if unknown or not outputs:
            raise SimError("unknown camera output", got=sorted(outputs), expected=f"some of {', '.join(OUTPUTS)}")
        ordered = tuple(name for name in OUTPUTS if name in outputs)
        return Shot(self.names.index(camera), int(height), int(width), ordered)

    def views(
        self, qpos: ArrayLike, shot: Shot, mocap_pos: ArrayLike | None = None, mocap_quat: ArrayLike | None = None
    ) -> Views:
        """Return what `shot` asks for, of n states; arguments as in `render`.

        Raises:
            SimError: for arrays that do not fit or are not finite.
        """
        model, n = self._model, len(np.asarray(qpos))
        states = {"qpos": _checked("qpos", qpos, (n, model.nq))}
        for name, values in (("mocap_pos", mocap_pos), ("mocap_quat", mocap_quat)):
            shape = (n, *self._mocap[name].shape)
            states[name] = (
                np.broadcast_to(self._mocap[name], shape) if values is None else _checked(name, values, shape)
            )
        drawn = _empty(shot, n)
        slots = self._renderer.slots
        for start in range(0, n, slots):
            rows = range(start, min(start + slots, n))
            for slot, row in enumerate(rows):
                self._pose(states, row)
                self._renderer.place(slot, self._data)
            for name, pictures in self._renderer.draw(shot).items():
                if name in drawn:
                    drawn[name][start : start + len(rows)] = pictures[: len(rows)]
        hit = drawn["geom"] >= 0 if "geom" in drawn else None
        return Views(
            rgb=drawn.get("rgb"),
            depth_m=drawn.get("depth"),
            hit=hit,
            geom=drawn.get("geom") if "geom" in shot.outputs else None,
        )

    def close(self) -> None:
        """Release what the renderer holds; idempotent."""
        self._renderer.close()

    def _pose(self, states: dict[str, NDArray], row: int) -> None:
        """Bring kinematics, cameras and lights of the own data up to date with one state; no dynamics."""
        import mujoco

        for name, values in states.items():
            getattr(self._data, name)[:] = values[row]
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        if self._model.nflex:
            mujoco.mj_flex(self._model, self._data)


def _empty(shot: Shot, n: int) -> dict[str, NDArray]:
    size = (n, shot.height, shot.width)
    drawn: dict[str, NDArray] = {}
    if "rgb" in shot.outputs:
        drawn["rgb"] = np.empty((*size, 3), np.uint8)
    if "depth" in shot.outputs:
        drawn["depth"] = np.empty(size, np.float32)
    if "depth" in shot.outputs or "geom" in shot.outputs:
        drawn["geom"] = np.empty(size, np.int32)
    return drawn


def _checked(name: str, values: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
    array = np.asarray(values, np.float64)
    if array.shape != shape:
        raise SimError(f"'{name}' does not fit the model", where="cameras", got=array.shape, expected=shape)
    if not np.isfinite(array).all():
        row = int(np.argwhere(~np.isfinite(array))[0][0])
        raise SimError(f"'{name}' is not finite", where=f"cameras, row {row}", got=array[row].tolist())
    return array
