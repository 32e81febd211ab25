"""`motorium view`: a video where there is no screen, a window that plays by its keys where there is one."""

from __future__ import annotations

import argparse
import contextlib
import sys
import types

import av
import numpy as np
import pytest
from pydantic import Field

from motorium.cli import main
from motorium.commands import view, view_window
from motorium.core.errors import SpecError, StoreError
from motorium.core.protocols import Viewable
from motorium.core.spec import Spec
from motorium.flow.recipe import Recipe
from motorium.flow.runner import run_recipe
from motorium.flow.stage import Result, Stage
from motorium.flow.store import Store
from motorium.stages.watching import Session, Shown, Untaught, captioned
from motorium.tasks.make import make_env
from tests.evaluate.worlds import Dot, Steer

CARTPOLE = ["view", "--task", "cartpole/swing-up", "--options", '{"episode_s": 0.4}']


@pytest.fixture(autouse=True)
def no_screen(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")


def session(factors=None):
    return Session(Dot(1), Steer(), factors or {})


def frames_of(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


@pytest.mark.slow
def test_without_a_screen_the_episodes_become_one_video_and_its_path_is_printed(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([*CARTPOLE, "--episodes", "2", "--size", "96x64", "--stride", "20", "--factors", "pole_rad=0.5"]) == 0
    said = capsys.readouterr().out
    assert "video: views/cartpole-swing-up-10000.mp4" in said
    assert "seed 10000: timeout after 40 steps" in said and "seed 10001" in said
    frames = frames_of(tmp_path / "views" / "cartpole-swing-up-10000.mp4")
    # Of each episode steps 0, 20 and 40, and the last one for a second at 5 pictures a second.
    assert len(frames) == 2 * (3 + 5) and frames[0].shape == (64, 96, 3)
    assert np.ptp(frames[0][32:].astype(int)) > 60, "there is nothing to see"
    assert sorted(one.name for one in (tmp_path / "views").iterdir()) == ["cartpole-swing-up-10000.mp4"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["view"], "nothing to watch"),
        ([*CARTPOLE, "--factors", "pole_rat=1"], "pole_rad"),
        ([*CARTPOLE, "--factors", "pole_rad"], "NAME=NUMBER"),
        ([*CARTPOLE, "--camera", "sidee"], "side"),
        ([*CARTPOLE, "--seeds", ""], "no seed"),
        (["view", "policy/00aa"], "there is no store here"),
        (["view", "cartpole/swing-up"], "view --task cartpole/swing-up"),
    ],
)
def test_what_cannot_be_watched_is_an_error_that_says_what_can(tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert said in capsys.readouterr().err
    assert not list(tmp_path.rglob("*.mp4"))


def test_an_interrupted_video_leaves_no_file(tmp_path, monkeypatch):
    def interrupt(self):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("motorium.stages.watching.Sight.picture", interrupt)
    assert main([*CARTPOLE, "--out", "a/b.mp4"]) == 130
    assert not [one for one in tmp_path.rglob("*") if one.is_file()]


def test_an_episode_is_the_one_that_evaluation_runs():
    from motorium.evaluate.rollout import rollout

    made = rollout(Dot(3), Steer(0.5), range(100, 106))
    watched = Session(Dot(1), Steer(0.5), {})
    for row, seed in enumerate(range(100, 106)):
        *_, last = watched.episode(seed)
        assert (last.outcome, last.steps) == (made.outcome_names[row], made.length[row])
        assert last.total_reward == made.returns[row]


def test_a_moment_says_seed_time_outcome_return_and_measures():
    watched = session({"start_x_m": 1.5})
    *_, last = watched.episode(7)
    first, numbers = last.lines(watched.env.info)
    assert "dot" in first and "seed 7" in first and f"{last.steps / 10:.2f} s" in first and last.outcome in first
    assert "return" in numbers and "away_m" in numbers


def test_commands_of_a_task_are_shown():
    env = make_env("go1/velocity", 1, threads=1)
    watched = Session(env, Untaught(env.info, "zero"), {"command_x_m_s": 0.7, "standing": 1.0})
    assert watched.begin(3).command["x"] == pytest.approx(0.7)
    env.close()


def test_captions_stand_on_a_band_at_the_top_and_leave_the_rest_alone():
    picture = np.full((120, 160, 3), 200, np.uint8)
    made = captioned(picture, ["one line", "another line that is far too long for so narrow a picture"])
    assert made.shape == picture.shape
    assert (made[60:] == 200).all() and made[:20].mean() < 150


@pytest.mark.parametrize(("how", "spread"), [("zero", 0.0), ("random", 0.5)])
def test_without_a_policy_actions_are_zero_or_random_within_bounds(how, spread):
    policy = Untaught(Dot(1).info, how)
    policy.reset(np.array([5]))
    actions = np.array([policy.act({})[0, 0] for _ in range(50)])
    assert (np.abs(actions) <= 1).all() and actions.std() >= spread


def test_a_screen_is_what_the_environment_names(monkeypatch):
    assert not view.has_screen()
    monkeypatch.setenv("DISPLAY", ":0")
    assert view.has_screen() == bool(view.importlib.util.find_spec("glfw"))


class Window:
    """Stands in for MuJoCo's window: presses keys at given draws, and is closed at the end."""

    def __init__(self, data, presses, draws):
        self.data, self.presses, self.draws, self.seen = data, presses, draws, []
        self.cam, self.key = types.SimpleNamespace(type=None, fixedcamid=None), None

    def is_running(self):
        return len(self.seen) < self.draws

    def lock(self):
        return contextlib.nullcontext()

    def set_texts(self, texts):
        self.text = texts[2]

    def sync(self):
        self.seen.append((float(self.data.qpos[1]), self.text.splitlines()[0]))
        if len(self.seen) in self.presses:
            self.key(self.presses[len(self.seen)])

    def close(self):
        self.draws = 0


def play(monkeypatch, presses, draws):
    import mujoco.viewer

    env = make_env("cartpole/swing-up", 1, threads=1, episode_s=5.0)
    windows = []

    def launch(model, data, key_callback, **options):
        windows.append(Window(data, presses, draws))
        windows[0].key = key_callback
        return windows[0]

    monkeypatch.setattr(mujoco.viewer, "launch_passive", launch)
    monkeypatch.setattr(view_window.time, "sleep", lambda seconds: None)
    watched = Session(env, Untaught(env.info, "random"), {})
    view_window.watch(Shown(session=watched, seeds=[40, 41], camera=None))
    env.close()
    return windows[0]


def test_the_window_shows_the_world_as_it_moves(monkeypatch):
    window = play(monkeypatch, {}, 12)
    assert len({angle for angle, _ in window.seen}) == 12
    assert all("seed 40" in text for _, text in window.seen)


@pytest.mark.parametrize("task", ["cartpole/swing-up", "go1/velocity", "ur5e/pick-place"])
def test_what_a_window_shows_has_the_coordinates_of_the_world(task):
    env = make_env(task, 2, threads=1)
    env.reset(np.array([1, 2]))
    model, pose = env.looks(), env.pose(1)
    assert isinstance(env, Viewable)
    assert pose["qpos"].shape == (model.nq,) and pose["mocap_pos"].shape == (model.nmocap, 3)
    assert not np.array_equal(pose["qpos"], env.pose(0)["qpos"])
    assert pose["qpos"].base is None, "what was returned must not move on"
    env.close()


def test_keys_start_again_go_on_to_the_next_seed_and_pause(monkeypatch):
    presses = {4: ord("R"), 8: ord("N"), 12: ord(" "), 16: ord(" ")}
    window = play(monkeypatch, presses, 20)
    angles, seeds = [angle for angle, _ in window.seen], [text.split("seed ")[1][:2] for _, text in window.seen]
    assert angles[4] == angles[0] and seeds[:8] == ["40"] * 8
    assert set(seeds[8:]) == {"41"}
    assert len(set(angles[12:16])) == 1 and angles[17] != angles[15]


class Name(Spec):
    """Options of a stage that writes its name."""

    who: str = Field("", description="what to write")


def write_name(spec, inputs, context):
    (context.output / "who").write_text(spec.who)
    return Result(summary=spec.who)


def writes(kind):
    return Stage(name=kind, version=1, kind=kind, spec=Name, ports={}, modules=(), run=write_name)


RECIPE = """
recipe: walk-recipe
stages:
  old: {uses: policy, with: {who: old}}
  walk: {uses: policy, with: {who: walk}}
  judge: {uses: report}
"""


def test_a_stage_of_the_newest_run_of_a_recipe_is_found_by_name(tmp_path):
    store = Store(tmp_path / "store")
    run_recipe(Recipe.parse(RECIPE), {kind: writes(kind) for kind in ("policy", "report")}, store)

    def named(name):
        folder, kind = view.find_acting(argparse.Namespace(run=name, store=str(store.root)))
        return kind, (folder / "who").read_text()

    for name in ("walk-recipe", "walk-recipe/walk", "recipes/walk-recipe.yaml"):
        assert named(name) == ("policy", "walk")
    assert named("walk-recipe/old") == ("policy", "old")
    with pytest.raises(SpecError, match="cannot act"):
        named("walk-recipe/judge")
    with pytest.raises(StoreError, match="walk"):
        named("walk-recipe/wolk")
