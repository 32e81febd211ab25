"""Checks of recorded episodes, a file each, and the policy that turns what they find into decisions."""

from motorium.core.catalog import Catalog

CHECKS = Catalog(
    "check",
    [
        ("finite", "motorium.data.curate.finite:CHECK"),
        ("dead", "motorium.data.curate.dead:CHECK"),
        ("idle", "motorium.data.curate.idle:CHECK"),
        ("lag", "motorium.data.curate.lag:CHECK"),
        ("tremor", "motorium.data.curate.tremor:CHECK"),
        ("jump", "motorium.data.curate.jump:CHECK"),
        ("timing", "motorium.data.curate.timing:CHECK"),
        ("length", "motorium.data.curate.length:CHECK"),
        ("camera", "motorium.data.curate.camera:CHECK"),
        ("outcome", "motorium.data.curate.outcome:CHECK"),
    ],
)
