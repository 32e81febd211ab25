from motorium.core.catalog import Catalog

TASKS = Catalog(
    "task",
    [
        ("cartpole/swing-up", "motorium.tasks.cartpole:SwingUp"),
        ("cheetah/run", "motorium.tasks.cheetah:Run"),
        ("panda/lift", "motorium.tasks.manipulation.lift:Lift"),
        ("panda/peg-insertion", "motorium.tasks.manipulation.peg:PegInsertion"),
        ("panda/push", "motorium.tasks.manipulation.push:Push"),
        ("panda/reach", "motorium.tasks.manipulation.reach:Reach"),
        ("reacher/reach", "motorium.tasks.reacher:Reach"),
        ("g1/stand-up", "motorium.tasks.locomotion.stand_up:G1StandUp"),
        ("g1/tracking", "motorium.tasks.locomotion.tracking:Tracking"),
        ("g1/velocity", "motorium.tasks.locomotion.g1:G1Velocity"),
        ("g1/velocity-rough", "motorium.tasks.locomotion.g1:G1Rough"),
        ("go1/stand-up", "motorium.tasks.locomotion.stand_up:StandUp"),
        ("go1/velocity", "motorium.tasks.locomotion.velocity:Velocity"),
        ("go1/velocity-rough", "motorium.tasks.locomotion.rough:Rough"),
        ("viperx/transfer", "motorium.tasks.manipulation.transfer:Transfer"),
        ("ur5e/pick-place", "motorium.tasks.pick_place:PickPlace"),
    ],
)
