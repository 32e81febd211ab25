"""Executors: how a stage's shards are run."""

from motorium.core.catalog import Catalog

EXECUTORS = Catalog(
    "executor",
    [
        ("inline", "motorium.flow.executors.inline:Inline"),
        ("processes", "motorium.flow.executors.pool:Processes"),
    ],
)
