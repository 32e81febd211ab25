"""Refs: how people and recipes name an artifact: `dataset/3f2a`, or a unique beginning of its id."""

from __future__ import annotations

import re

from motorium.core.errors import StoreError, nearest
from motorium.flow.stage import Artifact
from motorium.flow.store import Store

SHOWN = 8


def resolve_ref(store: Store, ref: str) -> Artifact:
    """Return the artifact that `ref` names: `kind/beginning-of-id`, or the beginning alone.

    Raises:
        StoreError: when there is none, or more than one; names the nearest, or the choices.
    """
    kind, _, prefix = ref.rpartition("/")
    rows = store.rows()
    if not re.fullmatch(r"[0-9a-f]{1,64}", prefix):
        raise StoreError(
            f"'{ref}' does not name an artifact",
            where=store.root,
            expected="`kind/id` or the beginning of an id (hex digits), as `motorium ls` shows them",
            nearest=_nearest(ref, rows),
        )
    kinds = sorted({row["kind"] for row in rows})
    if kind and kind not in kinds:
        raise StoreError(
            f"there is no artifact of kind '{kind}'",
            where=store.root,
            expected=f"one of: {', '.join(kinds) or '(the store is empty)'}",
            nearest=nearest(kind, kinds),
        )
    found = [row for row in rows if row["id"].startswith(prefix) and kind in ("", row["kind"])]
    if len(found) == 1:
        return store.load(found[0]["kind"], found[0]["id"])
    if not found:
        raise StoreError(
            f"there is no artifact '{ref}'", where=store.root, nearest=_nearest(ref, rows), remedy="see `motorium ls`"
        )
    choices = [f"{row['kind']}/{row['id'][:16]}  {row['summary']}" for row in found[:SHOWN]]
    more = [f"... and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    raise StoreError(
        f"'{ref}' names {len(found)} artifacts",
        where=store.root,
        expected="\n            ".join(["more digits, for one of:", *choices, *more]),
    )


def _nearest(ref: str, rows: list[dict]) -> str | None:
    return nearest(ref, [f"{row['kind']}/{row['id'][: max(4, len(ref.rpartition('/')[2]))]}" for row in rows])
