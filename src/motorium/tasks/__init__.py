from motorium.core.catalog import Catalog

TASKS = Catalog(
    "task",
    [
        ("cartpole/swing-up", "motorium.tasks.cartpole:SwingUp"),
        ("go1/velocity", "motorium.tasks.locomotion.velocity:Velocity"),
        ("ur5e/pick-place", "motorium.tasks.pick_place:PickPlace"),
    ],
)
