from motorium.core.catalog import Catalog

ROBOTS = Catalog(
    "robot",
    [
        ("g1", "motorium.robots.g1.model:make_g1"),
        ("go1", "motorium.robots.go1.model:make_go1"),
        ("go1-mjlab", "motorium.robots.go1.model:make_go1_mjlab"),
        ("panda", "motorium.robots.panda.model:make_panda"),
        ("ur5e", "motorium.robots.ur5e.model:make_ur5e"),
        ("viperx", "motorium.robots.viperx.model:make_viperx"),
        ("yam", "motorium.robots.yam.model:make_yam"),
    ],
)
