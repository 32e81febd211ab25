"""Policies of other projects: an ONNX file and a conventions file that says what goes in and what comes out.

A folder with `foreign.yaml` and the ONNX file acts wherever a policy of ours does. `foreign.yaml` states, in the order
in which the network reads them, which of our observation's elements it sees, scaled and shifted, and what its outputs
mean. `extends: mjlab-go1-velocity` takes over a conventions file that is shipped; further keys replace its own.

The network is run a row at a time, on one thread: exporters of the field fix the batch at one, and a row then depends
on no other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from motorium.core.errors import ConventionError, MotoriumError, SpecError, StoreError, nearest
from motorium.core.hashing import digest, file_digest
from motorium.core.protocols import EnvInfo, Observation, PolicyInfo, as_mask
from motorium.core.spec import Spec

FILE, EXTENDS, SHIPPED = "foreign.yaml", "extends", "conventions"
JOINT = "{joint}"
# What exporters write into metadata is rounded to three decimals.
ROUNDED = 1e-3

Array = NDArray[Any]
Numbers = float | tuple[float, ...]


class ForeignPart(Spec):
    """One part of what the network reads: some of our elements, or its own last output.

    What it reads is `scale * ours + offset`.
    """

    key: str = Field("observation.state", description="our observation key")
    elements: str | tuple[str, ...] = Field((), description="names of our elements, or one with {joint} in it")
    slice: tuple[int, int] | None = Field(None, description="[start, stop) of the key, instead of names")
    last_output: bool = Field(False, description="its own last output, zero at first, instead of an observation")
    scale: Numbers = Field(1.0, description="one number, or one an element")
    offset: Numbers = Field(0.0, description="one number, or one an element")
    history: int = Field(1, ge=1, description="how many steps of it are read, oldest first; the first is repeated")

    @model_validator(mode="after")
    def _one(self) -> ForeignPart:
        if [bool(self.elements), self.slice is not None, self.last_output].count(True) != 1:
            raise ValueError("a part is one of: elements, slice, last_output")
        return self


class ForeignAction(Spec):
    """What an output means: with `command`, `scale * output + offset` is our action; with `position_rad` a joint's
    target position, which becomes our action by the `action_scale_rad` and `home_rad` that the task states."""

    elements: str | tuple[str, ...] = Field(description="names of our action's elements in its order, or with {joint}")
    means: Literal["command", "position_rad"] = Field("command", description="what scale * output + offset is")
    scale: Numbers = Field(1.0, description="one number, or one an element")
    offset: Numbers = Field(0.0, description="one number, or one an element")


class ForeignSpec(Spec):
    """A conventions file."""

    format: Literal["motorium.foreign"] = "motorium.foreign"
    version: Literal[1] = 1
    task: str = Field(description="task of the catalog that it acts in")
    options: dict[str, Any] = Field({}, description="fields of the task's own spec")
    model: str = Field("policy.onnx", description="ONNX file, in the same folder")
    input: str = Field("obs", description="name of the network's input, (1, n)")
    output: str = Field("actions", description="name of its output, (1, A)")
    joints: tuple[str, ...] = Field((), description="joints in its order, for {joint}")
    observation: tuple[ForeignPart, ...] = Field(min_length=1, description="what it reads, in its order")
    action: ForeignAction = Field(description="what its output means")


def is_foreign(folder: Path) -> bool:
    """Return whether a folder holds a policy of another project."""
    return (Path(folder) / FILE).is_file()


def read_foreign(folder: Path) -> ForeignSpec:
    """Return the conventions of a folder, with those that they extend.

    Raises:
        StoreError: when there is no conventions file.
        SpecError: when it is malformed, or extends one that is not shipped.
    """
    from motorium.flow.document import read_document

    path = Path(folder) / FILE
    try:
        plain = read_document(path.read_text(encoding="utf-8"), str(path)).data
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError("the conventions file cannot be read", where=path, got=error) from None
    if not isinstance(plain, dict):
        raise SpecError("a conventions file is a mapping", where=path, got=type(plain).__name__, expected="key: value")
    base = plain.pop(EXTENDS, None)
    if base is not None:
        shipped = resources.files("motorium.learn").joinpath(SHIPPED)
        names = sorted(one.name.removesuffix(".yaml") for one in shipped.iterdir() if one.name.endswith(".yaml"))
        if base not in names:
            raise SpecError(
                f"no conventions '{base}' are shipped",
                where=path,
                expected=f"one of: {', '.join(names)}",
                nearest=nearest(str(base), names),
            )
        plain = {**read_document(shipped.joinpath(f"{base}.yaml").read_text(encoding="utf-8"), base).data, **plain}
    spec = ForeignSpec.parse(plain, where=str(path))
    if Path(spec.model).name != spec.model:
        raise SpecError("the ONNX file lies beside the conventions file", where=path, got=spec.model)
    return spec


def load_foreign(folder: Path, info: EnvInfo) -> ForeignPolicy:
    """Return the policy in `folder` for worlds of `info`, which are those of its `task` and `options`.

    Raises:
        StoreError: when a file is missing or cannot be loaded.
        SpecError: when the conventions file is malformed.
        ConventionError: when it does not fit the worlds, or the network.
    """
    folder = Path(folder)
    return ForeignPolicy(folder, read_foreign(folder), info)


@dataclass(frozen=True, kw_only=True)
class _Part:
    """A part with its elements looked up; `key` None: the last output."""

    key: str | None
    index: NDArray[np.int64]
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    history: int


class ForeignPolicy:
    """The Policy protocol around a network of another project; chunks of one action.

    Args:
        folder: with the ONNX file.
        spec: its conventions.
        info: of the worlds it acts in.
    """

    def __init__(self, folder: Path, spec: ForeignSpec, info: EnvInfo) -> None:
        where = str(folder / FILE)
        self._spec, outputs = spec, _elements(spec.action.elements, spec.joints, where)
        self._parts = [_part(one, spec, info, len(outputs), where) for one in spec.observation]
        self._size = sum(len(one.index) * one.history for one in self._parts)
        self._order, self._scale, self._offset = _action(spec, info, outputs, where)
        self._session = _open(folder / spec.model)
        self._check(where)
        keys = list(dict.fromkeys(one.key for one in self._parts if one.key is not None))
        self.info = PolicyInfo(
            observation={key: info.observation[key] for key in keys},
            action=info.action,
            horizon=1,
            execute=1,
            control_hz=float(info.control_hz),
            digest=digest("foreign", {"model": file_digest(folder / spec.model), "conventions": spec.to_plain()}),
            conventions=dict(info.conventions),
        )
        self._fresh = np.zeros(0, bool)

    def reset(self, seeds: NDArray[np.int64], mask: NDArray[np.bool_] | None = None) -> None:
        """Start new episodes in the rows of `mask`: no history, a last output of zero."""
        if len(seeds) != len(self._fresh):
            self._fresh, mask = np.ones(len(seeds), bool), None
            self._last = np.zeros((len(seeds), len(self._order)))
            self._memory = [np.zeros((len(seeds), one.history, len(one.index))) for one in self._parts]
        rows = as_mask(mask, len(seeds))
        self._fresh[rows], self._last[rows] = True, 0.0

    def act(self, observation: Observation, mask: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Return the actions (B, 1, A); see the protocol.

        Raises:
            MotoriumError: when `reset` was never called.
        """
        if not len(self._fresh):
            raise MotoriumError("act was called before reset", where="policy", remedy="call reset(seeds) first")
        rows = np.flatnonzero(as_mask(mask, len(self._fresh)))
        read = self._read(observation, rows)
        actions = np.zeros((len(self._fresh), 1, len(self._order)), np.float32)
        for row, values in zip(rows, read):
            self._last[row] = self._session.run([self._spec.output], {self._spec.input: values[None]})[0][0]
        actions[rows[:, None], 0, self._order] = self._last[rows] * self._scale + self._offset
        self._fresh[rows] = False
        return actions

    def _read(self, observation: Observation, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return what the network reads (n, size) of `rows`; their history moves on."""
        columns = []
        for part, memory in zip(self._parts, self._memory):
            seen = self._last if part.key is None else np.asarray(observation[part.key], np.float64)
            values = part.scale * seen[rows][:, part.index] + part.offset
            kept = np.where(self._fresh[rows, None, None], values[:, None], memory[rows])
            memory[rows] = np.concatenate([kept[:, 1:], values[:, None]], axis=1)
            columns.append(memory[rows].reshape(len(rows), -1))
        return np.concatenate(columns, axis=1).astype(np.float32)

    def _check(self, where: str) -> None:
        """Run the network once, and compare with what it says of itself."""
        spec, zero = self._spec, np.zeros((1, self._size), np.float32)
        for kind, name, known in (
            ("input", spec.input, [one.name for one in self._session.get_inputs()]),
            ("output", spec.output, [one.name for one in self._session.get_outputs()]),
        ):
            if name not in known:
                raise ConventionError(
                    f"the network has no {kind} '{name}'", where=where, got=known, nearest=nearest(name, known)
                )
        try:
            made = self._session.run([spec.output], {spec.input: zero})[0].shape
        except Exception as error:  # ONNX Runtime has no common base class for what it does not like.
            shape = next(one.shape for one in self._session.get_inputs() if one.name == spec.input)
            raise ConventionError(
                "the network does not read what the conventions file says",
                where=where,
                got=f"{self._size} numbers",
                expected=f"input '{spec.input}' of shape {shape}",
            ) from error
        if made != (1, len(self._order)):
            raise ConventionError(
                "the network answers with another number of actions",
                where=where,
                got=made,
                expected=(1, len(self._order)),
            )
        _check_metadata(spec, dict(self._session.get_modelmeta().custom_metadata_map), where)


def _check_metadata(spec: ForeignSpec, said: dict[str, str], where: str) -> None:
    """Compare the conventions with the metadata that mjlab writes, as far as there are any."""
    joints = tuple(filter(None, said.get("joint_names", "").split(",")))
    if joints and spec.joints and joints != spec.joints:
        raise ConventionError("the network was trained with joints in another order", where=where, got=joints)
    for name, ours in (("action_scale", spec.action.scale), ("default_joint_pos", spec.action.offset)):
        try:
            theirs = np.array([float(one) for one in said.get(name, "").split(",") if one])
        except ValueError:
            continue
        ours = np.broadcast_to(ours, theirs.shape) if np.ndim(ours) == 0 else np.asarray(ours)
        if len(theirs) and (theirs.shape != ours.shape or np.abs(theirs - ours).max() > ROUNDED):
            raise ConventionError(
                f"the network says another '{name}' than the conventions file",
                where=where,
                got=theirs.tolist(),
                expected=ours.tolist(),
                remedy="correct `action.scale` and `action.offset`, or use the policy's own conventions",
            )


def _part(part: ForeignPart, spec: ForeignSpec, info: EnvInfo, outputs: int, where: str) -> _Part:
    if part.last_output:
        key, index = None, np.arange(outputs)
    else:
        key = part.key
        if key not in info.observation:
            raise ConventionError(
                f"the task does not show '{key}'",
                where=where,
                expected=", ".join(info.observation),
                nearest=nearest(key, info.observation),
            )
        feature = info.observation[key]
        if part.slice is not None:
            start, stop = part.slice
            if not 0 <= start < stop <= feature.size:
                raise ConventionError(f"no such slice of '{key}'", where=where, got=part.slice, expected=feature.size)
            index = np.arange(start, stop)
        else:
            wanted = _elements(part.elements, spec.joints, where)
            index = _places(wanted, feature.names or (), f"{info.name}, {key}", where)
    scale, offset = (_spread(one, len(index), where) for one in (part.scale, part.offset))
    return _Part(key=key, index=index, scale=scale, offset=offset, history=part.history)


def _action(spec: ForeignSpec, info: EnvInfo, outputs: Sequence[str], where: str) -> tuple[Array, Array, Array]:
    """Return for each output: which element of our action it is, and the scale and offset that make it so."""
    names = info.action.names or ()
    order = _places(outputs, names, f"{info.name}, action", where)
    if sorted(order) != list(range(info.action.size)):
        missing = [name for i, name in enumerate(names) if i not in order]
        raise ConventionError("the outputs do not make up an action", where=where, got=outputs, expected=missing)
    scale, offset = (_spread(one, len(order), where) for one in (spec.action.scale, spec.action.offset))
    if spec.action.means == "position_rad":
        ours = {}
        for name in ("action_scale_rad", "home_rad"):
            if name not in info.conventions:
                raise ConventionError(
                    f"the task does not state '{name}'", where=where, got=info.name, remedy="`means: command`"
                )
            ours[name] = np.array([float(one) for one in info.conventions[name].split(",")])[order]
        offset = (offset - ours["home_rad"]) / ours["action_scale_rad"]
        scale = scale / ours["action_scale_rad"]
    return order, scale, offset


def _elements(elements: str | Sequence[str], joints: Sequence[str], where: str) -> tuple[str, ...]:
    if not isinstance(elements, str):
        return tuple(elements)
    if JOINT not in elements:
        return (elements,)
    if not joints:
        raise SpecError(f"'{elements}' needs the list `joints`", where=where)
    return tuple(elements.replace(JOINT, joint) for joint in joints)


def _places(wanted: Sequence[str], names: Sequence[str], what: str, where: str) -> NDArray[np.int64]:
    for name in wanted:
        if name not in names:
            raise ConventionError(
                f"there is no element '{name}' in {what}",
                where=where,
                expected=f"one of: {', '.join(names)}",
                nearest=nearest(name, names),
            )
    return np.array([names.index(name) for name in wanted], np.int64)


def _spread(values: Numbers, size: int, where: str) -> NDArray[np.float64]:
    array = np.asarray(values, np.float64)
    if array.shape not in ((), (size,)):
        raise SpecError(
            "a scale or offset is one number, or one an element", where=where, got=len(array), expected=size
        )
    return np.broadcast_to(array, (size,))


def _open(model: Path) -> Any:
    import onnxruntime

    if not model.is_file():
        raise StoreError("the ONNX file is missing", where=model, remedy=f"put it there, or name it in {FILE}: model:")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has no common base class for its load errors.
        raise StoreError("the model cannot be loaded", where=model, got=str(error)) from error
