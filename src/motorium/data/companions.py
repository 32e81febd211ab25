"""Companions: features that say of another one which samples were recorded, and when.

Ingestion puts them beside what it resamples: `<feature>.valid` (bool, per element: False where no sample was near, the
value is 0 there) and `<feature>.time` (float64, s since step 0, of the sample that was used).
"""

from __future__ import annotations

from collections.abc import Iterable

VALID, TIME = ".valid", ".time"
ENDINGS = (VALID, TIME)


def companions(features: Iterable[str]) -> set[str]:
    """Return which of the features only say something of another one among them."""
    known = set(features)
    return {key for key in known for end in ENDINGS if key.endswith(end) and key.removesuffix(end) in known}
