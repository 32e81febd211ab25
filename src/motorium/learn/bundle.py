"""Bundles: a policy as ONNX with everything inside, run without torch.

Files: `policy.onnx`; `bundle.json` (what it reads and writes, in which units, order and rate, and how noise
is drawn); `bundle-manifest.json` (SHA-256 of the others: it shows damage and careless edits; it is no
signature).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from motorium.core.errors import StoreError
from motorium.core.hashing import digest, file_digest
from motorium.learn.description import PolicyDescription, read_json
from motorium.learn.runner import ChunkRunner, Forward, choose_block

MODEL = "policy.onnx"
BUNDLE = "bundle.json"
MANIFEST = "bundle-manifest.json"
FORMAT = 1
OUTPUT = "actions"

# Measured: 16 rows cost 16 us a row and network pass, 256 rows 12 us, one row alone 160 us; a single robot
# pays for the whole block, so the block is small.
BLOCK = 16


def verify_bundle(folder: Path) -> dict[str, str]:
    """Return {file: SHA-256} of the bundle's files.

    Raises:
        StoreError: when a file is missing, or is not the one that was exported.
    """
    files = read_json(Path(folder) / MANIFEST, "bundle manifest").get("files")
    if not isinstance(files, dict) or not {MODEL, BUNDLE} <= files.keys():
        raise StoreError(
            "the bundle manifest is not whole", where=Path(folder) / MANIFEST, expected=f"{MODEL}, {BUNDLE}"
        )
    for name, expected in sorted(files.items()):
        path = Path(folder) / name
        if Path(name).name != name or not path.is_file():
            raise StoreError("a file of the bundle is missing", where=path, remedy="export the policy again")
        got = file_digest(path)
        if got != expected:
            raise StoreError(
                "a file of the bundle was changed after the export",
                where=path,
                got=f"sha256 {got}",
                expected=f"sha256 {expected}",
                remedy="export the policy again",
            )
    return files


def load_bundle(folder: Path) -> ChunkRunner:
    """Return the policy in a bundle folder, on ONNX Runtime, one thread, without torch.

    Raises:
        StoreError: when the bundle is not whole, was changed, or is of another format.
    """
    folder = Path(folder)
    files = verify_bundle(folder)
    plain = read_json(folder / BUNDLE, "bundle")
    if plain.get("format") != FORMAT:
        raise StoreError(
            "the bundle is of another format", where=folder / BUNDLE, got=plain.get("format"), expected=FORMAT
        )
    description = PolicyDescription.from_plain(plain.get("policy", {}), where=str(folder / BUNDLE))
    forward = make_forward(folder / MODEL)
    return ChunkRunner(description, digest("bundle", files), forward, choose_block(description, forward, BLOCK))


def make_forward(model: Path) -> Forward:
    """Return the ONNX model as a function of arrays by name.

    Raises:
        StoreError: when ONNX Runtime cannot load it.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has no common base class for its load errors.
        raise StoreError("the model cannot be loaded", where=model, got=str(error)) from error

    def forward(inputs: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        return session.run([OUTPUT], dict(inputs))[0]

    return forward
