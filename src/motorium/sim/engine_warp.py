"""WarpEngine: a batch of MuJoCo worlds of one model on MuJoCo Warp, as torch tensors on a GPU or on the CPU.

Source: `mujoco_warp` 3.17. Arrays are float32, and views of the simulation's own memory: what a task writes is there
at the next step without a copy. A physics step is recorded once and played back (as a CUDA graph on a GPU).

What differs from `sim.engine.Engine`:
    Worlds outside `rows` are computed as well and put back: a call costs the same for one row as for all.
    MuJoCo Warp does not look for bad states: they are found after the last substep of a call, not within it.
    Contacts and constraints have a fixed room, `Room`; too little of it is an error, never a dropped contact.
    The numbers agree to float32, and where bodies touch, until a contact begins or ends a step earlier; on height
    fields they do not: MuJoCo Warp merges contacts that MuJoCo keeps, so that rough ground is not quite as firm.
    On the CPU one thread computes all worlds in order, and a world's bits depend on nothing but itself. On a GPU they
    do not repeat from run to run: contacts are found, and sums are made, in whatever order threads come. With
    `deterministic`, sums are made in one order; contacts still are not (MuJoCo Warp 3.17 has that as a plan only), so
    that worlds without contacts repeat, at some cost in time and memory.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any

import mujoco
import numpy as np

from motorium.core.errors import SimError
from motorium.sim.room import Room, needed_room
from motorium.sim.warp_load import load_warp

log = logging.getLogger(__name__)

Array = Any  # torch.Tensor

# What a snapshot holds, in the order of MuJoCo's state vector (mjtState), by the names of `mujoco_warp.Data`.
STATE_PARTS = (
    *("time", "qpos", "qvel", "act", "history", "qacc_warmstart", "ctrl"),
    *("qfrc_applied", "xfrc_applied", "eq_active", "mocap_pos", "mocap_quat", "userdata"),
)
# Those that a step changes.
MOVING_PARTS = ("time", "qpos", "qvel", "act", "history", "qacc_warmstart", "ctrl", "eq_active")

# Model fields that MuJoCo derives (mj_setConst), by what they are derived from; all of masses, of poses and of sizes.
_INERTIAL = ("body_subtreemass", "body_invweight0", "dof_invweight0", "tendon_invweight0", "actuator_acc0")
_POSED = (*_INERTIAL, "tendon_length0", "eq_data")
_SIZED = ("geom_aabb", "geom_rbound")
DERIVED = {
    **dict.fromkeys(("body_mass", "body_inertia", "body_ipos", "body_iquat", "dof_armature"), _INERTIAL),
    **dict.fromkeys(("qpos0", "body_pos", "body_quat", "jnt_pos", "jnt_axis", "actuator_gear"), _POSED),
    "geom_size": _SIZED,
}


class WarpEngine:
    """A batch of worlds of one compiled model, on MuJoCo Warp.

    Args:
        model: the compiled model; not to be changed afterwards.
        num_envs: B, number of worlds.
        fields: names of model fields that each world gets of its own.
        device: of torch and Warp: `cpu`, `cuda:0`; None: the GPU where there is one.
        room: for contacts and constraints; None: what the model's geoms can need, within limits.
        deterministic: whether a GPU makes sums in one order, as far as MuJoCo Warp can.

    Attributes:
        device: torch device of all arrays.
        versions: what a report is to say of the engine beside MuJoCo's version.
        Others as `sim.physics.Physics` says, float32.

    Raises:
        SimError: when Warp is not installed, the model has what it does not support, or a field cannot be had.
    """

    def __init__(
        self,
        model: mujoco.MjModel,
        num_envs: int,
        fields: Sequence[str] = (),
        *,
        device: str | None = None,
        room: Room | None = None,
        deterministic: bool = False,
    ) -> None:
        if num_envs < 1:
            raise SimError("a batch needs at least one world", got=num_envs, expected="num_envs >= 1")
        self._wp, self._mjw, xp = _load()
        self.xp, self.model, self.num_envs = xp, model, num_envs
        self.device = xp.device(device or self._best_device())
        self._on = str(self.device)
        self.room = room or needed_room(model)
        self._make(fields, deterministic and self.device.type == "cuda")
        self._parts = {name: self._view(getattr(self._d, name)) for name in STATE_PARTS}
        self.qpos, self.qvel, self.ctrl = (self._parts[name] for name in ("qpos", "qvel", "ctrl"))
        self.mocap_pos, self.mocap_quat = self._parts["mocap_pos"], self._parts["mocap_quat"]
        self.history = self._parts["history"]
        # Not the simulation's own, which holds nothing of worlds that a call leaves out.
        self.sensordata = xp.zeros((num_envs, model.nsensordata), dtype=xp.float32, device=self.device)
        self._measured, self._overflow = self._view(self._d.sensordata), self._view(self._d.overflow)
        self.versions = {"mujoco-warp": version("mujoco-warp"), "warp-device": self._wp.get_device(self._on).name}
        self._bad = xp.zeros(num_envs, dtype=xp.bool, device=self.device)
        self._default = self._defaults()
        self._graphs: dict[str, Any] = {}
        self._derives = bool(set(self.fields) & set(mujoco.MjModel._setconst_inputs))
        self._sizes = int(_size_flags(self._mjw.OverflowType))

    def reset(self, rows: Array | None = None) -> None:
        """Put worlds back to the model's defaults, without computing anything from them."""
        rows = self._rows(rows)
        self._write(self._default, rows)
        if "qpos0" in self.fields:
            self._put(self.qpos, self.fields["qpos0"], rows)
        self._bad &= ~rows

    def forward(self, rows: Array | None = None) -> None:
        """Compute the sensors of worlds as they stand; their states stay.

        Raises:
            SimError: when the contacts do not fit into the room.
        """
        if not self.model.nsensordata:
            return
        rows = self._rows(rows)
        with self._kept(self.xp.zeros_like(rows)):
            self._launch("forward", lambda: self._mjw.forward(self._m, self._d))
        self._finish(rows)

    def step(self, rows: Array | None = None, substeps: int = 1, ctrl: Array | None = None) -> None:
        """Advance worlds by `substeps` physics steps.

        Args:
            rows: (B,) bool; None is all. The others keep their state and cost as much.
            substeps: number of physics steps.
            ctrl: (B, nu) controls at the end of the call: they run there in equal parts from the present ones. None:
                the present ones are kept.

        Raises:
            SimError: when contacts or constraints do not fit into the room.
        """
        everything, rows = rows is None, self._rows(rows)
        start = self.ctrl.clone() if ctrl is not None else None
        with self._kept(None if everything else rows):
            for k in range(1, substeps + 1):
                if ctrl is not None:
                    self.ctrl.copy_(ctrl if k == substeps else start + (ctrl - start) * (k / substeps))
                self._launch("step", lambda: self._mjw.step(self._m, self._d))
        self._finish(rows)
        self._give_up(rows)

    def constants(self, rows: Array | None = None) -> None:
        """Recompute what MuJoCo derives from masses, inertias and reference poses, after a write to `fields`.

        All worlds are computed, `rows` or not: of the others nothing changes, as nothing was written to them.
        """
        if not self._derives:
            return
        with self._kept(self.xp.zeros_like(self._bad)):
            self._launch("constants", lambda: self._mjw.set_const(self._m, self._d, restore=False))

    def rays(
        self,
        points: Array,
        directions: Array,
        rows: Array | None = None,
        exclude_body: int = -1,
        groups: Sequence[int] | None = None,
    ) -> tuple[Array, Array]:
        """Return distances and geoms that rays hit; as `Engine.rays`. Every world is computed, `rows` or not."""
        wp, xp = self._wp, self.xp
        count = points.shape[1]
        rows = self._rows(rows)
        shape = (self.num_envs, count, 3)
        origins, ways = (xp.broadcast_to(a.to(self.qpos), shape).contiguous() for a in (points, directions))
        distance = xp.empty(shape[:2], dtype=xp.float32, device=self.device)
        geom, normal = xp.empty_like(distance, dtype=xp.int32), xp.empty_like(origins)
        with self._stream():
            self._mjw.kinematics(self._m, self._d)
            self._mjw.rays(
                self._m,
                self._d,
                wp.from_torch(origins, dtype=wp.vec3),
                wp.from_torch(ways, dtype=wp.vec3),
                self._mjw_groups(groups),
                True,
                wp.full(count, exclude_body, dtype=wp.int32, device=self._on),
                wp.from_torch(distance),
                wp.from_torch(geom),
                wp.from_torch(normal, dtype=wp.vec3),
            )
        missed = ~rows[:, None] | (geom < 0)
        return xp.where(missed, xp.full_like(distance, -1.0), distance), xp.where(missed, xp.full_like(geom, -1), geom)

    def unstable(self) -> Array:
        """Return which worlds were given up as unstable, and put to their defaults, since their reset: (B,) bool."""
        return self._bad.clone()

    def snapshot(self) -> Array:
        """Return a copy of the whole integration state, solver warm start included: (B, nstate) float32.

        In the order of MuJoCo's own state vector: the same columns as `Engine.snapshot`.
        """
        rows = [part.reshape(self.num_envs, -1).to(self.qpos.dtype) for part in self._parts.values()]
        return self.xp.concat(rows, axis=1)

    def restore(self, state: Array, rows: Array | None = None) -> None:
        """Set worlds to rows of a snapshot of any batch of the same model.

        Raises:
            SimError: when `state` has another shape.
        """
        expected = (self.num_envs, self._default.shape[1])
        if tuple(state.shape) != expected:
            raise SimError(
                "this snapshot is of another model or batch size",
                where="WarpEngine.restore",
                got=tuple(state.shape),
                expected=expected,
            )
        rows = self._rows(rows)
        self._write(state.to(self.qpos), rows)
        self._bad &= ~rows

    # Parts.

    def _make(self, fields: Sequence[str], deterministic: bool) -> None:
        """Put the model onto the device, with a row a world of `fields` and of what is derived from them."""
        own = [name for name in fields if not name.startswith("opt.")]
        wanted = {name for field in own for name in (field, *DERIVED.get(field, ()))}
        try:
            with self._wp.ScopedDevice(self._on):
                self._m = self._mjw.put_model(self.model, batch_sizes=dict.fromkeys(sorted(wanted), self.num_envs))
                self._d = self._mjw.make_data(
                    self.model, nworld=self.num_envs, nconmax=self.room.contacts, njmax=self.room.constraints
                )
        except NotImplementedError as error:
            raise SimError(
                "MuJoCo Warp does not support this model",
                got=str(error),
                remedy="use engine='cpu', or take the feature out of the model",
            ) from error
        except ValueError as error:
            raise SimError("MuJoCo Warp refuses this", where=f"fields {', '.join(fields)}", got=str(error)) from error
        for name in set(fields) - set(own):
            self._expand_option(name.removeprefix("opt."))
        # Overflows of the room are reported by `_finish`, once, and solver limits are no news.
        self._m.opt.warn_overflow = 0
        self._m.opt.deterministic = deterministic
        if self.device.type == "cuda":
            self._m.opt.graph_conditional = self._wp.is_conditional_graph_supported()
        self.fields = {
            name: self._view(getattr(self._m if name in own else self._m.opt, name.removeprefix("opt.")))
            for name in fields
        }

    def _expand_option(self, name: str) -> None:
        shared = getattr(self._m.opt, name, None)
        if not isinstance(shared, self._wp.array):
            raise SimError(f"MuJoCo Warp has no 'opt.{name}' for each world", where="fields")
        rows = np.repeat(shared.numpy()[:1], self.num_envs, axis=0)
        setattr(self._m.opt, name, self._wp.array(rows, dtype=shared.dtype, device=self._on))

    def _defaults(self) -> Array:
        """Return a row of default state for each world: (B, nstate)."""
        data = mujoco.MjData(self.model)
        signature = int(mujoco.mjtState.mjSTATE_INTEGRATION)
        row = np.empty(mujoco.mj_stateSize(self.model, signature))
        mujoco.mj_getState(self.model, data, row, signature)
        row = self.xp.asarray(row, dtype=self.xp.float32, device=self.device)
        return row[None].expand(self.num_envs, -1)

    def _rows(self, rows: Array | None) -> Array:
        return self.xp.ones_like(self._bad) if rows is None else self.xp.asarray(rows, device=self.device)

    def _view(self, array: Any) -> Array:
        return self._wp.to_torch(array)

    def _put(self, target: Array, value: Array, rows: Array) -> None:
        mask = rows.reshape(rows.shape + (1,) * (target.ndim - 1))
        target.copy_(self.xp.where(mask, value.to(target.dtype), target))

    def _write(self, state: Array, rows: Array) -> None:
        """Set `rows` to those of `state` (B, nstate)."""
        first = 0
        for part in self._parts.values():
            size = part[0].numel()
            self._put(part, state[:, first : first + size].reshape(part.shape), rows)
            first += size

    @contextmanager
    def _kept(self, rows: Array | None) -> Iterator[None]:
        """Put the worlds outside `rows` back to the state that they had before; None: all may move."""
        before = {} if rows is None else {name: self._parts[name].clone() for name in MOVING_PARTS}
        yield
        for name, value in before.items():
            self._put(self._parts[name], value, ~rows)

    def _finish(self, rows: Array) -> None:
        """Take over what the sensors of `rows` measured; see that everything fitted."""
        self._put(self.sensordata, self._measured, rows)
        if (self._overflow & self._sizes).any():
            full = self._overflow & self._sizes
            kinds = self._mjw.OverflowType(int(full.max()))
            self._overflow.zero_()
            raise SimError(
                "contacts or constraints do not fit into the room that was made for them",
                where=f"rows {full.nonzero()[:10, 0].tolist()}",
                got=str(kinds),
                expected=f"at most {self.room.contacts} contacts a world on average, {self.room.constraints} rows",
                remedy="make WarpEngine(room=Room(contacts=..., constraints=...)) larger, or collide fewer geoms",
            )

    def _give_up(self, rows: Array) -> None:
        """Put worlds with bad states to their defaults, and remember them."""
        xp = self.xp
        bad = xp.zeros_like(self._bad)
        for name in ("qpos", "qvel"):
            # A comparison that NaN fails as well; the bound is MuJoCo's own (mj_checkPos).
            bad = bad | ~(abs(self._parts[name]) <= mujoco.mjMAXVAL).all(dim=1)
        bad = bad & rows
        self._write(self._default, bad)
        self._put(self.sensordata, xp.nan_to_num(self.sensordata, nan=0.0, posinf=0.0, neginf=0.0), bad)
        self._bad |= bad

    def _launch(self, name: str, call: Callable[[], None]) -> None:
        """Run `call`, recorded the second time it comes and played back from then on.

        The first run compiles and loads its kernels, which a recording may not do.
        """
        with self._stream():
            if name in self._graphs:
                graph = self._graphs[name]
                if graph is None:
                    self._graphs[name] = graph = self._record(name, call)
                if graph is not False:
                    self._wp.capture_launch(graph, stream=self._torch_stream())
                    return
            call()
        self._graphs.setdefault(name, None)

    def _record(self, name: str, call: Callable[[], None]) -> Any:
        """Return a recording of `call`, which is not run by that; False where this machine cannot record."""
        wp = self._wp
        if self.device.type == "cuda" and not wp.is_mempool_enabled(self._on):
            return False
        # A stream of Warp's own: the default stream of torch cannot be recorded.
        stream = wp.Stream(self._on) if self.device.type == "cuda" else None
        try:
            with wp.ScopedStream(stream), wp.ScopedCapture(device=self._on, stream=stream) as capture:
                call()
        except Exception as error:  # Warp raises bare RuntimeError and Exception; playing back is an option only
            log.warning("MuJoCo Warp's %s is not recorded, which makes it slower: %s", name, error)
            return False
        return capture.graph

    @contextmanager
    def _stream(self) -> Iterator[None]:
        """Launch on the stream that torch uses now, so that neither has to wait for the other."""
        with self._wp.ScopedDevice(self._on), self._wp.ScopedStream(self._torch_stream()):
            yield

    def _torch_stream(self) -> Any:
        return self._wp.stream_from_torch(self.device) if self.device.type == "cuda" else None

    def _mjw_groups(self, groups: Sequence[int] | None) -> Any:
        chosen = range(mujoco.mjNGROUP) if groups is None else groups
        from mujoco_warp._src.types import vec6  # its function takes this type, and does not name it elsewhere

        return vec6(*(float(group in chosen) for group in range(mujoco.mjNGROUP)))

    def _best_device(self) -> str:
        import torch

        return "cuda:0" if torch.cuda.is_available() and self._wp.is_cuda_available() else "cpu"


def _load() -> tuple[Any, Any, Any]:
    """Return `warp`, `mujoco_warp` and torch's array namespace."""
    try:
        import array_api_compat.torch as xp

        return *load_warp(), xp
    except ImportError as error:
        raise SimError(
            "the engine 'warp' is not installed",
            got=str(error),
            expected="torch, mujoco-warp and warp-lang",
            remedy="pip install 'motorium[render]' and torch, or use engine='cpu'",
        ) from error


def _size_flags(kinds: Any) -> int:
    """Return the overflows that lose contacts or constraints; solver limits are not among them."""
    names = ("NEFC", "NJMAX_NNZ", "BROADPHASE", "NARROWPHASE", "CCD", "HFIELD", "CONTACT_MATCH", "NVMAX", "TACTILE")
    return int(sum(kinds[name] for name in names))
