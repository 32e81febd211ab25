"""What the tests of bad input share: small recordings, ways to break them, and a shop that runs the command line."""

import contextlib
import hashlib
import io
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from motorium.cli import main
from motorium.core.features import vector
from motorium.core.random import stream
from motorium.data.dataset import open_dataset
from motorium.data.episode import Episode
from motorium.data.writer import DatasetSpec, DatasetWriter
from tests.data.recordings import FPS, FRONT, make_pictures, picture_feature
from tests.data.v21 import write_v21

ROOT = Path(__file__).resolve().parents[2]
G1, PICK_PLACE = ROOT / "recipes" / "g1-teleop.yaml", ROOT / "recipes" / "pick-place.yaml"
JOINTS = ("shoulder", "elbow", "wrist")
EPISODES, STEPS = 6, 50
DATA = "data/chunk-000/file-000.parquet"

# A network and a training that take no time.
SMALL = {
    "train.steps": 20,
    "train.batch": 16,
    "train.width": 16,
    "train.hidden": 16,
    "train.blocks": 1,
    "train.validate_every": 10,
    "train.log_every": 10,
    "train.checkpoint_every": 10,
    "evaluate.resamples": 100,
    "export.samples": 16,
    "serve.requests": 4,
}


def settings(**changes: object) -> list[str]:
    """The words that set SMALL; `train__steps=9` changes `train.steps`."""
    values = {**SMALL, **{name.replace("__", "."): value for name, value in changes.items()}}
    return [word for name, value in values.items() for word in ("--set", f"{name}={value}")]


def make_recordings(root: Path, episodes: int = EPISODES) -> Path:
    """Write a v3.0 dataset with a camera, whose joints never rest, so that curation keeps every episode."""
    joints = vector(JOINTS, "rad")
    features = {"observation.state": joints, FRONT: picture_feature(), "action": joints}
    with DatasetWriter(root, spec=DatasetSpec(fps=FPS, features=features, robot_type="toy", durable=False)) as writer:
        for number in range(episodes):
            times_s = np.arange(STEPS)[:, None] / FPS
            phases = stream(number, "phases").uniform(0, 6, len(JOINTS))
            arrays = {
                "observation.state": np.sin(2 * times_s + phases).astype(np.float32),
                "action": np.sin(2 * times_s + 0.1 + phases).astype(np.float32),
            }
            writer.add(Episode(arrays=arrays, task="wave", frames={FRONT: make_pictures(number, STEPS)}))
    return root


# -- ways to break a dataset -------------------------------------------------------------------------------


def edit_info(root: Path, **changes: object) -> None:
    """Change keys of meta/info.json."""
    path = root / "meta/info.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def edit_features(root: Path, change) -> None:
    """Change the features in meta/info.json in place."""
    features = json.loads((root / "meta/info.json").read_text())["features"]
    change(features)
    edit_info(root, features=features)


def edit_column(path: Path, key: str, change, kind: pa.DataType | None = None) -> None:
    """Replace a column of a parquet file by `change(its values)`."""
    table = pq.read_table(path)
    place = table.schema.get_field_index(key)
    values = pa.array(change(table.column(key).to_pylist()), kind or table.schema.field(key).type)
    pq.write_table(table.set_column(place, key, values), path)


def put(row: int, value: object):
    """A change of one row."""
    return lambda values: [*values[:row], value, *values[row + 1 :]]


def truncate(path: Path, share: float = 0.5) -> None:
    """Cut a file off."""
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def flip(path: Path) -> None:
    """Change one byte in the middle; the size stays."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def episode_file(root: Path, index: int) -> Path:
    """The rows of one episode of a v2.1 dataset."""
    return root / f"data/chunk-000/episode_{index:06d}.parquet"


def episode_video(root: Path, index: int) -> Path:
    """The video of one episode of a v2.1 dataset."""
    return root / f"videos/chunk-000/{FRONT}/episode_{index:06d}.mp4"


# -- the command line ---------------------------------------------------------------------------------------


# What a run that made everything returns: all is well, or a handful of recordings is too few for a verdict.
DONE = (0, 4)


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def done(self) -> bool:
        """Whether a run made all it was asked for, and said nothing that is not its own words."""
        return self.code in DONE and not any(word in self.err for word in ("error:", "Traceback", "Warning"))

    def refused(self, *words: str) -> str:
        """Check that it is bad input, said once and without a traceback, in `words`; return the error."""
        assert self.code == 2, self
        assert "Traceback" not in self.err, self.err
        assert self.err.count("error:") == 1, self.err
        error = self.err[self.err.index("error:") :]
        for word in words:
            assert word in error, error
        return error


def motorium(*words: object) -> Said:
    """Run a command in this process; a traceback that would reach the user fails the test."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main([str(word) for word in words])
        except SystemExit as stop:  # argparse
            code = stop.code
    return Said(code, out.getvalue(), err.getvalue())


def contents(store: Path) -> dict:
    """What a store holds: index rows, the bytes of its artifacts, staging; not the records of its runs."""
    if not store.is_dir():
        return {}
    files = sorted(path for path in (store / "artifacts").rglob("*") if path.is_file())
    return {
        "rows": json.loads(motorium("ls", "--json", "--store", store).out),
        "files": {str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files},
        "staging": sorted(path.name for path in (store / "staging").iterdir()),
        "scratch": sorted(path.name for path in (store / "scratch").iterdir()),
    }


class Shop:
    """A folder with good recordings in both formats, and a store that has ingested one of them."""

    def __init__(self, root: Path) -> None:
        self.root, self.store = root, root / "store"
        self.v30 = make_recordings(root / "v30")
        self.v21 = root / "v21"
        write_v21(open_dataset(self.v30), self.v21)
        assert self.good().code == 0

    def good(self, store: Path | None = None) -> Said:
        """Ingest the good recordings."""
        return self.g1(self.v30, "--only", "ingest", store=store)

    def g1(self, source: Path | str, *words: object, store: Path | None = None, **changes: object) -> Said:
        """Run the recipe for recordings."""
        words = [*settings(**changes), "--set", f"source={source}", *words]
        return motorium("run", G1, *words, "--store", store or self.store)

    def refused(self, *words: object, said: tuple[str, ...] = ()) -> str:
        """Run a command that must be refused and leave the store as it was; return the error."""
        before = contents(self.store)
        error = motorium(*words, "--store", self.store).refused(*said)
        assert contents(self.store) == before
        after = self.good()
        assert after.code == 0 and "(cached)" in after.out
        return error

    def broken(self, kind: str, folder: Path) -> Path:
        """A copy of the good recordings, to break."""
        return Path(shutil.copytree(self.v21 if kind == "v21" else self.v30, folder))
