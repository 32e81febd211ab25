"""Policies of other projects: what is read in which order, what an output means, and what does not fit is refused."""

from __future__ import annotations

import json
import warnings

import numpy as np
import onnx
import pytest
import yaml
from onnx import TensorProto, helper

from motorium.core.errors import ConventionError, SpecError, StoreError
from motorium.core.features import vector
from motorium.core.protocols import EnvInfo
from motorium.learn.foreign import load_foreign, read_foreign

JOINTS = ("hip", "knee")
INFO = EnvInfo(
    name="toy",
    instruction="",
    observation={
        "observation.state": vector(("hip.position", "knee.position", "command.x"), ("rad", "rad", "m/s")),
        "observation.other": vector(("light",), "1"),
    },
    action=vector(("hip.target", "knee.target"), "normalized"),
    action_low=-np.ones(2, np.float32),
    action_high=np.ones(2, np.float32),
    control_hz=50.0,
    max_steps=10,
    conventions={"action_scale_rad": "0.5, 0.25", "home_rad": "0.1, -1"},
)
# The network sees the knee first.
PLAIN = {
    "task": "toy",
    "joints": ["knee", "hip"],
    "observation": [{"elements": "{joint}.position"}, {"elements": ["command.x"]}, {"last_output": True}],
    "action": {"elements": "{joint}.target"},
}


def write_linear(path, matrix, metadata=None):
    """Write `actions = obs @ matrix`, batch fixed at one, as mjlab's exporter does."""
    inputs, outputs = matrix.shape
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["obs", "m"], ["actions"])],
        "linear",
        [helper.make_tensor_value_info("obs", TensorProto.FLOAT, [1, inputs])],
        [helper.make_tensor_value_info("actions", TensorProto.FLOAT, [1, outputs])],
        [helper.make_tensor("m", TensorProto.FLOAT, matrix.shape, matrix.astype(np.float32).ravel())],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    helper.set_model_props(model, metadata or {})
    onnx.save(model, path)


def folder_of(path, matrix, metadata=None, **changes):
    write_linear(path / "policy.onnx", np.asarray(matrix, float), metadata)
    (path / "foreign.yaml").write_text(yaml.safe_dump({**PLAIN, **changes}))
    return path


def pick(*rows):
    """A matrix whose two outputs are the inputs `rows` of five."""
    return np.eye(5)[:, list(rows)]


def seen(hip, knee, x, batch=1):
    state = np.tile(np.array([hip, knee, x], np.float32), (batch, 1))
    return {"observation.state": state, "observation.other": np.ones((batch, 1), np.float32)}


def started(folder, batch=1):
    policy = load_foreign(folder, INFO)
    policy.reset(np.arange(batch))
    return policy


def test_joints_go_in_and_come_out_in_the_order_of_the_network(tmp_path):
    policy = started(folder_of(tmp_path, pick(0, 1)))
    # It reads (knee, hip) and answers with what it read: our action is (hip, knee) again.
    assert policy.act(seen(0.3, -0.7, 0.0))[0, 0].tolist() == pytest.approx([0.3, -0.7])
    assert set(policy.info.observation) == {"observation.state"}


def test_the_command_and_the_last_output_are_where_the_file_says(tmp_path):
    policy = started(folder_of(tmp_path, pick(2, 3)))
    first = policy.act(seen(0.0, 0.0, 0.4))[0, 0]
    second = policy.act(seen(0.0, 0.0, 0.9))[0, 0]
    # Output 0 (knee) is the command, output 1 (hip) the last output 0.
    assert first.tolist() == pytest.approx([0.0, 0.4])
    assert second.tolist() == pytest.approx([0.4, 0.9])


def test_a_new_episode_forgets_the_last_output_in_its_row_only(tmp_path):
    policy = started(folder_of(tmp_path, pick(2, 3)), batch=2)
    policy.act(seen(0, 0, 0.4, 2))
    policy.reset(np.arange(2), np.array([True, False]))
    assert policy.act(seen(0, 0, 0.4, 2))[:, 0, 0].tolist() == pytest.approx([0.0, 0.4])


def test_rows_outside_the_mask_are_zero_and_keep_what_they_remember(tmp_path):
    policy = started(folder_of(tmp_path, pick(2, 3)), batch=2)
    made = policy.act(seen(0, 0, 0.4, 2), np.array([True, False]))
    assert (made[1] == 0).all()
    assert policy.act(seen(0, 0, 0.5, 2))[:, 0, 0].tolist() == pytest.approx([0.4, 0.0])


def test_scale_and_offset_apply_element_by_element(tmp_path):
    observation = [
        {"elements": "{joint}.position", "scale": [2.0, 3.0], "offset": [0.0, 1.0]},
        {"slice": [2, 3]},
        {"last_output": True},
    ]
    policy = started(folder_of(tmp_path, pick(0, 1), observation=observation))
    assert policy.act(seen(0.5, 0.2, 0.0))[0, 0].tolist() == pytest.approx([3 * 0.5 + 1, 2 * 0.2])


def test_history_is_oldest_first_and_starts_with_what_is_seen_first(tmp_path):
    observation = [{"elements": ["command.x"], "history": 3}, {"key": "observation.other", "elements": ["light"]}]
    matrix = np.eye(4)[:, [0, 2]]
    policy = started(folder_of(tmp_path, matrix, observation=observation))
    answers = [policy.act(seen(0, 0, x))[0, 0] for x in (0.1, 0.2, 0.3, 0.4)]
    assert [one[1] for one in answers] == pytest.approx([0.1, 0.1, 0.1, 0.2])  # knee: the oldest of three
    assert [one[0] for one in answers] == pytest.approx([0.1, 0.2, 0.3, 0.4])  # hip: the newest


def test_a_joint_target_becomes_our_command_by_the_tasks_own_home_and_scale(tmp_path):
    action = {"elements": "{joint}.target", "means": "position_rad", "scale": [0.5, 0.5], "offset": [-1.5, 0.0]}
    policy = started(folder_of(tmp_path, pick(0, 1), action=action))
    hip, knee = policy.act(seen(0.4, 0.2, 0.0))[0, 0]
    # Its hip target 0.2 rad is 0.1 from our home at 0.5 a command; its knee target -1.4 rad -0.4 from ours at 0.25.
    assert (hip, knee) == (pytest.approx(0.2), pytest.approx(-1.6))


def test_rows_do_not_depend_on_the_batch(tmp_path):
    matrix = np.random.default_rng(0).normal(size=(5, 2))
    folder = folder_of(tmp_path, matrix)
    batch = {key: np.random.default_rng(1).normal(size=value.shape) for key, value in seen(0, 0, 0, 9).items()}
    many, one = started(folder, 9), started(folder)
    together = many.act(batch)
    assert one.act({key: value[4:5] for key, value in batch.items()})[0].tobytes() == together[4].tobytes()


def test_shipped_conventions_are_extended_key_by_key(tmp_path):
    (tmp_path / "foreign.yaml").write_text("extends: mjlab-go1-velocity\nmodel: walk.onnx\n")
    spec = read_foreign(tmp_path)
    assert (spec.model, spec.task, len(spec.joints), len(spec.action.scale)) == ("walk.onnx", "go1/velocity", 12, 12)


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"observation": [{"elements": ["command.y"]}]}, ConventionError, "command.x"),
        ({"observation": [{"key": "observation.sate", "elements": ["a"]}]}, ConventionError, "observation.state"),
        ({"observation": [{"elements": "{joint}.position"}]}, ConventionError, "does not read"),
        ({"observation": [{"slice": [2, 9]}]}, ConventionError, "slice"),
        ({"observation": [{"elements": ["command.x"], "last_output": True}]}, SpecError, "a part is one of"),
        ({"action": {"elements": ["hip.target", "hip.target"]}}, ConventionError, "knee.target"),
        ({"action": {"elements": "{joint}.target", "scale": [1.0, 2.0, 3.0]}}, SpecError, "one number"),
        ({"model": "../policy.onnx"}, SpecError, "beside"),
        ({"model": "other.onnx"}, StoreError, "missing"),
        ({"input": "observations"}, ConventionError, "no input"),
        ({"extends": "mjlab-go2"}, SpecError, "mjlab-go1-velocity"),
    ],
)
def test_what_does_not_fit_is_refused_and_says_what_would(tmp_path, changes, error, said):
    folder = folder_of(tmp_path, pick(0, 1), **changes)
    with pytest.raises(error, match=said):
        load_foreign(folder, INFO)


@pytest.mark.parametrize("metadata", [{"joint_names": "hip,knee"}, {"action_scale": "0.5,0.5"}])
def test_metadata_of_the_network_that_contradict_the_file_are_refused(tmp_path, metadata):
    with pytest.raises(ConventionError, match="another"):
        load_foreign(folder_of(tmp_path, pick(0, 1), metadata), INFO)


def test_metadata_rounded_to_three_decimals_are_no_contradiction(tmp_path):
    action = {"elements": "{joint}.target", "scale": [0.37275, 0.2485]}
    folder = folder_of(tmp_path, pick(0, 1), {"action_scale": "0.373,0.249", "joint_names": "knee,hip"}, action=action)
    started(folder)


@pytest.mark.slow
def test_a_network_exported_by_torch_in_mjlabs_layout_drives_the_go1(tmp_path):
    import torch

    from motorium.evaluate.rollout import rollout
    from motorium.stages.foreign import load
    from motorium.stages.worlds import open_world

    class Springs(torch.nn.Module):
        """Answers with a tenth of the joint positions that mjlab's observation has at 9 to 21."""

        def forward(self, obs):
            return 0.1 * obs[:, 9:21]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            Springs(), (torch.zeros(1, 48),), input_names=["obs"], output_names=["actions"], dynamo=True, verbose=False
        )
    model = program.model_proto
    joints = ",".join(read_shipped(tmp_path).joints)
    scale = ",".join(["0.373,0.373,0.249"] * 4)
    home = ",".join(["0.100,0.900,-1.800", "-0.100,0.900,-1.800"] * 2)
    props = {"joint_names": joints, "action_scale": scale, "default_joint_pos": home, "run_path": "none"}
    helper.set_model_props(model, props)
    onnx.save(model, tmp_path / "policy.onnx")
    policy = load(tmp_path, "policy")
    options = json.loads(policy.info.conventions["task_options"])
    env = open_world(policy.info.conventions["task"], {**options, "episode_s": 0.4, "push_m_s": (0, 0)}, 2, 1)
    # Its command is relative to the same home and of the same scale as ours: it passes through unchanged.
    policy.reset(np.arange(2))
    observation = env.reset(np.arange(2))
    names = env.info.observation["observation.state"].names
    positions = [names.index(f"{joint}.position") for joint in read_shipped(tmp_path).joints]
    commands = policy.act(observation)[:, 0]
    assert np.allclose(commands, 0.1 * observation["observation.state"][:, positions], atol=1e-5)
    made = rollout(env, policy, range(4))
    assert "fell" not in made.outcome_names
    env.close()


def read_shipped(folder):
    (folder / "foreign.yaml").write_text("extends: mjlab-go1-velocity\n")
    return read_foreign(folder)
