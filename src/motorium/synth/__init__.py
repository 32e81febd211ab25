"""Demonstration and amplification; the table of scripted experts."""

from motorium.core.catalog import Catalog

EXPERTS = Catalog(
    "expert",
    [
        ("pick-place", "motorium.synth.expert_pick_place:make_expert"),
    ],
)
