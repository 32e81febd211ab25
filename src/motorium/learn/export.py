"""Export: a policy folder becomes a bundle, and the two are compared number by number."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from motorium import __version__
from motorium.core.errors import MotoriumError
from motorium.core.hashing import file_digest
from motorium.core.random import stream
from motorium.learn.bundle import BUNDLE, FORMAT, MANIFEST, MODEL, OUTPUT, make_forward
from motorium.learn.description import LAST_ACTION, LAST_KNOWN, PolicyDescription, write_json
from motorium.learn.policies.chunk import ChunkNet
from motorium.learn.policy import load_network, policy_digest
from motorium.learn.runner import NOISE_SCHEME
from motorium.learn.settings import torch_settings

OPSET = 20
# In deviations of the action: single precision through ten passes of the network stays far below it.
TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an export gave.

    Attributes:
        folder: the bundle folder.
        max_abs: largest difference between ONNX and torch, in the action's units.
        max_relative: the same, in deviations of each command.
        inputs: on how many random inputs it was measured.
        bytes: size of the bundle.
    """

    folder: Path
    max_abs: float
    max_relative: float
    inputs: int
    bytes: int


class _ByPosition(nn.Module):
    """The network with its named inputs as positional ones, which is what the exporter takes."""

    def __init__(self, net: ChunkNet) -> None:
        super().__init__()
        self.net = net
        self.names = tuple(net.description.input_shapes())

    def forward(self, *arrays: Tensor) -> Tensor:
        """Return the chunk of actions (B, H, A) of inputs (B, ...), in the order of `names`."""
        return self.net(dict(zip(self.names, arrays, strict=True)))


def export_bundle(policy: Path, out: Path, *, inputs: int = 256, seed: int = 0) -> Exported:
    """Write the bundle of the policy in folder `policy` into `out`; the same bytes for the same policy.

    The graph holds normalisation, history, the chunk's base and all integration steps; every input and the
    output have a free batch axis.

    Args:
        inputs: random inputs, drawn as the training data is spread, to compare ONNX with torch on.

    Raises:
        StoreError: when the policy cannot be read.
        MotoriumError: when ONNX and torch differ by more than rounding.
    """
    net, description = load_network(policy)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    _write_model(net, out / MODEL)
    max_abs, max_relative = compare(net, out / MODEL, inputs, seed)
    if not max_relative <= TOLERANCE:
        raise MotoriumError(
            "the exported model does not compute what the policy does",
            where=out / MODEL,
            got=f"{max_relative:.2e} deviations apart",
            expected=f"at most {TOLERANCE:.0e}",
        )
    plain = _describe(description, policy_digest(policy))
    plain["parity"] = {"max_abs": max_abs, "max_relative": max_relative, "inputs": inputs, "seed": seed}
    write_json(out / BUNDLE, plain)
    write_json(out / MANIFEST, {"files": {name: file_digest(out / name) for name in (BUNDLE, MODEL)}})
    size = sum(os.path.getsize(out / name) for name in (BUNDLE, MODEL, MANIFEST))
    return Exported(folder=out, max_abs=max_abs, max_relative=max_relative, inputs=inputs, bytes=size)


def compare(net: ChunkNet, model: Path, inputs: int, seed: int) -> tuple[float, float]:
    """Return the largest |ONNX - torch| over random inputs: in the action's units, and in deviations."""
    arrays = draw_inputs(net, inputs, stream(seed, "parity"))
    with torch_settings(), torch.inference_mode():
        ours = net({name: torch.from_numpy(array) for name, array in arrays.items()}).numpy()
    delta = np.abs(make_forward(model)(arrays).astype(np.float64) - ours)
    scale = net.action_scale.numpy()
    relative = np.where(scale > 0, delta / np.where(scale > 0, scale, 1.0), delta)
    return float(delta.max()), float(relative.max())


def draw_inputs(net: ChunkNet, rows: int, rng: np.random.Generator) -> dict[str, NDArray[np.float32]]:
    """Return random inputs by name, spread as the training data was: mean and deviation of every number."""
    described, start = net.description, 0
    arrays = {name: rng.standard_normal((rows, *shape), np.float32) for name, shape in described.input_shapes().items()}
    for key, feature in described.inputs.items():
        part = slice(start, start + feature.size)
        arrays[key] = arrays[key] * net.observation_scale[part].numpy() + net.observation_shift[part].numpy()
        start += feature.size
    if described.last_action:
        arrays[LAST_ACTION] = arrays[LAST_ACTION] * net.last_scale.numpy() + net.last_shift.numpy()
        arrays[LAST_KNOWN] = (arrays[LAST_KNOWN] > 0).astype(np.float32)
    return arrays


def _write_model(net: ChunkNet, path: Path) -> None:
    shapes = net.description.input_shapes()
    # Two rows: the exporter would take a batch of one for a constant.
    example = tuple(torch.zeros(2, *shape) for shape in shapes.values())
    with torch_settings(), _quiet():
        program = torch.onnx.export(
            _ByPosition(net).eval(),
            example,
            input_names=list(shapes),
            output_names=[OUTPUT],
            dynamic_shapes=(tuple({0: torch.export.Dim("batch")} for _ in example),),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    model = program.model_proto
    _strip(model)
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def _strip(model: onnx.ModelProto) -> None:
    """Remove what tells of the machine and the source tree: stack traces, scopes, doc strings."""
    graph = model.graph
    del graph.value_info[:]
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
        part.ClearField("doc_string")


def _describe(description: PolicyDescription, policy: str) -> dict[str, Any]:
    action, shapes = description.action, description.input_shapes()
    return {
        "format": FORMAT,
        "policy": description.to_plain(),
        "policy_digest": policy,
        "model": MODEL,
        "inputs": [{"name": name, "shape": ["batch", *shape], "dtype": "float32"} for name, shape in shapes.items()],
        "output": {"name": OUTPUT, "shape": ["batch", description.horizon, action.size], "dtype": "float32"},
        "noise": NOISE_SCHEME if description.noise else None,
        "conventions": {
            **description.conventions,
            "action_order": _words(action.names),
            "action_units": _words(action.units),
            "chunk": f"{description.horizon} actions at {description.control_hz:g} Hz, execute {description.execute}",
            "history": f"{description.n_obs} observations, oldest first, {description.execute} steps apart",
            "normalization": "inside the model: inputs and output are in the units of their features",
            "quaternion_order": "w, x, y, z",
        },
        "versions": {
            "motorium": __version__,
            "onnx": onnx.__version__,
            "onnxruntime": onnxruntime.__version__,
            "opset": str(OPSET),
            "torch": torch.__version__,
        },
    }


def _words(values: tuple[str, ...] | None) -> str:
    return "not known" if values is None else ", ".join(values)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's notices of packages it does not need off the terminal."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
