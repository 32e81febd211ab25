"""Acting: how stages open the policy in an artifact, on torch or on ONNX Runtime."""

from __future__ import annotations

from typing import Any

from motorium.flow.stage import Artifact


def load(folder: Any, kind: str):
    """Return the Policy in a folder: on torch for a `policy`, on ONNX Runtime for a `bundle`."""
    if kind == "bundle":
        from motorium.learn.bundle import load_bundle

        return load_bundle(folder)
    from motorium.learn.policy import load_policy

    return load_policy(folder)


def open_policy(source: Artifact):
    """Return the Policy of an artifact."""
    return load(source.path, source.kind)
