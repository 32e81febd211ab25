import numpy as np
import pytest
import torch

from motorium.core.random import stream
from motorium.learn.batches import describe
from motorium.learn.policies import POLICIES
from motorium.learn.policy import build, load_network, load_policy
from tests.learn.toys import STATE, make_data, small_spec, trained, wandering

LEARN = {"steps": 1500, "batch": 256, "log_every": 100, "validate_every": 500, "checkpoint_every": 500, "width": 64}
ONE = {"horizon": 1, "execute": 1}


def drawn(tmp_path, data, states, **changes):
    """Answers of a trained policy to `states` (n, D): (n, H, A)."""
    policy = load_policy(trained(tmp_path, data, **LEARN, **changes).folder)
    policy.reset(np.arange(len(states)))
    return policy.act({STATE: states.astype(np.float32)})


@pytest.mark.slow
def test_flow_matching_draws_both_modes_and_nothing_between(tmp_path):
    rng = stream(0, "modes")
    state = rng.uniform(-1, 1, (4000, 1))
    side = rng.choice([-1.0, 1.0], (4000, 1), p=[0.3, 0.7])
    data = make_data(state, side * (2 + state), [40] * 100)
    asked = np.full((1000, 1), 0.5)
    answers = drawn(tmp_path, data, asked, **ONE, noise_scale=1.0)[:, 0, 0]
    assert np.mean(np.abs(np.abs(answers) - 2.5) < 0.5) > 0.9
    assert abs(np.mean(answers > 0) - 0.7) < 0.08


@pytest.mark.slow
def test_flow_matching_draws_the_spread_of_the_data(tmp_path):
    rng = stream(1, "spread")
    state = rng.uniform(-1, 1, (8000, 1))
    data = make_data(state, 3 * state + 0.5 * rng.standard_normal((8000, 1)), [80] * 100)
    answers = drawn(tmp_path, data, np.full((2000, 1), 0.4), **ONE, noise_scale=1.0)[:, 0, 0]
    assert abs(answers.mean() - 1.2) < 0.1
    assert abs(answers.std() - 0.5) < 0.1


@pytest.mark.slow
def test_less_noise_draws_nearer_the_centre(tmp_path):
    rng = stream(1, "spread")
    state = rng.uniform(-1, 1, (8000, 1))
    data = make_data(state, 3 * state + 0.5 * rng.standard_normal((8000, 1)), [80] * 100)
    answers = drawn(tmp_path, data, np.full((2000, 1), 0.4), **ONE, noise_scale=0.25)[:, 0, 0]
    assert abs(answers.mean() - 1.2) < 0.1
    assert answers.std() < 0.25


@pytest.mark.slow
def test_regression_learns_a_linear_map(tmp_path):
    rng = stream(2, "linear")
    state = rng.uniform(-1, 1, (4000, 3))
    matrix = np.array([[1.0, -2.0], [0.5, 0.0], [3.0, 1.0]])
    data = make_data(state, state @ matrix, [40] * 100)
    asked = rng.uniform(-0.8, 0.8, (200, 3))
    answers = drawn(tmp_path, data, asked, **ONE, policy="regression")[:, 0]
    assert np.abs(answers - asked @ matrix).max() < 0.1


@pytest.mark.parametrize("kind", list(POLICIES))
def test_padded_actions_change_neither_loss_nor_gradient(kind):
    net = build(describe(wandering(), small_spec(policy=kind)))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.linspace(-0.1, 0.1, parameter.numel()).view_as(parameter))
    rng = stream(0, "padding")
    z = torch.from_numpy(rng.standard_normal((16, net.z_size), np.float32))
    chunk = torch.from_numpy(rng.standard_normal((16, 4, 2), np.float32))
    weight = torch.ones(16, 4, 2)
    weight[3:, 2:] = 0
    draws = net.draws(rng, 16)

    def result(actions):
        net.zero_grad()
        loss = net.loss(z, actions, weight, draws)
        loss.backward()
        return loss.item(), [parameter.grad.clone() for parameter in net.parameters()]

    padded = torch.where(weight > 0, chunk, chunk * 100 - 7)
    (loss, gradients), (other_loss, other) = result(chunk), result(padded)
    assert loss == other_loss
    assert all(torch.equal(a, b) for a, b in zip(gradients, other))
    assert result(chunk + 0.1 * weight)[0] != loss


def test_rows_outside_the_episodes_change_nothing(tmp_path):
    data = wandering(episodes=6, length=10, gap=3)
    outside = np.setdiff1d(np.arange(len(data.actions)), data.rows(range(6)))
    state, actions = data.observations[STATE].copy(), data.actions.copy()
    state[outside], actions[outside] = 1e6, -1e6
    changed = make_data(state, actions, [10] * 6, gap=3)
    first, second = trained(tmp_path / "a", data), trained(tmp_path / "b", changed)
    for name in ("weights.safetensors", "policy.json", "training.json"):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes()


@pytest.mark.parametrize("kind", list(POLICIES))
def test_a_constant_action_is_answered_exactly(tmp_path, kind):
    data = wandering()
    actions = data.actions.copy()
    actions[:, 1] = 0.1
    policy = load_policy(trained(tmp_path, make_data(data.observations[STATE], actions, [15] * 8), policy=kind).folder)
    policy.reset(np.arange(20))
    answers = policy.act({STATE: np.random.default_rng(0).normal(0, 10, (20, 3)).astype(np.float32)})
    assert (answers[:, :, 1] == np.float32(0.1)).all()
    assert len(np.unique(answers[:, 0, 0])) > 1


def test_a_constant_observation_says_nothing(tmp_path):
    data = wandering()
    state = data.observations[STATE].copy()
    state[:, 2] = 5.0
    policy = load_policy(trained(tmp_path, make_data(state, data.actions, [15] * 8)).folder)
    asked = np.repeat(state[:1], 2, axis=0)
    asked[1, 2] = 5.3
    policy.reset(np.array([4, 4]))
    answers = policy.act({STATE: asked})
    assert np.array_equal(answers[0], answers[1])


@pytest.mark.parametrize("residual", ["state", "last_action"])
def test_an_untrained_residual_policy_answers_around_its_base(tmp_path, residual):
    data = wandering()
    targets = np.clip(data.observations[STATE] + 0.3, -1, 1)
    pose = make_data(targets, targets, [15] * 8)
    options = {"residual": residual, "hold_key": STATE, "last_action": True, "policy": "regression"}
    named = pose.features | {"action": pose.features[STATE]}
    pose = type(pose)(**{**vars(pose), "features": named})
    net, _ = load_network(trained(tmp_path, pose, **options).folder)
    with torch.no_grad():
        for parameter in net.trunk.leave.parameters():
            parameter.zero_()
        inputs = {name: torch.zeros(1, *shape) for name, shape in net.description.input_shapes().items()}
        inputs[STATE] += 3.0
        inputs["last_action"] += 7.0
        inputs["last_action_known"] += 1.0
        expected = {"state": 3.0, "last_action": 7.0}[residual]
        assert torch.allclose(net(inputs), torch.tensor(expected) + net.action_shift)
    assert net.action_shift.abs().max() < 1.0
