from motorium.core.catalog import Catalog

ROBOTS = Catalog(
    "robot",
    [
        ("go1", "motorium.robots.go1.model:make_go1"),
        ("ur5e", "motorium.robots.ur5e.model:make_ur5e"),
    ],
)
