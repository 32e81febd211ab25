"""The same pictures give the same bytes, whatever else lies in memory."""

import numpy as np
import pytest

from motorium.data.video_write import PROFILES, encode


@pytest.mark.slow
def test_encoding_does_not_depend_on_what_lies_in_memory(tmp_path):
    rng = np.random.default_rng(3)
    # Narrow, still, and a thing that moves: there an encoder's look-ahead read beyond its rows, and one file in thirty
    # differed.
    frames = np.repeat(rng.integers(60, 200, (1, 48, 64, 3), dtype=np.uint8), 120, axis=0)
    for step, picture in enumerate(frames):
        picture[10 + step // 6 : 22 + step // 6, step // 3 : step // 3 + 14] = (200, 30, step)
    clutter, files = [], set()
    for number in range(200):
        clutter += [np.full(int(size), number % 256, np.uint8) for size in rng.integers(1, 200_000, 50)]
        del clutter[: len(clutter) // 2]
        path = tmp_path / f"{number}.mp4"
        encode(path, frames, 20.0, PROFILES["fast"])
        files.add(path.read_bytes())
        path.unlink()
    assert len(files) == 1
