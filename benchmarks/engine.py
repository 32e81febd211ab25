"""Engine: physics steps per CPU-second of the batched engine and of a whole task, against a bare C-level rollout.

Three arms run in turn in one process, on identical trajectories (their last states are compared bitwise):
`bare`, one `Batch.rollout(record=())` call for all steps from prepared states; `engine`, a reset and a
`step` a control period; `task`, `env.reset` and `env.step` with inverse kinematics, observations, rewards and
conditions. With `--envpool-python`, EnvPool runs HalfCheetah beside the engine on EnvPool's own model, in turn, in a
process of its own. With `--warp-rounds`, MuJoCo Warp runs a walking robot: on the CPU beside the engine, in turn, from
the same starts with the same controls, and on a GPU, where there is one, at 4096 worlds, the engine alone and the
whole task; random actions, worlds that end reset by mask.

    python benchmarks/engine.py [--task ur5e/pick-place] [--envpool-python PATH] [--rounds 15]
                                [--warp-task go1/velocity] [--warp-rounds 3]

`--envpool-python` is an interpreter that has `envpool` installed; without it that part is left out, and said so.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

BATCHES, THREADS, CONTROL_STEPS_A_ROUND = (64, 256), (1, 2), 2048
WARP_BATCH, WARP_STEPS, GPU_BATCH, GPU_STEPS = 256, 20, 4096, 200
CHEETAH_BATCH, CHEETAH_SUBSTEPS, CHEETAH_STEPS = 256, 5, 40


@dataclass(frozen=True)
class Replay:
    """What one round of a task did: start states (B, n), controls (T, B, nu) at the ends of periods, last states."""

    seeds: np.ndarray
    actions: np.ndarray
    start: np.ndarray
    controls: np.ndarray
    end: np.ndarray
    substeps: int


def record(env: Any, steps: int) -> Replay:
    """Run random actions once, untimed."""
    rng = np.random.default_rng(0)
    low, high = env.info.action_low, env.info.action_high
    seeds = np.arange(env.num_envs)
    actions = rng.uniform(low, high, (steps, env.num_envs, len(low))).astype(np.float32)
    engine = env._engine
    env.reset(seeds)
    start, controls = engine.snapshot(), []
    for action in actions:
        assert not env.step(action).ended.any(), "a world ended: its trajectories would not be comparable"
        controls.append(engine.ctrl.copy())
    return Replay(seeds, actions, start, np.array(controls), engine.snapshot(), env._substeps)


def run_bare(batch: Any, replay: Replay) -> np.ndarray:
    """One C-level call; only that is timed by the caller."""
    batch.rollout(batch.path.shape[1], control=batch.path, record=())
    return batch.state


def make_bare(env: Any, replay: Replay, threads: int) -> Any:
    """Return a batch with the whole control path, substep by substep, as `Engine.step` interpolates it."""
    from mujoco.batch import Batch

    batch = Batch(env._engine.model, env.num_envs, threads)
    part = np.arange(1, replay.substeps + 1) / replay.substeps
    batch.state[:] = replay.start
    now, path = batch.bind("ctrl").copy(), []
    for goal in replay.controls:
        ramp = now[:, None] + (goal - now)[:, None] * part[:, None]
        ramp[:, -1] = goal
        path.append(ramp)
        now = goal
    batch.path = np.ascontiguousarray(np.concatenate(path, axis=1))
    return batch


def run_engine(engine: Any, replay: Replay) -> np.ndarray:
    """Reset, write the start and step period by period."""
    engine.reset()
    engine.restore(replay.start)
    for goal in replay.controls:
        engine.step(None, replay.substeps, goal)
    return engine.state


def run_task(env: Any, replay: Replay) -> np.ndarray:
    """Reset and step the whole environment."""
    env.reset(replay.seeds)
    for action in replay.actions:
        env.step(action)
    return env._engine.state


def compare(task: str, num_envs: int, threads: int, rounds: int) -> dict[str, Any]:
    """Return rates and the paired ratios of one batch size and thread count."""
    from motorium.sim.engine import Engine
    from motorium.tasks.make import make_env

    env = make_env(task, num_envs, threads=threads)
    replay = record(env, CONTROL_STEPS_A_ROUND // num_envs)
    batch, engine = make_bare(env, replay, threads), Engine(env._engine.model, num_envs, threads)
    arms = {
        "bare": lambda: run_bare(batch, replay),
        "engine": lambda: run_engine(engine, replay),
        "task": lambda: run_task(env, replay),
    }
    cpu, wall = {name: [] for name in arms}, {name: [] for name in arms}
    for _ in range(rounds):
        for name, arm in arms.items():
            batch.state[:] = replay.start
            cpu_start, wall_start = time.process_time(), time.perf_counter()
            state = arm()
            cpu[name].append(time.process_time() - cpu_start)
            wall[name].append(time.perf_counter() - wall_start)
            assert (state == replay.end).all(), f"{name} left the trajectory"
    steps = len(replay.controls) * num_envs
    return {
        "num_envs": num_envs,
        "threads": threads,
        "physics_steps_per_cpu_s": {k: round(steps * replay.substeps / statistics.median(v)) for k, v in cpu.items()},
        "control_steps_per_s": {k: round(steps / statistics.median(v)) for k, v in wall.items()},
        "engine_over_bare_per_cpu_s": paired(cpu["bare"], cpu["engine"]),
        "task_over_bare_per_cpu_s": paired(cpu["bare"], cpu["task"]),
    }


def paired(bare: list[float], other: list[float]) -> float:
    """Return the median over rounds of the ratio of rates within a round."""
    return round(statistics.median(a / b for a, b in zip(bare, other)), 3)


ENVPOOL = f"""
import json, os, sys, time
import numpy as np
import envpool
env = envpool.make("HalfCheetah-v4", env_type="gymnasium", num_envs={CHEETAH_BATCH}, num_threads=1)
actions = np.random.default_rng(0).uniform(-1, 1, ({CHEETAH_STEPS}, {CHEETAH_BATCH}, 6)).astype(np.float64)
root = os.path.dirname(os.path.dirname(envpool.__file__))
found = [os.path.join(d, f) for d, _, fs in os.walk(root) for f in fs if f == "half_cheetah.xml" and "envpool" in d]
print(json.dumps({{"model": sorted(found)[0], "version": envpool.__version__}}), flush=True)
for line in sys.stdin:
    cpu = time.process_time()
    env.reset()
    for action in actions:
        env.step(action)
    print(json.dumps({{"cpu_s": time.process_time() - cpu}}), flush=True)
"""


def run_cheetah(engine: Any, actions: np.ndarray, rng: np.random.Generator) -> None:
    """HalfCheetah-v4 on the engine: reset with noise, control cost and forward reward, observation."""
    size = engine.num_envs
    engine.reset()
    engine.qpos[:] += rng.uniform(-0.1, 0.1, engine.qpos.shape)
    engine.qvel[:] = 0.1 * rng.standard_normal(engine.qvel.shape)
    period = CHEETAH_SUBSTEPS * engine.model.opt.timestep
    for action in actions:
        before = engine.qpos[:, 0].copy()
        engine.ctrl[:] = action
        engine.step(None, CHEETAH_SUBSTEPS)
        forward = (engine.qpos[:, 0] - before) / period
        _reward = forward - 0.1 * (action * action).sum(axis=1)
        _observation = np.concatenate([engine.qpos[:, 1:], engine.qvel], axis=1)
    assert np.isfinite(_reward).all() and _observation.shape == (size, 17)


def against_envpool(python: str | None, rounds: int) -> dict[str, Any]:
    """Return HalfCheetah steps per CPU-second of the engine and of EnvPool, one thread each, in turn."""
    if python is None:
        return {"absent": "no --envpool-python given"}
    import mujoco

    from motorium.sim.engine import Engine

    peer = subprocess.Popen([python, "-c", ENVPOOL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    first = peer.stdout.readline()
    if not first:
        return {"absent": "envpool did not start under that interpreter"}
    told = json.loads(first)
    engine = Engine(mujoco.MjModel.from_xml_path(told["model"]), CHEETAH_BATCH, threads=1)
    rng = np.random.default_rng(0)
    actions = rng.uniform(-1, 1, (CHEETAH_STEPS, CHEETAH_BATCH, 6))
    ours, theirs = [], []
    for _ in range(rounds):
        start = time.process_time()
        run_cheetah(engine, actions, rng)
        ours.append(time.process_time() - start)
        print("go", file=peer.stdin, flush=True)
        theirs.append(json.loads(peer.stdout.readline())["cpu_s"])
    peer.stdin.close()
    peer.wait()
    steps = CHEETAH_BATCH * CHEETAH_STEPS
    return {
        "model": "HalfCheetah",
        "envpool": told["version"],
        "engine_steps_per_cpu_s": round(steps / statistics.median(ours)),
        "envpool_steps_per_cpu_s": round(steps / statistics.median(theirs)),
        "engine_over_envpool": paired(theirs, ours),
    }


def against_warp(task: str, rounds: int) -> dict[str, Any]:
    """Return physics steps per CPU-second of MuJoCo Warp on the CPU and of the engine, one thread each, in turn."""
    if rounds < 1:
        return {"absent": "no --warp-rounds given"}
    import torch

    from motorium.sim.engine_warp import WarpEngine
    from motorium.tasks.make import make_env

    env = make_env(task, WARP_BATCH, threads=1)
    env.reset(np.arange(WARP_BATCH))
    engine, substeps = env._physics, env._substeps
    # Without fields of its own: both step one and the same model.
    warp = WarpEngine(engine.model, WARP_BATCH, device="cpu")
    rng, start = np.random.default_rng(0), engine.snapshot()
    goals = engine.ctrl + 0.2 * rng.uniform(-1, 1, (WARP_STEPS, *engine.ctrl.shape))
    tensors = torch.as_tensor(goals, dtype=torch.float32)
    ours, theirs = [], []
    for lap in range(rounds + 1):
        engine.restore(start)
        warp.restore(torch.as_tensor(start))
        for made, times, path in ((engine, ours, goals), (warp, theirs, tensors)):
            begun = time.process_time()
            for goal in path:
                made.step(None, substeps, goal)
            # The first lap compiles and records.
            if lap:
                times.append(time.process_time() - begun)
    steps = WARP_BATCH * WARP_STEPS * substeps
    return {
        "task": task,
        "num_envs": WARP_BATCH,
        "engine_steps_per_cpu_s": round(steps / statistics.median(ours)),
        "warp_cpu_steps_per_cpu_s": round(steps / statistics.median(theirs)),
        "warp_cpu_over_engine": paired(ours, theirs),
    }


def on_gpu(task: str, rounds: int) -> dict[str, Any]:
    """Return steps a second of wall time at `GPU_BATCH` worlds on a GPU: the engine's, and the whole task's."""
    import torch

    if rounds < 1 or not torch.cuda.is_available():
        return {"absent": "no --warp-rounds given" if rounds < 1 else "no GPU that torch can use"}
    from motorium.tasks.make import make_env

    env = make_env(task, GPU_BATCH, engine="warp")
    if env.device.type != "cuda":
        return {"absent": "no GPU that MuJoCo Warp can use"}
    physics, substeps, seeds = env._physics, env._substeps, torch.arange(GPU_BATCH, device=env.device)
    size = (GPU_BATCH, env.info.action.size)

    def physics_alone() -> None:
        physics.step(None, substeps)

    def whole_task() -> None:
        step = env.step(2.0 * torch.rand(size, device=env.device) - 1.0)
        if step.ended.any():
            env.reset(seeds, step.ended)

    rates: dict[str, list[float]] = {"physics": [], "task": []}
    for lap in range(rounds + 1):
        for name, call in (("physics", physics_alone), ("task", whole_task)):
            env.reset(seeds)
            torch.cuda.synchronize()
            begun = time.perf_counter()
            for _ in range(GPU_STEPS):
                call()
            torch.cuda.synchronize()
            if lap:
                rates[name].append(GPU_BATCH * GPU_STEPS / (time.perf_counter() - begun))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    return {
        "task": task,
        "gpu": torch.cuda.get_device_name(env.device),
        "num_envs": GPU_BATCH,
        "played_back": {name: graph is not False for name, graph in physics._graphs.items()},
        "physics_steps_per_s": round(medians["physics"] * substeps),
        "control_steps_per_s": {name: round(value) for name, value in medians.items()},
        "spread": {name: [round(min(values)), round(max(values))] for name, values in rates.items()},
    }


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--task", default="ur5e/pick-place")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--envpool-python", default=None)
    parser.add_argument("--warp-task", default="go1/velocity")
    parser.add_argument("--warp-rounds", type=int, default=0)
    arguments = parser.parse_args()
    rows = [compare(arguments.task, b, t, arguments.rounds) for b in BATCHES for t in THREADS]
    report = {
        "task": arguments.task,
        "rows": rows,
        "envpool": against_envpool(arguments.envpool_python, arguments.rounds),
        "warp_cpu": against_warp(arguments.warp_task, arguments.warp_rounds),
        "warp_gpu": on_gpu(arguments.warp_task, arguments.warp_rounds),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
