"""PPO: what it learns, what it repeats bit for bit, and what it says when a number is not finite."""

import json
import sys
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from motorium.core.errors import CatalogError, ConventionError, MotoriumError, SpecError
from motorium.learn.bundle import load_bundle
from motorium.learn.export import export_bundle
from motorium.learn.policy import load_network, load_policy
from motorium.learn.rl import learner as learners
from motorium.learn.rl.collect import LEAST_SEED, Collector
from motorium.learn.rl.ppo import _Run, train
from motorium.learn.rl.spec import RlSpec
from motorium.tasks.make import make_env
from tests.learn.rl.worlds import PRIVILEGED, SMALL, STATE, Reach, states, trained

FILES = ("policy.json", "training.json", "weights.safetensors")
LEARN = {"iterations": 40, "num_envs": 64, "steps": 8, "widths": [32, 32], "initial_std": 0.3, "entropy": 0.0}
LEARN |= {"minibatches": 2, "epochs": 4, "learning_rate": 5e-3}


def contents(folder):
    return {name: (folder / name).read_bytes() for name in FILES}


def answers(folder, at):
    policy = load_policy(folder)
    policy.reset(np.arange(len(at)))
    return policy.act({STATE: at})[:, 0]


class Bar:
    """Counts, and ends the work as a kill would after `stop` rounds."""

    def __init__(self, stop=None):
        self.done, self.calls, self.stop, self.notes = 0, 0, stop, {}

    def advance(self, amount=1, **note):
        self.done, self.calls, self.notes = self.done + amount, self.calls + 1, note
        if self.calls == self.stop:
            raise KeyboardInterrupt

    def close(self):
        """Nothing to close."""


class Rows:
    def __init__(self):
        self.rows = []

    def log(self, step, **values):
        self.rows.append({"step": step, **values})


# -- learning -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_it_finds_the_best_action_of_a_world_that_ends_in_one_step(tmp_path):
    at = states(200)
    result = trained(tmp_path, symmetry="none", **LEARN)
    assert np.abs(answers(result.folder, at) - Reach.best(at)).mean() < 0.05
    # The best action pays 1, and noise of spread s on three elements costs 3 s^2.
    last = result.curve[-1]
    assert last["return"] == pytest.approx(1 - 3 * last["std"] ** 2, abs=0.05)
    assert last["success"] == 1.0 and last["length_s"] == 0.1


@pytest.mark.slow
def test_what_is_learned_on_one_side_is_known_on_the_other(tmp_path):
    def error(symmetry):
        env = Reach(LEARN["num_envs"], one_sided=True)
        result = trained(tmp_path / symmetry, env, symmetry=symmetry, symmetry_weight=5.0, **LEARN)
        there = answers(result.folder, at)
        back = answers(result.folder, at * [-1, 1])[:, [1, 0, 2]] * [1, 1, -1]
        return np.abs(there - back).mean()

    at = np.abs(states(200)).astype(np.float32)
    unaware = error("none")
    assert error("augment") < 0.5 * unaware
    assert error("loss") < 0.5 * unaware


def test_the_learning_rate_follows_the_change_of_the_policy_or_stays(tmp_path):
    assert trained(tmp_path / "a", adaptive=False).curve[-1]["learning_rate"] == 1e-3
    assert trained(tmp_path / "b", desired_kl=1e-6).curve[-1]["learning_rate"] < 1e-3


class Age:
    """A critic that takes an observation to be worth its age."""

    def __call__(self, observation):
        return observation[PRIVILEGED]

    def reset(self, dones=None, hidden_state=None):
        """Nothing to reset."""

    def get_hidden_state(self):
        """There is none."""


class Constant(Reach):
    """Pays 1 a step, whatever is done."""

    def step(self, actions):
        return super().step(self.best(self.at))


@pytest.mark.parametrize("ends", [False, True])
def test_timeout_bootstraps_value(ends):
    spec = RlSpec.parse({**SMALL, "steps": 2, "gamma": 0.5, "lam": 1.0, "reward_scale": 1.0})
    env = Constant(spec.num_envs, max_steps=2, ends=ends)
    with learners.contained():
        run = _Run(env, spec, 0, {}, None)
        run.learner.critic = Age()
        run.collect()
        dones, returns = (getattr(run.learner.storage, name)[..., 0] for name in ("dones", "returns"))
    # Some first episodes are cut after a step, at an age of 1; the others last two, to an age of 2.
    cut = dones[0] == 1
    assert 0 < cut.sum() < spec.num_envs and dones[1][~cut].all()
    assert torch.equal(returns[0][cut], torch.full((int(cut.sum()),), 1 + 0.5 * 1.0))
    last = 1 + 0.5 * 2.0 * (not ends)
    assert torch.equal(returns[1][~cut], torch.full((int((~cut).sum()),), last))
    assert torch.equal(returns[0][~cut], torch.full((int((~cut).sum()),), 1 + 0.5 * last))


# -- the same bits ------------------------------------------------------------------------------------------


def test_training_twice_gives_the_same_bytes_and_another_seed_others(tmp_path):
    first, second, other = (trained(tmp_path / name, seed=seed).folder for name, seed in (("a", 0), ("b", 0), ("c", 1)))
    assert contents(first) == contents(second)
    assert contents(first)["weights.safetensors"] != contents(other)["weights.safetensors"]


def test_training_leaves_torch_as_it_was(tmp_path):
    def settings():
        checks = torch.distributions.Distribution._validate_args
        return torch.get_num_threads(), torch.get_float32_matmul_precision(), checks

    torch.manual_seed(5)
    before = settings(), torch.get_rng_state()
    trained(tmp_path)
    assert settings() == before[0] and torch.equal(torch.get_rng_state(), before[1])


@pytest.mark.parametrize("stop", [1, 3, 4])
def test_a_run_that_was_killed_ends_in_the_same_bytes(tmp_path, stop):
    options = {"max_steps": 3, "ends": False}
    whole = trained(tmp_path / "whole", Reach(**options))
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "killed", Reach(**options), progress=Bar(stop))
    rows, bar = Rows(), Bar()
    again = trained(tmp_path / "killed", Reach(**options), metrics=rows, progress=bar)
    # A checkpoint every 2 rounds; the bar breaks before that of its own round.
    assert again.resumed_at == {1: 0, 3: 2, 4: 2}[stop]
    assert contents(again.folder) == contents(whole.folder)
    assert [row["step"] for row in rows.rows] == [1, 2, 3, 4] and bar.done == 4 * 32 * 4


def test_a_run_in_physics_that_was_killed_ends_in_the_same_bytes_on_any_number_of_threads(tmp_path):
    def run(name, threads, **more):
        env = make_env("cartpole/swing-up", 8, threads=threads, episode_s=0.1)
        try:
            return trained(tmp_path / name, env, num_envs=8, steps=6, **more)
        finally:
            env.close()

    whole = run("one", 1)
    with pytest.raises(KeyboardInterrupt):
        run("two", 2, progress=Bar(3))
    again = run("two", 2)
    assert again.resumed_at == 2
    assert contents(again.folder) == contents(whole.folder)


def test_a_checkpoint_of_another_world_or_spec_is_not_gone_on_from(tmp_path):
    trained(tmp_path)
    assert trained(tmp_path).resumed_at == 4
    assert trained(tmp_path, gamma=0.5).resumed_at == 0


# -- guards -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "said"),
    [("bonus", "reward term 'bonus' is not finite"), ("age", f"observation 'age' of '{PRIVILEGED}' is not finite")],
)
def test_a_number_that_is_not_finite_is_named_with_its_world_and_step(tmp_path, broken, said):
    with pytest.raises(MotoriumError, match=said) as caught:
        trained(tmp_path, Reach(max_steps=50, broken=broken))
    assert caught.value.details["where"].startswith("world 1, seed ")
    assert caught.value.details["where"].endswith("step 3 of its episode")


def test_a_loss_that_is_not_finite_is_named(tmp_path, monkeypatch):
    made = learners.import_rsl_rl()
    update = made.update
    monkeypatch.setattr(made, "update", lambda self: {**update(self), "value": float("nan")})
    with pytest.raises(MotoriumError, match="training diverged: value loss") as caught:
        trained(tmp_path)
    assert caught.value.details["where"] == "round 1"


def test_weights_that_are_not_finite_are_named(tmp_path, monkeypatch):
    made = learners.import_rsl_rl()
    update = made.update

    def broken(self):
        losses = update(self)
        self.critic.mlp[0].bias.data[0] = torch.inf
        return losses

    monkeypatch.setattr(made, "update", broken)
    with pytest.raises(MotoriumError, match=r"weights 'critic\.mlp\.0\.bias' not finite"):
        trained(tmp_path)


def test_without_rsl_rl_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "rsl_rl.algorithms", None)
    with pytest.raises(CatalogError, match="needs rsl_rl") as caught:
        trained(tmp_path)
    assert "motorium[rl]" in caught.value.details["remedy"]


def test_what_does_not_fit_is_refused(tmp_path):
    with pytest.raises(SpecError, match="no vector 'observation.stat'") as caught:
        trained(tmp_path, actor_inputs=["observation.stat"])
    assert caught.value.details["nearest"] == STATE
    with pytest.raises(SpecError, match="another number of worlds"):
        train(Reach(3), RlSpec.parse(SMALL), tmp_path / "p", scratch=tmp_path / "s", seed=0)
    half = Reach()
    del half.info.mirrors[PRIVILEGED]
    with pytest.raises(ConventionError, match=f"leaves out '{PRIVILEGED}'"):
        trained(tmp_path, half)
    uneven = Reach()
    uneven.info.action_low[0] = -0.5
    with pytest.raises(ConventionError, match="bounds are not their own mirror image"):
        trained(tmp_path, uneven)
    assert trained(tmp_path, uneven, symmetry="none").iterations == 4


# -- collecting ---------------------------------------------------------------------------------------------


def test_every_episode_has_a_seed_of_its_own_above_those_of_evaluation():
    collector = Collector(Reach(16, max_steps=2), (STATE,), seed=3)
    seen = []
    for _ in range(12):
        seen.append(collector.env.seeds.copy())
        collector.step(torch.zeros(16, 3))
    assert min(map(np.min, seen)) >= LEAST_SEED
    changes = 16 + sum(int((a != b).sum()) for a, b in pairwise(seen))
    assert len(np.unique(seen)) == changes


def test_first_episodes_are_cut_at_different_ages_and_count_in_no_statistic():
    collector = Collector(Reach(64, max_steps=40, ends=False), (STATE,), seed=3)
    ages = np.zeros(64, int)
    for step in range(1, 41):
        moved = collector.step(torch.zeros(64, 3))
        ages[(ages == 0) & moved.ended.numpy()] = step
        assert torch.equal(moved.late, moved.ended.nonzero()[:, 0])
    assert ages.min() >= 1 and len(np.unique(ages)) > 20
    # Only those that were cut at the limit itself lasted a whole episode.
    assert collector.statistics.episodes == (ages == 40).sum()


def test_actions_are_in_halves_of_the_bounds_about_their_middle():
    env = Reach(4, max_steps=5, low=-0.5, high=1.5)
    asked = []
    step = env.step
    env.step = lambda actions: asked.append(actions) or step(actions)
    Collector(env, (STATE,), seed=0).step(torch.tensor([-1.0, 0.0, 1.0]).repeat(4, 1))
    assert asked[0].tolist() == [[-0.5, 0.5, 1.5]] * 4


class Graded(Reach):
    """Says at each end that it could be harder; keeps how hard it is asked to be."""

    def __init__(self, *args, **more):
        super().__init__(*args, **more)
        self.info = replace(self.info, factors={"hard": (1.0, 3.0)}, curriculum={"hard": "grade"})
        self.hard = np.full(self.num_envs, np.nan)

    def reset(self, seeds, mask=None, factors=None):
        self.hard = np.where(np.ones(self.num_envs, bool) if mask is None else mask, factors["hard"], self.hard)
        return super().reset(seeds, mask)

    def step(self, actions):
        made = super().step(actions)
        return replace(made, info={**made.info, "grade": np.ones(self.num_envs)})

    def snapshot(self):
        return {**super().snapshot(), "hard": self.hard.copy()}

    def restore(self, snapshot, mask=None):
        self.hard = snapshot["hard"].copy()
        return super().restore(snapshot, mask)


def test_a_world_that_does_well_gets_harder_by_a_tenth_of_the_range_an_episode():
    collector = Collector(Graded(16, max_steps=2), (STATE,), seed=3)
    assert (collector.env.hard == 1.0).all()
    for _ in range(7):
        collector.step(torch.zeros(16, 3))
    # Three whole episodes each, whether the first was cut after a step or not: a cut one says nothing.
    np.testing.assert_allclose(collector.env.hard, 1.6)


def test_levels_go_on_after_a_kill(tmp_path):
    whole = trained(tmp_path / "whole", Graded())
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "killed", Graded(), progress=Bar(3))
    again = trained(tmp_path / "killed", Graded())
    assert again.resumed_at == 2 and contents(again.folder) == contents(whole.folder)
    assert again.curve[-1]["level.hard"] != again.curve[0]["level.hard"]


def test_statistics_are_sums_of_what_was_paid():
    collector = Collector(Constant(4, max_steps=3), (STATE,), seed=0)
    collector._limit[:] = 99
    for _ in range(7):
        collector.step(torch.zeros(4, 3))
    row = collector.statistics.row()
    assert row["return"] == pytest.approx(3.0) and row["length_s"] == pytest.approx(0.3)
    assert row["reward_per_s"] == pytest.approx(10.0) and row["reward.near"] == pytest.approx(10.0)
    assert row["reward.bonus"] == 0.0
    assert row["episodes"] == 8 and row["success"] == 1.0 and row["outcome.lost"] == 0.0
    assert 0 < row["metric.far"] < 1


# -- the policy ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bounds", [(-1.0, 1.0), (-0.1, 0.3)])
def test_the_policy_answers_with_the_mean_action_within_the_bounds(tmp_path, bounds):
    spec = RlSpec.parse({**SMALL, "precision": "highest", "checkpoint_every": 99, "symmetry": "none"})
    env = Reach(spec.num_envs, low=bounds[0], high=bounds[1])
    with learners.contained():
        run = _Run(env, spec, 0, {}, None)
        result = run.finish(tmp_path, *run.improve(tmp_path / "scratch", Bar(), None))
        at = 3 * states(50)
        run.learner.eval_mode()
        mean = run.learner.actor({STATE: torch.from_numpy(at)}).detach().numpy()
    middle, half = (bounds[0] + bounds[1]) / 2, (bounds[1] - bounds[0]) / 2
    expected = np.clip(middle + half * mean, *bounds)
    np.testing.assert_allclose(answers(result.folder, at), expected, atol=1e-5)


@pytest.mark.slow
def test_the_bundle_answers_as_the_policy_does(tmp_path):
    folder = trained(tmp_path).folder
    exported = export_bundle(folder, tmp_path / "bundle")
    bundle, at = load_bundle(exported.folder), states(20)
    bundle.reset(np.arange(20))
    np.testing.assert_allclose(bundle.act({STATE: at})[:, 0], answers(folder, at), atol=1e-5)
    assert bundle.info.horizon == bundle.info.execute == 1 and list(bundle.info.observation) == [STATE]


def test_the_critic_alone_sees_what_the_policy_does_without(tmp_path):
    rows = json.loads((trained(tmp_path).folder / "policy.json").read_text())
    assert [one["key"] for one in rows["inputs"]] == [STATE]


@pytest.mark.parametrize(("normalize", "then"), [(True, True), (False, False), (True, False), (False, True)])
def test_training_starts_from_a_policy(tmp_path, normalize, then):
    options = {"learning_rate": 0.01, "adaptive": False}
    first = trained(tmp_path / "a", normalize=normalize, **options)
    spec = RlSpec.parse({**SMALL, **options, "normalize": then})
    at = torch.from_numpy(states(20))
    with learners.contained():
        run = _Run(Reach(spec.num_envs), spec, 3, {}, first.folder)
        mean = run.learner.actor({STATE: at}).detach().numpy()
    np.testing.assert_allclose(np.clip(mean, -1, 1), answers(first.folder, at.numpy()), atol=1e-4)
    with pytest.raises(ConventionError, match="another 'network'"):
        trained(tmp_path / "b", start=first.folder, widths=[8])


def test_the_curve_has_a_row_a_round_and_the_bar_its_samples(tmp_path):
    rows, bar = Rows(), Bar()
    result = trained(tmp_path, metrics=rows, progress=bar)
    assert [row["step"] for row in result.curve] == [1, 2, 3, 4]
    assert rows.rows == list(result.curve) == json.loads((result.folder / "training.json").read_text())["rows"]
    assert bar.done == result.samples == 4 * 32 * 4
    assert {"samples_per_s", "return", "success"} <= bar.notes.keys()
    assert {"loss.value", "loss.surrogate", "reward.near", "learning_rate"} <= result.curve[0].keys()
    assert load_network(result.folder)[1].training["samples"] == result.samples


def test_rewards_are_scaled_to_values_of_ten_and_reported_as_they_are(tmp_path):
    with learners.contained():
        run = _Run(Constant(32, max_steps=1000), RlSpec.parse({**SMALL, "gamma": 0.98}), 0, {}, None)
        run.collect()
        paid = run.learner.storage.rewards
    # A second pays ten, so an endless episode is worth 100: 2 a step at a discount of 0.98.
    assert paid.median() == pytest.approx(2.0)
    assert run.collector.statistics.row()["reward_per_s"] == pytest.approx(10.0)
