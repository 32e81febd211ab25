from motorium.core.catalog import Catalog

TASKS = Catalog(
    "task",
    [
        ("ur5e/pick-place", "motorium.tasks.pick_place:PickPlace"),
    ],
)
