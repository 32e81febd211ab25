"""Clips: reference motions of a robot on legs, as mjlab and BeyondMimic keep them: one npz file of joints and bodies.

Layout, T frames, n joints in the model's order, b bodies in the model's order without the world (world frame, SI,
quaternions w first):
    fps             (1,)       frames in a second; where it is missing, 50
    joint_pos       (T, n)     rad
    joint_vel       (T, n)     rad/s
    body_pos_w      (T, b, 3)  m, of the bodies' origins
    body_quat_w     (T, b, 4)
    body_lin_vel_w  (T, b, 3)  m/s, of the origins
    body_ang_vel_w  (T, b, 3)  rad/s
Source: mjlab 1.6.0, `scripts/csv_to_npz.py`; Q. Liao et al., BeyondMimic, arXiv:2508.08241.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import mujoco
import numpy as np
from numpy.typing import NDArray

from motorium.core.errors import DataError

Array = NDArray[np.float64]

FPS = 50.0
MOST_BYTES, MOST_FRAMES = 1 << 30, 1_000_000
# Of a quaternion's length from one.
LENGTH_SLACK = 1e-2


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A reference motion; the module's text has the arrays."""

    fps: float
    joint_pos: Array
    joint_vel: Array
    body_pos_w: Array
    body_quat_w: Array
    body_lin_vel_w: Array
    body_ang_vel_w: Array

    @property
    def frames(self) -> int:
        """T."""
        return len(self.joint_pos)

    def arrays(self) -> dict[str, Array]:
        """Return the arrays (T, ...) by name."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "fps"}

    def resampled(self, fps: float) -> Clip:
        """Return the clip at `fps`, its frames mixed linearly between the two nearest in time."""
        if abs(fps - self.fps) < 1e-9:
            return self
        count = int((self.frames - 1) / self.fps * fps + 1e-9) + 1
        place = np.minimum(np.arange(count) * (self.fps / fps), self.frames - 1)
        low = np.minimum(place.astype(int), self.frames - 2)
        made = {}
        for name, values in self.arrays().items():
            part = (place - low).reshape(-1, *(1,) * (values.ndim - 1))
            after = values[low + 1]
            if name == "body_quat_w":
                # A quaternion and its negative are one rotation: take the shorter way.
                after = np.where((values[low] * after).sum(-1, keepdims=True) < 0, -after, after)
            made[name] = (1.0 - part) * values[low] + part * after
        made["body_quat_w"] /= np.linalg.norm(made["body_quat_w"], axis=-1, keepdims=True)
        return Clip(fps=fps, **made)


def record(model: mujoco.MjModel, qpos: Array, fps: float) -> Clip:
    """Return the clip of a motion given by positions.

    Args:
        model: of a robot with a free base; every body of it but the world.
        qpos: (T, nq), at least two frames.
        fps: frames in a second.
    """
    data, frames = mujoco.MjData(model), len(qpos)
    hinges = [i for i in range(model.njnt) if model.jnt_type[i] == mujoco.mjtJoint.mjJNT_HINGE]
    q, v = model.jnt_qposadr[hinges], model.jnt_dofadr[hinges]
    made = {name: [] for name in ("joint_vel", "body_pos_w", "body_quat_w", "body_lin_vel_w", "body_ang_vel_w")}
    speed, velocity = np.zeros(model.nv), np.zeros(6)
    for i in range(frames):
        low, high = max(i - 1, 0), min(i + 1, frames - 1)
        mujoco.mj_differentiatePos(model, speed, (high - low) / fps, qpos[low], qpos[high])
        data.qpos[:], data.qvel[:] = qpos[i], speed
        mujoco.mj_fwdPosition(model, data)
        mujoco.mj_fwdVelocity(model, data)
        bodies = []
        for body in range(1, model.nbody):
            mujoco.mj_objectVelocity(model, data, mujoco.mjtObj.mjOBJ_XBODY, body, velocity, 0)
            bodies.append(velocity.copy())
        made["joint_vel"].append(speed[v])
        made["body_pos_w"].append(data.xpos[1:].copy())
        made["body_quat_w"].append(data.xquat[1:].copy())
        made["body_ang_vel_w"].append(np.array(bodies)[:, :3])
        made["body_lin_vel_w"].append(np.array(bodies)[:, 3:])
    return Clip(fps=fps, joint_pos=np.array(qpos)[:, q], **{name: np.array(values) for name, values in made.items()})


def write_clip(path: Path, clip: Clip) -> None:
    """Write the clip as npz, float32."""
    arrays = {name: values.astype(np.float32) for name, values in clip.arrays().items()}
    np.savez(path, fps=np.array([clip.fps]), **arrays)


def read_clip(path: Path, joints: int, bodies: int) -> Clip:
    """Read a clip of a robot with `joints` hinges and `bodies` bodies.

    Raises:
        DataError: when it is no npz file, lacks an array, is another robot's, or is not finite.
    """
    where = str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(one.file_size for one in archive.infolist())
        if size > MOST_BYTES:
            raise DataError("this clip is too large", where=where, got=f"{size} bytes", expected=f"<= {MOST_BYTES}")
        with np.load(path, allow_pickle=False) as members:
            found = {name: members[name] for name in members.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, NotImplementedError) as error:
        raise DataError(
            "this is no clip",
            where=where,
            got=str(error),
            expected="an npz file of plain arrays",
            remedy="write it with mjlab's csv_to_npz, or with motorium.tasks.locomotion.clip.write_clip",
        ) from error
    return _checked(found, joints, bodies, where)


def _checked(found: Mapping[str, np.ndarray], joints: int, bodies: int, where: str) -> Clip:
    shapes = {
        "joint_pos": (joints,),
        "joint_vel": (joints,),
        "body_pos_w": (bodies, 3),
        "body_quat_w": (bodies, 4),
        "body_lin_vel_w": (bodies, 3),
        "body_ang_vel_w": (bodies, 3),
    }
    missing = [name for name in shapes if name not in found]
    if missing:
        raise DataError("this clip lacks arrays", where=where, got=sorted(found), expected=missing)
    frames = len(found["joint_pos"]) if found["joint_pos"].ndim else 0
    if not 2 <= frames <= MOST_FRAMES:
        raise DataError("this clip has no motion", where=where, got=f"{frames} frames", expected=f"2 to {MOST_FRAMES}")
    made = {}
    for name, shape in shapes.items():
        values = found[name]
        if values.shape != (frames, *shape):
            raise DataError(
                f"'{name}' of this clip is of another robot",
                where=where,
                got=values.shape,
                expected=(frames, *shape),
                remedy="take a clip that was made for this robot's model",
            )
        if values.dtype.kind not in "fiu" or not np.isfinite(values).all():
            raise DataError(f"'{name}' of this clip is not finite", where=where, got=values.dtype, expected="numbers")
        made[name] = values.astype(np.float64)
    lengths = np.linalg.norm(made["body_quat_w"], axis=-1, keepdims=True)
    if np.abs(lengths - 1.0).max() > LENGTH_SLACK:
        raise DataError("'body_quat_w' of this clip has no unit quaternions", where=where, expected="length 1, w first")
    made["body_quat_w"] /= lengths
    rates = np.ravel(found.get("fps", FPS))
    if rates.size != 1 or rates.dtype.kind not in "fiu" or not 1.0 <= float(rates[0]) <= 10_000.0:
        raise DataError("'fps' of this clip is no rate", where=where, got=rates[:4].tolist(), expected="1 to 10000")
    return Clip(fps=float(rates[0]), **made)
