"""PolicyDescription: what a policy reads, writes and is built of; kept as `policy.json` beside its weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from motorium.core.errors import ConventionError, DataError, StoreError, nearest
from motorium.core.features import Feature, check_same
from motorium.core.protocols import LAST_ACTION, PolicyInfo

FILE = "policy.json"
WEIGHTS = "weights.safetensors"
# Raised whenever the same weights come to mean something else: 2, since flow matching predicts chunks, not velocities.
FORMAT = 2
ACTION = "action"
LAST_KNOWN = "last_action_known"
NOISE = "noise"


@dataclass(frozen=True, kw_only=True)
class PolicyDescription:
    """Everything about a policy but its weights.

    Attributes:
        kind: catalog name of the policy, or `module:attribute`.
        inputs: feature of each observation key, in the order in which the network reads them.
        action: feature of one action.
        horizon, execute: actions in a chunk, and how many are executed before the next call.
        n_obs: observations read: the present one and those of the `n_obs - 1` previous calls, which lie
            `execute` control steps apart.
        last_action: whether the command before the chunk is read.
        hold_key: observation key in the action's space that stands for the command before the first.
        residual: `none`, `state` (relative to `hold_key`) or `last_action`.
        network: `width`, `hidden`, `blocks`, `euler_steps`, `noise_scale`; of an actor `widths`, `activation`.
        noise: whether a call draws noise (H, A).
        control_hz: rate of the actions.
        conventions: units, frames and orders in words.
        training: how it was made: spec, seed, data, results. Plain JSON.
    """

    kind: str
    inputs: Mapping[str, Feature]
    action: Feature
    horizon: int
    execute: int
    n_obs: int
    last_action: bool
    hold_key: str | None
    residual: str
    network: Mapping[str, Any]
    noise: bool
    control_hz: float
    conventions: Mapping[str, str] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)

    @property
    def observation_size(self) -> int:
        """D: numbers in one observation, all keys together."""
        return sum(feature.size for feature in self.inputs.values())

    @property
    def hold_slice(self) -> slice | None:
        """Where `hold_key` lies in the concatenated observation."""
        start = 0
        for key, feature in self.inputs.items():
            if key == self.hold_key:
                return slice(start, start + feature.size)
            start += feature.size
        return None

    def input_shapes(self) -> dict[str, tuple[int, ...]]:
        """Return the shape of one row of every array the network reads, by name."""
        shapes: dict[str, tuple[int, ...]] = {}
        for key, feature in self.inputs.items():
            shapes[key] = (feature.size,) if self.n_obs == 1 else (self.n_obs, feature.size)
        if self.last_action:
            shapes[LAST_ACTION] = (self.action.size,)
            shapes[LAST_KNOWN] = (1,)
        if self.noise:
            shapes[NOISE] = (self.horizon, self.action.size)
        return shapes

    def info(self, digest: str) -> PolicyInfo:
        """Return what the Policy protocol says of it."""
        return PolicyInfo(
            observation=dict(self.inputs),
            action=self.action,
            horizon=self.horizon,
            execute=self.execute,
            control_hz=self.control_hz,
            digest=digest,
            conventions=dict(self.conventions),
        )

    def to_plain(self) -> dict[str, Any]:
        """Return JSON-compatible data; `from_plain` reverses it. `inputs` is a list: its order matters."""
        plain = {
            "format": FORMAT,
            "kind": self.kind,
            "inputs": [{"key": key, **feature.to_plain()} for key, feature in self.inputs.items()],
            "action": self.action.to_plain(),
        }
        for name in ("horizon", "execute", "n_obs", "last_action", "hold_key", "residual", "noise", "control_hz"):
            plain[name] = getattr(self, name)
        for name in ("network", "conventions", "training"):
            plain[name] = dict(getattr(self, name))
        return plain

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], where: str = FILE) -> PolicyDescription:
        """Build from `to_plain` data.

        Raises:
            StoreError: when it is of another format or a field is missing.
        """
        if plain.get("format") != FORMAT:
            raise StoreError("the policy is of another format", where=where, got=plain.get("format"), expected=FORMAT)
        values = {key: value for key, value in plain.items() if key != "format"}
        try:
            values["inputs"] = {item["key"]: Feature.from_plain(item) for item in plain["inputs"]}
            values["action"] = Feature.from_plain(plain["action"])
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise StoreError("the policy's description is not whole", where=where, got=str(error)) from error


def read_json(path: Path, what: str) -> dict[str, Any]:
    """Return a JSON object from `path`.

    Raises:
        StoreError: when the file is missing, unreadable or holds something else.
    """
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StoreError(f"there is no {what} here", where=path.parent, expected=path.name) from None
    except (OSError, ValueError) as error:
        raise StoreError(f"the {what} cannot be read", where=path, got=str(error)) from error
    if not isinstance(plain, dict):
        raise StoreError(f"the {what} cannot be read", where=path, got=type(plain).__name__, expected="a JSON object")
    return plain


def write_json(path: Path, plain: Mapping[str, Any]) -> None:
    """Write `plain` to `path`, the same bytes for the same data."""
    text = json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    path.write_text(text + "\n", encoding="utf-8")


def check_hold(action: Feature, inputs: Mapping[str, Feature], hold_key: str | None) -> None:
    """Check that `hold_key` is an input in the action's space.

    Raises:
        DataError: when it is no input.
        ConventionError: when its size, names or units are not the action's.
    """
    if hold_key is None:
        return
    if hold_key not in inputs:
        raise DataError(
            f"hold_key '{hold_key}' is not among the inputs", expected=list(inputs), nearest=nearest(hold_key, inputs)
        )
    try:
        check_same(hold_key, inputs[hold_key], action, "hold_key against the action")
    except ConventionError as error:
        raise ConventionError(
            f"hold_key '{hold_key}' is not in the space of the action: {error.what}",
            where="train.hold_key",
            got=error.details["got"],
            expected=error.details["expected"],
            remedy=_hold_remedy(inputs[hold_key], action),
        ) from None


def _hold_remedy(state: Feature, action: Feature) -> str:
    """What to do where the state does not measure what the action commands, or does so under other names."""
    without = "train without it (hold_key: null, residual: none): the policy then predicts the commands themselves"
    if state.shape != action.shape:
        return f"choose the `elements:` that are commanded in the mapping of `motorium ingest`, or {without}"
    if state.names != action.names and sorted(state.names or ()) == sorted(action.names or ()):
        return f"put one in the other's order by `elements:` in the mapping of `motorium ingest`, or {without}"
    same = "where both are the same joints, element by element, give both the same `names:`"
    return f"{same} (and `units:`) in the mapping of `motorium ingest`; where they are different things, {without}"
