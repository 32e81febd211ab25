"""Runs the recipe on disks that are too small, in a mount namespace of its own; prints a line of JSON a case.

unshare --user --map-root-user --mount python -m tests.support.tiny_disk SHOP FOLDER
"""

import json
import re
import subprocess
import sys
from pathlib import Path

from motorium.flow.store import Store
from tests.support.bad_input import G1, motorium, settings

# Room in KiB: for no index, then for one stage more at a time.
ROOMS = (4, 90, 300, 450, 900)
# Weights of some 300 KB, so that the disk is full while they are written.
WIDE = {"train__width": 128, "train__hidden": 256}
ENOUGH = "32m"


def mount(folder: Path, size: str, *more: str) -> None:
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join([f"size={size}", *more]), "tmpfs", folder], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


def command(shop: Path, store: Path) -> list[str]:
    words = ["run", str(G1), *settings(**WIDE), "--set", f"source={shop / 'v30'}", "--only", "train"]
    return [*words, "--store", str(store)]


def full(shop: Path, disk: Path, room: int) -> dict:
    """One run on a disk with `room` KiB, then the same command with enough."""
    mount(disk, f"{room}k")
    store = disk / "store"
    said = motorium(*command(shop, store))
    failed = re.search(r"^(\S+) +- +failed", said.out, re.M)
    case = {"case": "full", "room": room, "code": said.code, "error": said.err[said.err.find("error:") :]}
    case |= {"failed": failed and failed[1], "staging": [path.name for path in (store / "staging").iterdir()]}
    remount(disk, f"size={ENOUGH}")
    there = Store(store)
    case["problems"] = [
        problem for row in there.rows() for problem in there.problems(there.load(row["kind"], row["id"]))
    ]
    case["then"] = motorium(*command(shop, store)).code
    case["verified"] = motorium("verify", "--quiet", "--store", store).code
    case["ids"] = sorted(row["id"] for row in there.rows())
    return case


def read_only(shop: Path, disk: Path) -> dict:
    """A store that was written, on a disk that then becomes read-only."""
    mount(disk, ENOUGH)
    store = disk / "store"
    assert motorium(*command(shop, store)).code == 0
    remount(disk, "ro")
    said = motorium(*command(shop, store))
    read = [motorium("ls", "--store", store).code, motorium("verify", "--quiet", "--store", store).code]
    return {"case": "read-only", "code": said.code, "error": said.err[said.err.find("error:") :], "read": read}


def run(shop: Path, folder: Path) -> None:
    for room in ROOMS:
        print(json.dumps(full(shop, folder / f"disk-{room}", room)), flush=True)
    print(json.dumps(read_only(shop, folder / "read-only")), flush=True)


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]))
