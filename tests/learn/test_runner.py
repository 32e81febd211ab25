from dataclasses import replace

import numpy as np
import pytest
import torch

from motorium.core.errors import ConventionError, MotoriumError, StoreError
from motorium.core.features import vector
from motorium.core.protocols import Policy
from motorium.learn.bundle import load_bundle
from motorium.learn.export import export_bundle
from motorium.learn.policy import load_policy
from motorium.learn.runner import ChunkRunner, choose_block
from tests.learn.toys import STATE, trained

# Odd sizes on purpose: vectorised loops then have remainders.
ODD = {"width": 77, "hidden": 131, "horizon": 5, "execute": 3, "n_obs": 2, "last_action": True, "euler_steps": 4}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    base = tmp_path_factory.mktemp("runner")
    policy = trained(base, **ODD).folder
    return {"torch": policy, "onnx": export_bundle(policy, base / "bundle").folder}


@pytest.fixture(params=["torch", "onnx"])
def load(request, folders):
    make = load_policy if request.param == "torch" else load_bundle
    return lambda: make(folders[request.param])


def states(rows, seed=0):
    return np.random.default_rng(seed).normal(0, 1, (rows, 3)).astype(np.float32)


def test_it_is_a_policy(load):
    policy = load()
    assert isinstance(policy, Policy)
    assert (policy.info.horizon, policy.info.execute, policy.info.control_hz) == (5, 3, 20.0)
    assert policy.info.action.units == ("m/s", "m/s")
    assert len(policy.info.digest) == 64


def test_blocks_larger_than_one_are_in_use_here(load):
    assert load().block > 1


def test_a_row_is_bitwise_the_same_in_any_batch(load):
    policy, calls = load(), 3
    observed = [states(130, seed) for seed in range(calls)]
    policy.reset(np.arange(130))
    whole = [policy.act({STATE: seen}) for seen in observed]
    for size in range(1, 130):
        first = (size * 37) % (130 - size + 1)
        rows = np.arange(first, first + size)[::-1] if size % 2 else np.arange(first, first + size)
        policy.reset(rows)
        for seen, expected in zip(observed, whole):
            assert np.array_equal(policy.act({STATE: seen[rows]}), expected[rows]), f"batch of {size}"


def test_rows_outside_the_mask_are_zero_and_do_not_move(load):
    policy, seen = load(), states(10)
    policy.reset(np.arange(10))
    expected = [policy.act({STATE: seen}) for _ in range(2)]
    policy.reset(np.arange(10))
    mask = np.arange(10) % 3 == 0
    filler = np.where(mask[:, None], seen, np.nan).astype(np.float32)
    part = policy.act({STATE: filler}, mask)
    assert np.array_equal(part[mask], expected[0][mask])
    assert (part[~mask] == 0).all()
    rest = policy.act({STATE: seen})
    assert np.array_equal(rest[mask], expected[1][mask])
    assert np.array_equal(rest[~mask], expected[0][~mask])


def test_reset_restarts_its_rows_alone(load):
    policy, seen = load(), states(6)
    policy.reset(np.arange(6))
    first, second = policy.act({STATE: seen}), policy.act({STATE: seen})
    policy.reset(np.arange(6))
    policy.act({STATE: seen})
    policy.reset(np.arange(6), np.arange(6) < 2)
    mixed = policy.act({STATE: seen})
    assert np.array_equal(mixed[:2], first[:2])
    assert np.array_equal(mixed[2:], second[2:])


def test_seeds_name_the_noise_and_calls_draw_anew(load):
    policy, seen = load(), np.repeat(states(1), 3, axis=0)
    policy.reset(np.array([7, 7, 8]))
    answer = policy.act({STATE: seen})
    assert np.array_equal(answer[0], answer[1]) and not np.array_equal(answer[0], answer[2])
    assert not np.array_equal(policy.act({STATE: seen})[0], answer[0])


def test_torch_threads_do_not_change_an_answer(folders):
    policy, seen, answers = load_policy(folders["torch"]), states(70), []
    for threads in (1, 2):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            policy.reset(np.arange(70))
            answers.append(policy.act({STATE: seen}))
        finally:
            torch.set_num_threads(before)
    assert np.array_equal(*answers)


def spy(policy):
    """Return a runner like `policy` whose network records its inputs and answers 1, 2, 3, ..."""
    calls = []

    def forward(inputs):
        calls.append({name: array.copy() for name, array in inputs.items()})
        steps = np.arange(1, policy.info.horizon + 1, dtype=np.float32)
        return np.broadcast_to(steps[:, None], (4, policy.info.horizon, 2)).copy()

    return ChunkRunner(policy.description, "", forward, 4), calls


def test_history_repeats_the_first_observation_then_moves(folders):
    runner, calls = spy(load_policy(folders["torch"]))
    runner.reset(np.array([0]))
    for value in (1.0, 2.0, 3.0):
        runner.act({STATE: np.full((1, 3), value)})
    assert [call[STATE][0, :, 0].tolist() for call in calls] == [[1, 1], [1, 2], [2, 3]]


def test_last_command_is_unknown_then_the_last_one_executed(folders):
    runner, calls = spy(load_policy(folders["torch"]))
    runner.reset(np.array([0]))
    runner.act({STATE: np.zeros((1, 3))})
    runner.act({STATE: np.zeros((1, 3))})
    runner.act({STATE: np.zeros((1, 3)), "last_action": np.full((1, 2), 9.0)})
    known = [(call["last_action_known"][0, 0], call["last_action"][0, 0]) for call in calls]
    assert known == [(0, 0), (1, 3), (1, 9)]


def test_hold_key_stands_for_the_first_command(folders):
    description = load_policy(folders["torch"]).description
    inputs = {**description.inputs, "observation.goal": vector(["a0", "a1"], "m/s")}
    described = replace(description, inputs=inputs, hold_key="observation.goal")
    calls = []

    def forward(arrays):
        calls.append(arrays)
        return np.zeros((1, 5, 2), np.float32)

    runner = ChunkRunner(described, "", forward, 1)
    runner.reset(np.array([0]))
    runner.act({STATE: np.zeros((1, 3)), "observation.goal": np.array([[0.5, -0.5]])})
    assert calls[0]["last_action"].tolist() == [[0.5, -0.5]]
    assert calls[0]["last_action_known"].tolist() == [[0.0]]


def test_a_block_whose_rows_differ_by_position_is_not_used(folders):
    description = load_policy(folders["torch"]).description

    def crooked(inputs):
        rows = len(inputs["noise"])
        return np.zeros((rows, 5, 2), np.float32) + np.arange(rows, dtype=np.float32)[:, None, None] * 1e-7

    assert choose_block(description, crooked, 64) == 1


def test_bad_observations_are_refused(load):
    policy = load()
    with pytest.raises(MotoriumError, match="before reset"):
        policy.act({STATE: states(2)})
    policy.reset(np.arange(2))
    with pytest.raises(ConventionError, match="has no") as caught:
        policy.act({"observation.stat": states(2)})
    assert caught.value.details["nearest"] == "observation.stat"
    for wrong in (states(3), states(2)[:, :2], np.array([["a", "b", "c"]] * 2)):
        with pytest.raises(ConventionError, match="wrong shape or type"):
            policy.act({STATE: wrong})
    broken = states(2)
    broken[1, 2] = np.inf
    with pytest.raises(MotoriumError, match="not finite") as caught:
        policy.act({STATE: broken})
    assert caught.value.details["where"] == "act, row 1"


def test_broken_policy_folders_are_refused(tmp_path):
    with pytest.raises(StoreError, match="no policy here"):
        load_policy(tmp_path)
    folder = trained(tmp_path).folder
    weights = folder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(StoreError, match="weights cannot be read"):
        load_policy(folder)
    (folder / "policy.json").write_text("{")
    with pytest.raises(StoreError, match="policy cannot be read"):
        load_policy(folder)
