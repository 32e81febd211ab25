"""How simulated recordings are described as datasets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from motorium.core.features import Feature
from motorium.core.protocols import EnvInfo
from motorium.data.writer import DatasetSpec
from motorium.stages.worlds import world_conventions


def dataset_spec(info: EnvInfo, features: Mapping[str, Feature], task: str, options: Mapping[str, Any]) -> DatasetSpec:
    """Return the description of a dataset recorded in an env; names the world, so that later stages find it."""
    conventions = {**info.conventions, **world_conventions(task, options)}
    conventions |= {f"version.{name}": version for name, version in info.versions.items()}
    return DatasetSpec(
        fps=info.control_hz,
        features=dict(features),
        robot_type=info.conventions.get("robot"),
        conventions=conventions,
        # A stage that is killed is run again, and a commit waits for the disk once for all files.
        durable=False,
    )
