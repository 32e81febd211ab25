"""The velocity tasks for the Unitree G1: those of `locomotion.velocity` and `locomotion.rough`, with a biped's numbers.

Source: as there; the ranges of commands after the G1's in K. Zakka et al., MuJoCo Playground, arXiv:2502.08844, and
mjlab 1.6.0. What differs: torques weigh -2e-5, as a humanoid's are ten times a small quadruped's squared; sideways and
backwards it walks slower; mass added to the pelvis is more; a command reaches 2.5 times as far, as mjlab's do not end
at 1 and a swinging knee bends by more than `scale_rad`.
"""

from __future__ import annotations

from pydantic import Field

from motorium.tasks.locomotion.rough import Rough, RoughSpec
from motorium.tasks.locomotion.velocity import Velocity, VelocitySpec
from motorium.tasks.ranges import Range

WEIGHTS = {**Velocity.weights, "torque": -2e-5}


class G1VelocitySpec(VelocitySpec):
    """Options of the task `g1/velocity`."""

    robot: str = Field("g1", description="legged robot of the catalog, or module:attribute of a function making one")
    reach: float = Field(2.5, gt=0, description="factor on what a command of 1 adds to a joint's position")
    command_x_m_s: Range = Field((-0.5, 1.0), description="commanded speed to the front")
    command_y_m_s: Range = Field((-0.3, 0.3), description="commanded speed to the left")
    added_mass_kg: Range = Field((-1.0, 3.0), description="on the base")


class G1Velocity(Velocity):
    """Velocity tracking with the G1; the module's text has the conditions."""

    Spec = G1VelocitySpec
    weights = WEIGHTS


class G1RoughSpec(RoughSpec):
    """Options of the task `g1/velocity-rough`."""

    robot: str = Field("g1", description="legged robot of the catalog, or module:attribute of a function making one")
    reach: float = Field(2.5, gt=0, description="factor on what a command of 1 adds to a joint's position")
    command_x_m_s: Range = Field((-0.5, 1.0), description="commanded speed to the front")
    command_y_m_s: Range = Field((-0.3, 0.3), description="commanded speed to the left")
    added_mass_kg: Range = Field((-1.0, 3.0), description="on the base")


class G1Rough(Rough):
    """Velocity tracking on terrain with the G1; the module's text has the conditions."""

    Spec = G1RoughSpec
    weights = WEIGHTS
