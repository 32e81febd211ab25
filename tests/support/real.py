"""Where the real recordings are."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def real_data(name: str) -> Path:
    """Return the folder of one recording; fails, rather than skips, when it is absent."""
    base = Path(os.environ.get("MOTORIUM_REAL_DATA", ROOT.parent / "shared" / "real"))
    folder = base / name
    if not folder.exists():
        pytest.fail(f"no recording '{name}' under {base}: set MOTORIUM_REAL_DATA to the folder that holds it")
    return folder
