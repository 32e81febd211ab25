"""Blocks: how stages cut a range of episodes or seeds into shards."""

from __future__ import annotations


def blocks(first: int, count: int, size: int) -> list[tuple[int, int]]:
    """Cut `count` consecutive integers from `first` into (start, length) blocks of at most `size`."""
    return [(first + at, min(size, count - at)) for at in range(0, count, size)]
