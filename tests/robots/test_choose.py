"""Choose: a robot that a task is not for is refused in words."""

import pytest

from motorium.core.errors import SimError
from motorium.tasks.make import make_env


@pytest.mark.parametrize(
    ("task", "robot", "kind"),
    [
        ("go1/velocity", "panda", "Legged"),
        ("panda/reach", "go1", "Arm"),
        ("viperx/transfer", "yam", "BimanualArm"),
        ("ur5e/pick-place", "go1", "Arm"),
    ],
)
def test_a_robot_of_another_kind_is_refused(task, robot, kind):
    with pytest.raises(SimError, match=f"robot '{robot}'") as caught:
        make_env(task, 1, threads=1, robot=robot)
    assert kind in str(caught.value)
