"""Dataset formats that `open_dataset` reads."""

from motorium.core.catalog import Catalog

# Each row is a module with `recognise(root) -> bool` and `read(root) -> Contents`.
FORMATS = Catalog(
    "data format",
    [
        ("lerobot-v3.0", "motorium.data.formats.lerobot_v30:FORMAT"),
        ("lerobot-v2.1", "motorium.data.formats.lerobot_v21:FORMAT"),
    ],
)
