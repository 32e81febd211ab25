"""Policy folders: `policy.json` and `weights.safetensors`, written once, loaded as a Policy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from motorium.core.errors import CatalogError, StoreError
from motorium.core.hashing import digest, file_digest
from motorium.learn.description import FILE, WEIGHTS, PolicyDescription, read_json, write_json
from motorium.learn.policies import POLICIES
from motorium.learn.policies.chunk import ChunkNet
from motorium.learn.runner import ChunkRunner, choose_block
from motorium.learn.settings import torch_settings

# Measured: 64 rows cost 20 us a row and network pass against 230 us alone; 256 rows save another quarter
# but would make a small batch pay for 256.
BLOCK = 64


def build(description: PolicyDescription) -> ChunkNet:
    """Return the network that `description` asks for, with untrained weights."""
    kind = POLICIES.load(description.kind)
    if not (isinstance(kind, type) and issubclass(kind, ChunkNet)):
        # The name may come from a stranger's policy.json: nothing but a network is called.
        raise CatalogError(f"'{description.kind}' is no policy", got=kind, expected="a subclass of ChunkNet")
    try:
        return kind(description)
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError("the policy's description does not describe a network", got=repr(error)) from error


def save_policy(folder: Path, net: ChunkNet, description: PolicyDescription) -> None:
    """Write the policy's two files into `folder`; the same bytes for the same policy."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.contiguous().clone() for name, tensor in net.state_dict().items()}, folder / WEIGHTS)
    write_json(folder / FILE, description.to_plain())


def load_network(folder: Path) -> tuple[ChunkNet, PolicyDescription]:
    """Return the network and the description of a policy folder.

    Raises:
        StoreError: when a file is missing or the weights do not fit the description.
        CatalogError: when the kind of policy is unknown.
    """
    folder = Path(folder)
    description = PolicyDescription.from_plain(read_json(folder / FILE, "policy"), where=str(folder / FILE))
    net = build(description).eval()
    try:
        net.load_state_dict(load_file(folder / WEIGHTS))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise StoreError("the weights cannot be read", where=folder / WEIGHTS, got=str(error).strip()) from error
    return net.requires_grad_(False), description


def policy_digest(folder: Path) -> str:
    """Return the identity of a policy folder, over its files."""
    return digest("policy", {name: file_digest(Path(folder) / name) for name in (FILE, WEIGHTS)})


def load_policy(folder: Path) -> ChunkRunner:
    """Return the policy in `folder`, on torch, one thread.

    Raises:
        StoreError, CatalogError: as `load_network`.
    """
    net, description = load_network(folder)

    def forward(inputs: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        with torch_settings(), torch.inference_mode():
            return net({name: torch.tensor(array) for name, array in inputs.items()}).numpy()

    return ChunkRunner(description, policy_digest(folder), forward, choose_block(description, forward, BLOCK))
