"""Where the reference files are that other tools wrote."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def reference_data(name: str) -> Path:
    """Return the folder of one reference dataset; fails, rather than skips, when it is absent."""
    base = Path(os.environ.get("MOTORIUM_REFERENCE", ROOT.parent / "shared" / "reference"))
    folder = base / name
    if not folder.exists():
        pytest.fail(f"no reference '{name}' under {base}: set MOTORIUM_REFERENCE to the folder that holds it")
    return folder
