"""Cameras: pictures per CPU-second of the ray tracer against MuJoCo's OpenGL renderer, on a full-mesh UR5e.

Arms run in processes of their own, in turn, so that both meet the same machine. GL is left out where no
context can be had.

    python benchmarks/cameras.py
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
import warnings

REPETITIONS = 3
CPU_S = 1.5
SIZES = (128, 224)
ARMS = ("warp", "gl", "gl_default")


def make_scene():
    """Return (model, qpos): UR5e with a Robotiq 2F-85, visual meshes and all, above a floor."""
    import mujoco

    from motorium.sim.assets import model_path

    arm = mujoco.MjSpec.from_file(str(model_path("ur5e")))
    gripper = mujoco.MjSpec.from_file(str(model_path("robotiq_2f85")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arm.attach(gripper, site=arm.site("attachment_site"), prefix="gripper/")
        arm.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[2, 2, 0.1])
        arm.worldbody.add_light(pos=[0.5, -0.5, 2], dir=[0, 0.2, -1], castshadow=True)
        arm.worldbody.add_camera(name="front", pos=[1.6, -0.6, 0.9], xyaxes=[0.45, 0.9, 0, -0.5, 0.25, 0.9])
        for key in list(arm.keys):
            arm.delete(key)
        model = arm.compile()
    qpos = model.qpos0.copy()
    qpos[:6] = [-1.57, -1.57, 1.57, -1.57, -1.57, 0]
    return model, qpos


def measure(arm: str) -> dict[str, float]:
    """Return {size: pictures per CPU-second} of one arm in this process."""
    import numpy as np

    model, qpos = make_scene()
    rates = {}
    for size in SIZES:
        if arm == "gl_default":
            import mujoco

            data = mujoco.MjData(model)
            data.qpos[:] = qpos
            mujoco.mj_forward(model, data)
            renderer = mujoco.Renderer(model, size, size)

            def draw(renderer=renderer, data=data):
                renderer.update_scene(data, "front")
                renderer.render()
        else:
            from motorium.sim.cameras import Cameras

            cameras = Cameras(model, arm)

            def draw(cameras=cameras, size=size):
                cameras.render(np.asarray([qpos]), "front", size, size)

        draw()
        count, start = 0, time.process_time()
        while time.process_time() - start < CPU_S:
            draw()
            count += 1
        rates[str(size)] = count / (time.process_time() - start)
        if arm == "gl_default":
            renderer.close()
    return rates


def run() -> list[dict]:
    """Return one row an arm and size: median pictures per CPU-second, and the ratio of the tracer to it."""
    results: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
    for _ in range(REPETITIONS):
        for arm in ARMS:
            environment = {**os.environ, "MUJOCO_GL": "" if arm == "warp" else "egl", "LP_NUM_THREADS": "1"}
            done = subprocess.run(
                [sys.executable, __file__, arm], env=environment, capture_output=True, text=True, check=False
            )
            if done.returncode == 0:
                results[arm].append(json.loads(done.stdout.strip().splitlines()[-1]))
    rows = []
    for arm, repetitions in results.items():
        for size in SIZES if repetitions else ():
            rate = statistics.median(repetition[str(size)] for repetition in repetitions)
            ratios = [ours[str(size)] / theirs[str(size)] for ours, theirs in zip(results["warp"], repetitions)]
            rows.append(
                {
                    "arm": arm,
                    "size_px": size,
                    "pictures_per_cpu_s": round(rate, 1),
                    "tracer_ratio": round(statistics.median(ratios), 2),
                }
            )
    return rows


def main() -> None:
    """Print the rows."""
    for row in run():
        print(json.dumps(row))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1])))
    else:
        main()
