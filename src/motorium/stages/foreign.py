"""Foreign: how stages that have a world open policies of other projects, and ours as ever."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from motorium.flow.stage import Artifact
from motorium.stages import acting
from motorium.stages.worlds import open_world, world_conventions


def load(folder: Any, kind: str):
    """Return the Policy in a folder: one of ours, or, where it has a conventions file, of another project."""
    from motorium.learn.foreign import is_foreign, load_foreign, read_foreign

    if not is_foreign(folder):
        return acting.load(folder, kind)
    spec = read_foreign(folder)
    env = open_world(spec.task, spec.options, 1, 1)
    env.close()
    policy = load_foreign(folder, env.info)
    named = world_conventions(spec.task, spec.options)
    policy.info = replace(policy.info, conventions={**policy.info.conventions, **named})
    return policy


def open_policy(source: Artifact):
    """Return the Policy of an artifact."""
    return load(source.path, source.kind)
