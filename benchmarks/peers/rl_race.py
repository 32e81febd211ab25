"""Racing learners: how long one of them takes until its mean policy has a given return; one JSON line as answer.

    python rl_race.py RACE        # RACE: the fields of `Race` as JSON

Every arm has the same task, options and cores, and the same clock: wall time and CPU time of the process and of the
processes it started, from the first step of learning on. Libraries are loaded, worlds and learner made before that. The
clock stands while the policy is judged: the mean action in `episodes` worlds, a seed each, whenever a tenth more time
has gone by.

Arms: `motorium`; `sb3`, Stable-Baselines3's PPO with its defaults in its DummyVecEnv of 8 single worlds; `sb3-batch`,
the same in our batch of `num_envs` worlds, a round being as many samples as with 8; `rsl_rl-async`, rsl_rl's PPO with
`motorium`'s network, settings (mirror and scale of rewards among them) and samples a round, in Gymnasium's
AsyncVectorEnv of `workers` single worlds. Single worlds are `motorium.gym`'s: batches of one, each with the cost of
NumPy's calls for a batch; worlds written for one would be faster.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

STATE, SB3_WORLDS, SB3_STEPS = "observation.state", 8, 2048


@dataclass(frozen=True, kw_only=True)
class Race:
    """What is raced for.

    Attributes:
        arm: name of a row of `ARMS`.
        task, options: of the worlds of training.
        judged_with: fields of the task that differ in the worlds of judging.
        spec: fields of `RlSpec`, for `motorium` and `rsl_rl-async`.
        seed: of the learner.
        level: mean return at which the race is won.
        cap_s: wall time after which it is lost.
        first_look_s: wall time of the first look at the policy.
        first_seed, episodes: seeds of judging.
        workers: processes of AsyncVectorEnv.
        torch_threads: of the peers; `motorium` has its spec's, one where that says nothing.
    """

    arm: str
    task: str
    options: dict[str, Any]
    judged_with: dict[str, Any]
    spec: dict[str, Any]
    seed: int
    level: float
    cap_s: float
    first_look_s: float = 5.0
    first_seed: int = 20_000
    episodes: int = 64
    workers: int = 16
    torch_threads: int = 1


class Judge:
    """The clock, and looks at the mean policy."""

    def __init__(self, race: Race) -> None:
        from motorium.tasks.make import make_env

        self.race, self.env = race, make_env(race.task, race.episodes, **{**race.options, **race.judged_with})
        self.wall_s = self.cpu_s = 0.0
        self.next_s, self.reached, self.looks = race.first_look_s, False, []
        self.seen, self._since = -1, (0.0, 0.0)

    def start(self) -> None:
        """Let the clock run."""
        self._since = time.perf_counter(), cpu_s()

    def stop(self) -> None:
        """Let it stand."""
        now = time.perf_counter(), cpu_s()
        self.wall_s, self.cpu_s = self.wall_s + now[0] - self._since[0], self.cpu_s + now[1] - self._since[1]
        self._since = now

    def late(self) -> bool:
        """Return whether the time is up."""
        return self.wall_s + time.perf_counter() - self._since[0] >= self.race.cap_s

    def look(self, samples: int, policy: Callable[[], Any]) -> bool:
        """Judge `policy()`, if it is time, after `samples` of training; return whether the race is over."""
        from motorium.evaluate.rollout import rollout

        self.stop()
        over = self.wall_s >= self.race.cap_s
        if (over or self.wall_s >= self.next_s) and samples != self.seen:
            seeds = range(self.race.first_seed, self.race.first_seed + self.race.episodes)
            value = float(rollout(self.env, policy(), seeds).returns.mean())
            # What is reached after the cap is not reached.
            self.reached = value >= self.race.level and not over
            self.looks.append({"wall_s": self.wall_s, "samples": samples, "return": value})
            self.next_s, self.seen = 1.1 * self.wall_s, samples
        self.start()
        return over or self.reached

    def result(self) -> dict[str, Any]:
        """Return what the race came to, at its last look."""
        last = self.looks[-1]
        best = max(look["return"] for look in self.looks)
        return {
            "reached": self.reached,
            "wall_s": last["wall_s"],
            "cpu_s": self.cpu_s,
            "samples": last["samples"],
            "return": last["return"],
            "best_return": best,
            "samples_per_s": last["samples"] / last["wall_s"],
            "looks": self.looks,
        }


def cpu_s() -> float:
    """Return the CPU-seconds of this process and of those it started."""
    tick, spent = os.sysconf("SC_CLK_TCK"), time.process_time()
    for child in multiprocessing.active_children():
        # The name may hold spaces; after its bracket, user and system time are fields 12 and 13 (proc(5)).
        fields = Path(f"/proc/{child.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        spent += (int(fields[11]) + int(fields[12])) / tick
    return spent


def motorium(race: Race) -> dict[str, Any]:
    """Our training run, round by round."""
    from motorium.learn.rl.learner import contained
    from motorium.learn.rl.ppo import _Run
    from motorium.learn.rl.spec import RlSpec
    from motorium.learn.settings import torch_settings
    from motorium.tasks.make import make_env

    spec = RlSpec.parse(race.spec)
    env, judge, done = make_env(race.task, spec.num_envs, **race.options), Judge(race), 0
    with torch_settings(spec.threads, spec.precision), contained():
        run = _Run(env, spec, race.seed, {}, None)
        policy = partial(mean_policy, run.learner.actor, run.collector, spec, run.keys)
        judge.start()
        while not done or not judge.look(done * spec.samples_a_round, policy):
            done += 1
            run._round(done)
    return judge.result()


def rsl_rl_async(race: Race) -> dict[str, Any]:
    """The loop of rsl_rl's runner, without its log, in AsyncVectorEnv."""
    import torch

    from motorium.learn.rl.learner import make_learner
    from motorium.learn.rl.ppo import VALUE_OF_A_SECOND, choose
    from motorium.learn.rl.spec import RlSpec

    spec = RlSpec.parse(race.spec)
    worlds, judge = AsyncWorlds(race), Judge(race)
    info = worlds.env.info
    keys, critic = choose(info, spec.actor_inputs, "actor_inputs"), choose(info, spec.critic_inputs, "critic_inputs")
    ending = max(1.0 - spec.gamma, 1.0 / info.max_steps)
    worlds.scale = spec.reward_scale or VALUE_OF_A_SECOND * ending * info.control_hz
    # Fewer worlds take more steps: the optimiser gets batches of the same size.
    steps = max(1, spec.samples_a_round // race.workers)
    torch.manual_seed(race.seed)
    done = 0
    learner = make_learner(worlds, spec.model_copy(update={"steps": steps}), keys, critic)
    policy = partial(mean_policy, learner.actor, worlds, spec, keys)
    judge.start()
    while not done or not judge.look(done * steps * race.workers, policy):
        with torch.no_grad():
            for _ in range(steps):
                learner.process_env_step(*worlds.step(learner.act(worlds.observation)))
            learner.compute_returns(worlds.observation)
        learner.update()
        done += 1
    result = judge.result()
    worlds.close()
    return result


class AsyncWorlds:
    """rsl_rl's `VecEnv` around Gymnasium's AsyncVectorEnv of single worlds, a process each."""

    def __init__(self, race: Race) -> None:
        import torch
        from gymnasium.vector import AsyncVectorEnv, AutoresetMode

        from motorium.gym.single import TaskEnv
        from motorium.tasks.make import make_env

        single = partial(TaskEnv, race.task, observations="all", threads=1, **race.options)
        self._worlds = AsyncVectorEnv([single] * race.workers, autoreset_mode=AutoresetMode.SAME_STEP)
        info = make_env(race.task, 1, threads=1, **race.options).info
        self.env, self.keys = (
            SimpleNamespace(info=info),
            tuple(k for k, f in info.observation.items() if len(f.shape) == 1),
        )
        self.num_envs, self.num_actions, self.device, self.scale = (
            race.workers,
            info.action.size,
            torch.device("cpu"),
            1.0,
        )
        self.half = ((info.action_high - info.action_low) / 2).astype(np.float32)
        self.middle = ((info.action_high + info.action_low) / 2).astype(np.float32)
        self._show(self._worlds.reset(seed=race.seed)[0])

    def step(self, actions: Any) -> tuple[Any, Any, Any, dict[str, Any]]:
        """Return observation, reward (B,), done (B,), and which of the ends are time-outs."""
        import torch

        observed, reward, terminated, truncated, _ = self._worlds.step(self.middle + self.half * actions.numpy())
        self._show(observed)
        reward = torch.from_numpy(np.asarray(reward, np.float32) * np.float32(self.scale))
        late = torch.from_numpy(truncated & ~terminated)
        return self.observation, reward, torch.from_numpy(terminated | truncated), {"time_outs": late}

    def close(self) -> None:
        """End the processes."""
        self._worlds.close()

    def _show(self, observed: dict[str, Any]) -> None:
        import torch

        from motorium.learn.rl.collect import grouped

        # A copy: the worlds write into one array.
        named = {key: observed[key.removeprefix("observation.").replace(".", "_")] for key in self.keys}
        self.observation = grouped({key: torch.tensor(value, dtype=torch.float32) for key, value in named.items()})


def mean_policy(actor: Any, worlds: Any, spec: Any, keys: tuple[str, ...]) -> Any:
    """Return the policy of rsl_rl's actor that answers with its mean."""
    from motorium.learn.policy import load_policy, save_policy
    from motorium.learn.rl.policy import describe_actor, make_policy

    described = describe_actor(worlds.env.info, spec, keys, {}, {})
    with tempfile.TemporaryDirectory() as folder:
        save_policy(Path(folder) / "policy", make_policy(actor, worlds, described), described)
        return load_policy(Path(folder) / "policy")


def sb3(race: Race, batched: bool) -> dict[str, Any]:
    """Stable-Baselines3's PPO."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.vec_env import DummyVecEnv

    from motorium.gym.sb3 import TaskVecEnv
    from motorium.gym.single import TaskEnv

    if batched:
        count = int(race.spec.get("num_envs", 512))
        worlds, steps = TaskVecEnv(race.task, count, **race.options), max(1, SB3_WORLDS * SB3_STEPS // count)
    else:
        worlds, steps = DummyVecEnv([partial(TaskEnv, race.task, threads=1, **race.options)] * SB3_WORLDS), SB3_STEPS
    judge = Judge(race)

    class Watch(BaseCallback):
        over = False

        def _on_rollout_start(self) -> None:
            self.over = self.num_timesteps > 0 and judge.look(self.num_timesteps, policy)

        def _on_step(self) -> bool:
            return not self.over and not judge.late()

    model = PPO("MlpPolicy", worlds, n_steps=steps, seed=race.seed, device="cpu")
    policy = partial(Sb3Policy, model, judge.env.info)
    watch = Watch()
    judge.start()
    model.learn(sys.maxsize, callback=watch)
    if not watch.over:
        judge.look(model.num_timesteps, policy)
    worlds.close()
    return judge.result()


class Sb3Policy:
    """The mean action of a model of Stable-Baselines3."""

    def __init__(self, model: Any, info: Any) -> None:
        from motorium.core.protocols import PolicyInfo

        self._model, shown = model, {STATE: info.observation[STATE]}
        self.info = PolicyInfo(
            observation=shown, action=info.action, horizon=1, execute=1, control_hz=info.control_hz, digest="sb3"
        )

    def reset(self, seeds: np.ndarray, mask: np.ndarray | None = None) -> None:
        """Do nothing: it remembers nothing."""

    def act(self, observation: Any, mask: np.ndarray | None = None) -> np.ndarray:
        """Return actions (B, 1, A)."""
        return self._model.predict(observation[STATE], deterministic=True)[0][:, None]


ARMS: dict[str, Callable[[Race], dict[str, Any]]] = {
    "motorium": motorium,
    "sb3": partial(sb3, batched=False),
    "sb3-batch": partial(sb3, batched=True),
    "rsl_rl-async": rsl_rl_async,
}


def main() -> None:
    """Run one race."""
    import torch

    race = Race(**json.loads(sys.argv[1]))
    torch.set_num_threads(race.torch_threads)
    # Libraries print; the answer goes out on a copy of standard output.
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print(json.dumps({"race": asdict(race), **ARMS[race.arm](race)}), file=answer, flush=True)


if __name__ == "__main__":
    main()
