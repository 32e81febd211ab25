"""Tasks on torch against tasks on NumPy: the same functions, the same numbers to float32 tolerance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from motorium.tasks import TASKS
from motorium.tasks.make import make_env
from motorium.tasks.mdp.env import MdpEnv
from motorium.tasks.mdp.state import State
from motorium.tasks.mdp.task import Task
from tests.conformance.worlds import random_actions

torch = pytest.importorskip("torch")

NAMES = [name for name in TASKS if issubclass(TASKS.load(name), Task)]
FUNCTIONS = (
    *("randomise", "start", "begin", "disturb", "control", "advance"),
    *("rewards", "outcome", "verdict", "metrics", "observe"),
)
# Of an array's largest number, or of one: a few hundred roundings of float32.
TOLERANCE = 3e-5
ELSEWHERE = "meta"
ARRAYS = ("qpos", "qvel", "ctrl", "mocap_pos", "mocap_quat", "history", "sensordata")


def tensor(values):
    values = torch.as_tensor(np.array(values))
    return values.to(torch.float32) if values.dtype == torch.float64 else values


def on_torch(state: State) -> State:
    """The same state in torch, as MuJoCo Warp has it, without an engine."""
    import array_api_compat.torch as xp

    physics = SimpleNamespace(
        model=state.physics.model,
        num_envs=state.physics.num_envs,
        xp=xp,
        fields={name: tensor(value) for name, value in state.physics.fields.items()},
        **{name: tensor(getattr(state.physics, name)) for name in ARRAYS},
    )
    return State(
        physics=physics,
        seeds=tensor(state.seeds),
        steps=tensor(state.steps),
        factors={name: tensor(value) for name, value in state.factors.items()},
        action=tensor(state.action),
        last_action=tensor(state.last_action),
        memory={name: tensor(value) for name, value in state.memory.items()},
    )


def leaves(value, name=""):
    """Every array in what a function returned, by its place."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        parts = value.items()
    elif is_dataclass(value):
        parts = [(field.name, getattr(value, field.name)) for field in fields(value)]
    else:
        return {name: value}
    return {place: leaf for key, part in parts for place, leaf in leaves(part, f"{name}.{key}").items()}


def assert_close(numpy_value, torch_value, where):
    expected, found = leaves(numpy_value), leaves(torch_value)
    assert expected.keys() == found.keys(), where
    for name, array in expected.items():
        other = found[name].numpy()
        assert other.shape == np.shape(array), f"{where}{name}"
        if np.asarray(array).dtype.kind in "biu":
            assert (other == array).all(), f"{where}{name}"
        else:
            size = max(1.0, float(np.abs(array).max(initial=0.0)))
            np.testing.assert_allclose(other, array, rtol=0, atol=TOLERANCE * size, err_msg=f"{where}{name}")


@pytest.mark.parametrize("name", NAMES)
def test_the_functions_of_a_task_give_the_same_numbers_in_torch(name):
    env = make_env(name, 8, threads=1)
    task = env._task
    env.reset(np.arange(8))
    for step, action in enumerate([None, *random_actions(env, 12)]):
        if action is not None:
            env.step(action)
        if step not in (0, 1, 12):
            continue
        state = env._state()
        other = on_torch(state)
        for function in FUNCTIONS:
            expected, found = (getattr(task, function)(s) for s in (state, other))
            assert_close(expected, found, f"{name} {function}, step {step}")


@pytest.mark.parametrize("name", NAMES)
def test_the_functions_of_a_task_write_to_nothing_that_they_read(name):
    env = make_env(name, 4, threads=1)
    env.reset(np.arange(4))
    env.step(random_actions(env, 1)[0])
    other = on_torch(env._state())
    before = {key: value.clone() for key, value in held(other).items()}
    for function in FUNCTIONS:
        getattr(env._task, function)(other)
        for key, value in held(other).items():
            assert torch.equal(value, before[key]), f"{name} {function} wrote to {key}"


def held(state: State) -> dict:
    return {
        **{f"physics.{name}": getattr(state.physics, name) for name in ARRAYS},
        **{f"fields.{name}": value for name, value in state.physics.fields.items()},
        **{f"factors.{name}": value for name, value in state.factors.items()},
        **{f"memory.{name}": value for name, value in state.memory.items()},
        **{name: getattr(state, name) for name in ("seeds", "steps", "action", "last_action")},
    }


@pytest.mark.parametrize("name", NAMES)
def test_counted_random_numbers_are_the_same_in_torch(name):
    env = make_env(name, 4, threads=1)
    env.reset(np.array([0, 1, 2**62, -5]))
    state = env._state()
    numbers, others = state.draw("noise", 7), on_torch(state).draw("noise", 7)
    np.testing.assert_allclose(others.numpy(), numbers, atol=1e-7)
    assert len(np.unique(numbers)) == numbers.size


class Elsewhere:
    """Physics whose arrays are not on the CPU, in place of a GPU: torch checks their devices and computes nothing."""

    def __init__(self, model, num_envs, names):
        import array_api_compat.torch as xp

        self.model, self.num_envs, self.xp = model, num_envs, xp
        sizes = {"qpos": model.nq, "qvel": model.nv, "ctrl": model.nu, "history": model.nhistory}
        shapes = {"mocap_pos": (model.nmocap, 3), "mocap_quat": (model.nmocap, 4), "sensordata": (model.nsensordata,)}
        for name, shape in {**{name: (size,) for name, size in sizes.items()}, **shapes}.items():
            setattr(self, name, xp.zeros((num_envs, *shape), dtype=xp.float32, device=ELSEWHERE))
        self.fields = {}
        for name in names:
            shape = np.shape(getattr(model, name))
            self.fields[name] = xp.zeros((num_envs, *shape), dtype=xp.float32, device=ELSEWHERE)

    def nothing(self, *_, **__):
        """In place of what an engine computes."""

    reset = forward = step = constants = nothing

    def unstable(self):
        return self.qpos[:, 0] > 0

    def snapshot(self):
        return self.qpos * 1.0

    def restore(self, state, rows=None):
        self.qpos.copy_(state)


@pytest.mark.parametrize("name", NAMES)
def test_a_task_keeps_its_arrays_on_the_device_of_the_engine(name, monkeypatch):
    # Nothing there has a value; every question is answered with yes.
    asked = torch.Tensor.__bool__
    monkeypatch.setattr(torch.Tensor, "__bool__", lambda self: True if self.is_meta else asked(self))
    task = TASKS.load(name)
    env = MdpEnv(name, task(task.Spec()), lambda model, wanted: Elsewhere(model, 4, wanted))
    env.reset(np.arange(4), np.array([True, False, True, True]))
    env.reset(torch.arange(4), factors={next(iter(env.info.factors)): torch.zeros(4, device=ELSEWHERE)})
    for _ in range(2):
        step = env.step(np.zeros((4, env.info.action.size), np.float32))
    env.restore(env.snapshot(), torch.ones(4, dtype=torch.bool, device=ELSEWHERE))
    arrays = [*leaves(step).values(), *env.factors().values(), *env.snapshot().values()]
    assert len(arrays) > 10 and {array.device.type for array in arrays} == {ELSEWHERE}


def both(name, worlds, **fields):
    from motorium.tasks.mdp.numpy_env import as_numpy

    made = [make_env(name, worlds, threads=1, **fields), as_numpy(make_env(name, worlds, engine="warp", **fields))]
    for env in made:
        env.reset(np.arange(worlds))
    return made


def follow(name, steps, tolerance, **fields):
    """Step both engines alike and compare what is observed and rewarded."""
    pytest.importorskip("mujoco_warp")
    env, other = both(name, 4, **fields)
    assert isinstance(env, MdpEnv)
    for step, action in enumerate(random_actions(env, steps)):
        ours, theirs = env.step(action), other.step(action)
        for key in ours.observation:
            scale = np.maximum(1.0, np.abs(ours.observation[key]))
            error = np.abs(ours.observation[key] - theirs.observation[key]) / scale
            assert error.max() < tolerance, f"{key}, step {step}: {error.max():.1e}"
        np.testing.assert_allclose(theirs.reward, ours.reward, atol=tolerance)
        assert (ours.outcome == theirs.outcome).all()


@pytest.mark.slow
def test_a_cartpole_on_warp_follows_the_one_on_threads():
    follow("cartpole/swing-up", 100, 2e-5)


@pytest.mark.slow
def test_a_walking_robot_on_warp_follows_the_one_on_threads():
    # With pushes, new commands and delays in all worlds; still on its feet all the while.
    follow("go1/velocity", 20, 2e-3, push_every_s=0.1, resample_s=0.1, latency_s=(0.004, 0.02), history=2)
