"""The loop: wall time of every stage of the shipped recipe `pick-place`, in a store of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RECIPE = Path(__file__).resolve().parents[1] / "recipes" / "pick-place.yaml"


def main() -> None:
    """Run the recipe from nothing, then again; print seconds and shares."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "motorium.cli", "run", str(RECIPE), "--store", f"{folder}/store", "--quiet"]
        times = []
        for _ in range(2):
            began = time.perf_counter()
            subprocess.run([*words, *sys.argv[1:]], check=False, stdout=subprocess.DEVNULL)
            times.append(time.perf_counter() - began)
        (first,) = [
            status
            for status in (json.loads(path.read_text()) for path in Path(folder).glob("store/runs/*/run.json"))
            if all(stage["state"] == "done" for stage in status["stages"].values())
        ]
    stages = first["stages"]
    total = sum(stage["seconds"] for stage in stages.values())
    print(f"{'stage':14} {'seconds':>8} {'share':>7}")
    for name, stage in stages.items():
        print(f"{name:14} {stage['seconds']:8.1f} {stage['seconds'] / total:7.1%}")
    print(f"{'whole run':14} {times[0]:8.1f}")
    print(f"{'cached again':14} {times[1]:8.2f}  = 1/{times[0] / times[1]:.0f} of the first (n = 1 run each)")


if __name__ == "__main__":
    main()
