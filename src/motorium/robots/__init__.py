from motorium.core.catalog import Catalog

ROBOTS = Catalog(
    "robot",
    [
        ("ur5e", "motorium.robots.ur5e.model:make_ur5e"),
    ],
)
