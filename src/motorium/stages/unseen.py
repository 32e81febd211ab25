"""Unseen: no policy is judged on what it was taught."""

from __future__ import annotations

from collections.abc import Mapping

from motorium.core.errors import SpecError


def check_unseen(first_seed: int, trials: int, conventions: Mapping[str, str], where: str) -> None:
    """Refuse `trials` seeds from `first_seed` on where the policy's data were made from one of them.

    Raises:
        SpecError: naming one of them.
    """
    from motorium.evaluate.seeds import parse_seeds

    shared = [s for s in parse_seeds(conventions.get("data_seeds", "")) if first_seed <= s < first_seed + trials]
    if shared:
        raise SpecError(
            "the policy was trained on a seed it would be judged on",
            where=where,
            got=f"seed {shared[0]}",
            expected=f"seeds in no training data ({conventions['data_seeds']})",
            remedy="choose another first_seed",
        )
