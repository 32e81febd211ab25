"""How far the training model of a robot is from its full one: the same starts and commands for 0.5 s on both.

`python -m tests.robots.differences` prints the tables of `docs/robots.md`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import mujoco
import numpy as np
from mujoco.batch import Batch

from motorium.robots import ROBOTS
from motorium.robots.arm import Arm
from motorium.robots.bimanual import BimanualArm
from motorium.sim import scene
from motorium.sim.control.ik import DifferentialIK
from motorium.sim.ground import add_ground
from motorium.sim.kinematics import Chain
from motorium.sim.scene import without_looks
from motorium.tasks.terms.observation import polynomial

LEGGED, ARMS = ("go1", "g1"), ("panda", "ur5e", "yam", "viperx")
CONTROL_HZ, STEPS, SEED = 50, 25, 31_000
ARM_TIMESTEP_S, LEG_TIMESTEP_S = 0.004, 0.004
TIMESTEPS_MS = (2, 4, 5, 10)
CUBE_KG = 0.05


@dataclass(frozen=True)
class Difference:
    """Differences after the last step: joints (rad, each world's largest), and end effector or base (m), (n,)."""

    joints_rad: np.ndarray
    point_m: np.ndarray

    def row(self) -> str:
        """Return mean and 95th percentile in milliradians and millimetres."""
        shown = [_short(1e3 * f(v)) for v in (self.joints_rad, self.point_m) for f in (np.mean, _p95)]
        return " | ".join(f"{mean} / {p95}" for mean, p95 in (shown[:2], shown[2:]))


def _short(value: float) -> str:
    """Return two figures: nothing under a thousandth, no exponents."""
    return f"{value:.0f}" if value >= 10 or value < 1e-3 else f"{value:.2g}"


def _p95(values: np.ndarray) -> float:
    return float(np.percentile(values, 95))


@dataclass(frozen=True)
class Run:
    """A model, start positions (n, nq), controls (n, steps, nu), and what to compare."""

    model: mujoco.MjModel
    qpos: np.ndarray
    ctrl: np.ndarray
    joints: np.ndarray
    points: tuple[str, ...]

    def until(self, steps: int) -> Run:
        """Return the first `steps` control steps of the run."""
        return replace(self, ctrl=self.ctrl[:, :steps])

    def play(self) -> tuple[np.ndarray, np.ndarray, float]:
        """Return joints (n, j) rad, points (n, p, 3) m at the end, and physics steps in a CPU second."""
        substeps = round(1 / CONTROL_HZ / self.model.opt.timestep)
        batch = Batch(self.model, len(self.qpos), 1)
        batch.bind("qpos")[:] = self.qpos
        controls, places = batch.bind("ctrl"), batch.bind("site_xpos")
        started = time.process_time()
        for step in range(self.ctrl.shape[1]):
            controls[:] = self.ctrl[:, step]
            batch.step(None, nstep=substeps)
        spent = time.process_time() - started
        assert not batch.warning[:, :, 1].any()
        batch.forward(None)
        sites = [self.model.site(name).id for name in self.points]
        where = places[:, sites] if sites else batch.bind("qpos")[:, None, :3]
        rate = len(self.qpos) * self.ctrl.shape[1] * substeps / spent
        return batch.bind("qpos")[:, self.joints].copy(), np.array(where), rate


def compare(training: Run, full: Run) -> Difference:
    """Return how far two runs are apart at their end."""
    (q0, p0, _), (q1, p1, _) = training.play(), full.play()
    return Difference(np.abs(q0 - q1).max(axis=1), np.sqrt(((p0 - p1) ** 2).sum(axis=2)).max(axis=1))


def speed_ratio(training: Run, full: Run, repeats: int = 5) -> float:
    """Return the median ratio of physics steps in a CPU second, side by side."""
    return float(np.median([training.play()[2] / full.play()[2] for _ in range(repeats)]))


def pair(name: str, use: str, worlds: int) -> tuple[Run, Run]:
    """Return the runs of the training and of the full model of `name` in `use`: `free` or `contact`."""
    make = legged_run if name in LEGGED else arm_run
    return make(name, "training", use, worlds), make(name, "full", use, worlds)


def gripper_opening(name: str, run: Run) -> np.ndarray:
    """Return how far the first arm's fingers are apart at the end of a run: (n,) m."""
    robot = ROBOTS.load(name)("training")
    gripper = (robot.left if isinstance(robot, BimanualArm) else robot).gripper
    finger = np.array([run.model.joint(gripper.joint).qposadr[0]])
    return polynomial(replace(run, joints=finger).play()[0][:, 0], gripper.opening_m)


# Legged: hanging without gravity, or standing and walking on the ground.


def legged_run(name: str, detail: str, use: str, worlds: int, timestep_s: float = LEG_TIMESTEP_S) -> Run:
    robot = ROBOTS.load(name)(detail)
    robot.spec.option.timestep = timestep_s
    robot.spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    if use == "free":
        robot.spec.option.gravity = [0.0, 0.0, 0.0]
    else:
        add_ground(robot.spec, robot.base)
    model = without_looks(robot.spec).compile()
    joints = np.array([model.joint(joint).qposadr[0] for joint in robot.joints])
    rng = np.random.default_rng(SEED)
    qpos = np.zeros((worlds, model.nq))
    qpos[:, 2], qpos[:, 3] = robot.height_m + 0.01, 1.0
    qpos[:, joints] = np.array(robot.home_rad) + rng.uniform(-0.1, 0.1, (worlds, len(joints)))
    targets = np.array(robot.home_rad) + walking(robot, worlds, rng)
    ctrl = np.zeros((worlds, STEPS, model.nu))
    ctrl[:, :, [model.actuator(actuator).id for actuator in robot.actuators]] = targets
    return Run(model, qpos, ctrl, joints, ())


def walking(robot, worlds: int, rng: np.random.Generator) -> np.ndarray:
    """Return joint offsets (n, steps, j) like those of walks of any size, standing among them, and direction."""
    size, front = rng.uniform(0.0, 0.3, (worlds, 1)), rng.choice([-1.0, 1.0], (worlds, 1))
    cycle = robot.gait_hz * np.arange(STEPS) / CONTROL_HZ + rng.uniform(0, 1, (worlds, 1))
    offsets = rng.uniform(-0.1, 0.1, (worlds, STEPS, len(robot.joints)))
    parts = {"thigh": (1.0, 0.6), "calf": (-2.0, 0.0), "hip_pitch": (-1.2, 0.4), "knee": (2.0, 0.0)}
    for i, joint in enumerate(robot.joints):
        foot = next((f for f, name in enumerate(robot.feet) if joint.startswith(name.removesuffix("foot"))), None)
        lift, swing = next((gain for part, gain in parts.items() if part in joint), (0.0, 0.0))
        if foot is not None:
            angle = 2 * np.pi * (cycle + robot.phases[foot])
            offsets[:, :, i] += size * (lift * np.maximum(np.sin(angle), 0) + front * swing * np.cos(angle))
    return offsets


# Arms: moving in the air, or reaching down to a cube on a table and closing the gripper on it.


def arm_run(name: str, detail: str, use: str, worlds: int) -> Run:
    robot = ROBOTS.load(name)(detail)
    arms = robot.arms if isinstance(robot, BimanualArm) else (robot,)
    if use == "contact":
        scene.set_table(robot.spec, scene.Physics(timestep_s=ARM_TIMESTEP_S), detail)
        scene.add_cube(robot.spec, "cube", 0.02, CUBE_KG)
    robot.spec.option.timestep = ARM_TIMESTEP_S
    robot.spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    model = without_looks(robot.spec).compile()
    rng = np.random.default_rng(SEED)
    qpos, ctrl = np.tile(model.qpos0, (worlds, 1)), np.zeros((worlds, STEPS, model.nu))
    for arm in arms:
        q = [model.joint(n).qposadr[0] for n in arm.joints]
        drivers = [model.actuator(n).id for n in arm.actuators]
        qpos[:, q], ctrl[:, :, drivers] = arm.home_rad, arm.home_rad
        _open(model, arm, qpos, ctrl)
        if use == "free":
            qpos[:, q] += rng.uniform(-0.2, 0.2, (worlds, len(q)))
            ctrl[:, :, drivers] += np.repeat(rng.uniform(-0.2, 0.2, (worlds, 5, len(q))), 5, axis=1)
            grip = rng.uniform(0, 1, (worlds, 1))
            ctrl[:, :, model.actuator(arm.gripper.actuator).id] += grip * _closing(arm)
        elif arm is arms[0]:
            _press(model, arm, (qpos, ctrl), (q, drivers), rng)
    joints = np.array([model.joint(n).qposadr[0] for arm in arms for n in arm.joints])
    return Run(model, qpos, ctrl, joints, tuple(arm.eef_site for arm in arms))


def _closing(arm: Arm) -> float:
    return arm.gripper.closed_ctrl - arm.gripper.open_ctrl


def _open(model, arm: Arm, qpos, ctrl) -> None:
    ctrl[:, :, model.actuator(arm.gripper.actuator).id] = arm.gripper.open_ctrl
    fingers = {"left_finger": 1.0, "right_finger": -1.0}
    prefix = arm.gripper.joint.removesuffix("left_finger")
    for finger, sign in fingers.items():
        if prefix + finger in [model.joint(i).name for i in range(model.njnt)]:
            qpos[:, model.joint(prefix + finger).qposadr[0]] = sign * arm.gripper.open_ctrl


def _press(model, arm: Arm, arrays, indices, rng) -> None:
    """Put the cube before the arm, the open fingers over it, and let them close on it and on the table."""
    (qpos, ctrl), (q, drivers) = arrays, indices
    chain, worlds = Chain(model, arm.joints, arm.eef_site), len(qpos)
    ik = DifferentialIK(chain=chain, posture_rad=np.array(arm.home_rad))
    home = chain.reach(np.array([arm.home_rad])).X_WE[0]
    pose = np.tile(home, (worlds, 1))
    # The fingers point down wherever the arm's home has them.
    pose[:, 3:] = [0.0, 1.0, 0.0, 0.0]
    pose[:, 1] = 0.0
    cube = model.joint("cube").qposadr[0]
    qpos[:, cube : cube + 2] = pose[:, :2] + rng.uniform(-0.01, 0.01, (worlds, 2))
    qpos[:, cube + 2] = 0.02
    yaw = rng.uniform(-0.4, 0.4, worlds)
    qpos[:, cube + 3], qpos[:, cube + 6] = np.cos(yaw / 2), np.sin(yaw / 2)
    above, around = (
        ik.solve(np.tile(arm.home_rad, (worlds, 1)), np.concatenate([pose[:, :2], height, pose[:, 3:]], axis=1), 60)
        for height in np.array([0.04, 0.015])[:, None, None] * np.ones((worlds, 1))
    )
    qpos[:, q] = above
    part = np.clip(np.arange(1, STEPS + 1) / 8, 0, 1)[None, :, None]
    ctrl[:, :, drivers] = above[:, None] + part * (around - above)[:, None]
    closing = np.clip((np.arange(STEPS) - 8) / 8, 0, 1)
    ctrl[:, :, model.actuator(arm.gripper.actuator).id] += closing * _closing(arm)


def main() -> None:
    """Print the tables."""
    print("| robot | use | joints, mrad | base or end effector, mm | steps per CPU second, training / full |")
    print("|---|---|---|---|---|")
    for name in (*LEGGED, *ARMS):
        for use in ("free", "contact"):
            training, full = pair(name, use, 64)
            print(
                f"| {name} | {use} | {compare(training, full).row()} | {speed_ratio(training, full):.2f} |", flush=True
            )
    print("\n| robot | physics step, ms | joints, mrad | base, mm | simulated time per CPU second, of that at 4 ms |")
    print("|---|---|---|---|---|")
    for name in LEGGED:
        runs = {step: legged_run(name, "training", "contact", 64, 1e-3 * step) for step in (0.5, *TIMESTEPS_MS)}
        fine = runs[0.5].until(10)
        for step in TIMESTEPS_MS:
            speed = speed_ratio(runs[step], runs[4]) * step / 4
            print(f"| {name} | {step} | {compare(runs[step].until(10), fine).row()} | {speed:.2f} |", flush=True)


if __name__ == "__main__":
    main()
