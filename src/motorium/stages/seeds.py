"""Seeds: from which simulated starts data were made, directly or by way of what they were amplified from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from motorium.data.dataset import Dataset


def episode_seeds(dataset: Dataset, episodes: Iterable[int]) -> set[int]:
    """Return the seeds of `episodes`, and those of the data behind the dataset; recorded episodes have none."""
    from motorium.evaluate.seeds import parse_seeds

    found = [dataset.episode(int(index)).meta.get("seed") for index in episodes]
    # A stranger's recording may mean something else by the word.
    own = {seed for seed in found if isinstance(seed, int)}
    return own | {int(seed) for seed in parse_seeds(dataset.conventions.get("data_seeds", ""))}
