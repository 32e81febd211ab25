"""Room: how many contacts and constraints a world may have, where an engine has to reserve them beforehand."""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

_PLANE, _HFIELD, _SPHERE, _CAPSULE, _ELLIPSOID, _CYLINDER, _BOX, _MESH = range(8)

# Most contacts that a pair of geoms of these types makes; other pairs: MOST_A_PAIR.
CONTACTS = {
    (_PLANE, _SPHERE): 1,
    (_PLANE, _CAPSULE): 2,
    (_PLANE, _ELLIPSOID): 1,
    (_PLANE, _CYLINDER): 4,
    (_PLANE, _BOX): 8,
    (_SPHERE, _SPHERE): 1,
    (_SPHERE, _CAPSULE): 1,
    (_SPHERE, _ELLIPSOID): 1,
    (_SPHERE, _CYLINDER): 1,
    (_SPHERE, _BOX): 1,
    (_CAPSULE, _CAPSULE): 2,
    (_CAPSULE, _BOX): 2,
}
MOST_A_PAIR = 8
ON_HFIELD = 16

# Not all pairs touch at once: beyond this, a world is given room for half of what could be, up to the largest.
SURE, LARGEST = 48, 128


@dataclass(frozen=True, kw_only=True)
class Room:
    """Room for contacts and constraints.

    Attributes:
        contacts: a world; on average, where worlds share it.
        constraints: rows of the constraint Jacobian that any world may have.
    """

    contacts: int
    constraints: int


def needed_room(model: mujoco.MjModel) -> Room:
    """Return room for all that the model's geoms, joints and equalities can need, within limits."""
    possible, rows_each = 0, 1
    for a, b in colliding_pairs(model):
        possible += _most(model.geom_type[a], model.geom_type[b])
        rows_each = max(rows_each, _rows(model, max(model.geom_condim[a], model.geom_condim[b])))
    for dimension in model.pair_dim:
        possible += MOST_A_PAIR
        rows_each = max(rows_each, _rows(model, dimension))
    contacts = possible if possible <= SURE else min(LARGEST, SURE + (possible - SURE) // 2)
    limits = int(model.jnt_limited.sum() + model.tendon_limited.sum())
    losses = int((model.dof_frictionloss > 0).sum() + (model.tendon_frictionloss > 0).sum())
    constraints = 2 * limits + losses + 6 * model.neq + rows_each * contacts
    return Room(contacts=max(contacts, 1), constraints=max(constraints, 1))


def colliding_pairs(model: mujoco.MjModel) -> list[tuple[int, int]]:
    """Return the pairs of geoms that MuJoCo would test against each other, explicit pairs aside.

    Source: MuJoCo documentation, Computation, Collision detection: selection.
    """
    weld, parent = model.body_weldid[model.geom_bodyid], model.body_parentid
    excluded = {int(signature) for signature in model.exclude_signature}
    filtered = not model.opt.disableflags & mujoco.mjtDisableBit.mjDSBL_FILTERPARENT
    first, second = np.triu_indices(model.ngeom, k=1)
    masks = (model.geom_contype[first] & model.geom_conaffinity[second]) | (
        model.geom_contype[second] & model.geom_conaffinity[first]
    )
    pairs = []
    for a, b in zip(first[masks != 0], second[masks != 0]):
        wa, wb = int(weld[a]), int(weld[b])
        if wa == wb:
            continue
        related = model.body_weldid[parent[wa]] == wb or model.body_weldid[parent[wb]] == wa
        if filtered and related and wa and wb:
            continue
        ba, bb = sorted((int(model.geom_bodyid[a]), int(model.geom_bodyid[b])))
        if (ba << 16) + bb not in excluded:
            pairs.append((int(a), int(b)))
    return pairs


def _most(a: int, b: int) -> int:
    low, high = sorted((int(a), int(b)))
    if low == _HFIELD:
        return ON_HFIELD
    return CONTACTS.get((low, high), MOST_A_PAIR)


def _rows(model: mujoco.MjModel, dimension: int) -> int:
    """Return the constraint rows of a contact of `dimension` (condim)."""
    if dimension == 1 or model.opt.cone == mujoco.mjtCone.mjCONE_ELLIPTIC:
        return int(dimension)
    return 2 * (int(dimension) - 1)
