"""robomimic, robosuite and Isaac Lab HDF5: what is read is what was written, hostile files are refused, and back."""

import json

import h5py
import numpy as np
import pytest

from motorium.core.errors import DataError
from motorium.core.progress import Silent
from motorium.data.dataset import open_dataset
from motorium.data.episode import Episode
from motorium.data.formats.robomimic import FORMAT
from motorium.data.writer import DatasetSpec, DatasetWriter
from motorium.data.writers.robomimic import WRITER, RobomimicSpec
from tests.data.hdf5_samples import ROBOSUITE_ENV, write_isaac_lab, write_robomimic
from tests.support.real import real_data


@pytest.fixture
def sample(tmp_path):
    path = tmp_path / "low_dim.hdf5"
    return path, write_robomimic(path)


def pictures(segment, key):
    return np.stack(list(segment.pictures(key, np.arange(segment.streams[key].count))))


def into_dataset(log, root):
    """Streams with a target, joined in order and copied step by step; pictures stay lossless."""
    targets = {}
    for key, stream in log.segments[0].streams.items():
        if stream.target:
            targets.setdefault(stream.target, []).append(key)
    features = {}
    for target, keys in targets.items():
        found = [log.segments[0].streams[key].feature for key in keys]
        if found[0].visual:
            features[target] = found[0].__class__(dtype="image", shape=found[0].shape, names=found[0].names)
        elif len(found) == 1:
            features[target] = found[0]
        else:
            names = tuple(name for one in found for name in one.names)
            features[target] = found[0].__class__(dtype=found[0].dtype, shape=(len(names),), names=names)
    spec = DatasetSpec(fps=log.rate_hz, features=features, conventions=dict(log.conventions), durable=False)
    with DatasetWriter(root, spec=spec) as writer:
        for segment in log.segments:
            arrays, frames = {}, {}
            for target, keys in targets.items():
                if features[target].visual:
                    frames[target] = pictures(segment, keys[0])
                else:
                    parts = [segment.values(key) for key in keys]
                    arrays[target] = np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]
            content = {name: read() for name, read in segment.attachments().items()}
            task = segment.task or "lift"
            writer.add(Episode(arrays=arrays, frames=frames, task=task, meta=segment.meta, attachments=content))
    return open_dataset(root)


def test_recognises_by_content_a_file_and_its_folder(sample, tmp_path):
    path, _ = sample
    renamed = path.rename(tmp_path / "anything.hdf5")
    assert "demo_0" in FORMAT.recognise(renamed)
    assert "demo_0" in FORMAT.recognise(tmp_path)
    (tmp_path / "text").write_text("data/demo_0")
    assert FORMAT.recognise(tmp_path / "text") is None


def test_demonstrations_stand_in_numeric_order(tmp_path):
    write_robomimic(tmp_path / "d.hdf5", lengths=(2,) * 12)
    names = [segment.name for segment in FORMAT.open(tmp_path / "d.hdf5").segments]
    assert names == [f"demo_{index}" for index in range(12)]


def test_numbers_are_as_written_and_suggested_as_state_action_and_outcome(sample):
    path, demos = sample
    log = FORMAT.open(path)
    assert (log.rate_hz, log.robot_type, log.problems) == (20.0, "Panda", ())
    for segment, demo in zip(log.segments, demos, strict=True):
        for key in ("actions", "states", "obs/robot0_eef_pos", "obs/object"):
            assert np.array_equal(segment.values(key), demo[key])
        assert np.array_equal(segment.values("rewards")[:, 0], demo["rewards"])
        assert np.array_equal(segment.values("actions", 1, 3), demo["actions"][1:3])
        assert np.array_equal(pictures(segment, "obs/agentview_image"), demo["obs/agentview_image"])
    targets = {key: stream.target for key, stream in log.segments[0].streams.items()}
    state = [key for key, target in targets.items() if target == "observation.state"]
    assert state == ["obs/robot0_eef_pos", "obs/robot0_eef_quat", "obs/robot0_gripper_qpos"]
    assert targets["actions"] == "action"
    assert targets["rewards"] == "next.reward"
    assert targets["dones"] == "next.done"
    assert targets["obs/object"] == "observation.environment_state"
    assert targets["obs/agentview_image"] == "observation.images.agentview"
    assert targets["obs/robot0_joint_pos"] == "observation.robot0_joint_pos"
    assert targets["next_obs/object"] is None
    assert log.segments[0].streams["actions"].feature.units == ("normalized",) * 7


def test_robosuite_quaternions_are_handed_over_w_first(sample):
    path, demos = sample
    segment = FORMAT.open(path).segments[0]
    stream = segment.streams["obs/robot0_eef_quat"]
    x, y, z, w = demos[0]["obs/robot0_eef_quat"].T
    assert np.array_equal(segment.values("obs/robot0_eef_quat"), np.stack([w, x, y, z], axis=1))
    assert stream.feature.names == tuple(f"robot0_eef_quat.{axis}" for axis in "wxyz")
    assert stream.align == "slerp"
    assert "xyzw" in stream.note


def test_filter_keys_and_the_model_go_with_the_segment(sample):
    log = FORMAT.open(sample[0])
    assert [segment.meta["filter_keys"] for segment in log.segments] == [["train"], ["train"], ["valid"]]
    assert log.segments[1].attachments()["model.xml"]() == b"<mujoco model='1'/>"


def test_isaac_lab_keeps_mimic_annotations_as_streams_of_their_own(tmp_path):
    demo = write_isaac_lab(tmp_path / "dataset.hdf5")
    log = FORMAT.open(tmp_path / "dataset.hdf5")
    segment = log.segments[0]
    assert log.rate_hz == 20.0
    assert log.facts["kind"] == "Isaac Lab"
    assert segment.meta == {"seed": 42, "success": True}
    targets = {key: stream.target for key, stream in segment.streams.items()}
    for name in ("eef_pose/franka", "object_pose/cube_1", "target_eef_pose/franka"):
        key = f"obs/datagen_info/{name}"
        assert np.array_equal(segment.values(key), demo[key])
        assert segment.streams[key].feature.shape == (4, 4)
        assert targets[key] == "observation.datagen_info." + name.replace("/", ".")
    signal = "obs/datagen_info/subtask_term_signals/grasp_1"
    assert segment.values(signal)[:, 0].tolist() == [False, False, False, True, True, True]
    assert np.array_equal(segment.values("obs/eef_quat"), demo["obs/eef_quat"])
    initial = segment.streams["initial_state/articulation/robot/joint_position"]
    assert (initial.count, initial.target) == (1, None)


def test_libero_states_its_task_as_words(tmp_path):
    write_robomimic(tmp_path / "d.hdf5")
    with h5py.File(tmp_path / "d.hdf5", "a") as file:
        file["data"].attrs["problem_info"] = json.dumps({"language_instruction": '"put the bowl away"'})
    assert FORMAT.open(tmp_path / "d.hdf5").segments[0].task == "put the bowl away"


def test_a_wrong_sample_count_is_a_problem_in_words(sample):
    path, _ = sample
    with h5py.File(path, "a") as file:
        file["data/demo_1"].attrs["num_samples"] = 99
    assert FORMAT.open(path).problems == ("/data/demo_1 states 99 samples and holds 7",)


@pytest.mark.real
def test_real_robosuite_demonstrations_are_read_as_recorded():
    # Facts read off with h5py and by subtracting the first column of the states.
    path = real_data("robosuite_demo_lift") / "demo.hdf5"
    log = FORMAT.open(path)
    assert [(one.name, one.streams["actions"].count) for one in log.segments] == [
        ("demo_1", 482),
        ("demo_2", 510),
        ("demo_3", 392),
    ]
    assert (log.rate_hz, log.robot_type) == (20.0, "Panda")
    assert log.facts["environment"] == "Lift"
    assert log.facts["repository_version"] == "1.4.0"
    assert log.segments[0].streams["states"].target == "observation.state"
    with h5py.File(path) as file:
        for segment in log.segments:
            for key in ("actions", "states"):
                assert np.array_equal(segment.values(key), file[f"data/{segment.name}/{key}"][:])
            model = file[f"data/{segment.name}"].attrs["model_file"]
            assert segment.attachments()["model.xml"]().decode() == model
    assert log.segments[0].values("states")[-1, 0] == pytest.approx(24.05)


class TestHostile:
    def refuse(self, path, match):
        with pytest.raises(DataError, match=match):
            FORMAT.open(path)

    def test_a_link_to_another_file_is_refused(self, sample, tmp_path):
        path, _ = sample
        write_robomimic(tmp_path / "secret.hdf5")
        with h5py.File(path, "a") as file:
            file["data/demo_0/obs/leak"] = h5py.ExternalLink("secret.hdf5", "/data/demo_0/actions")
        self.refuse(path, "links to another file")

    def test_a_demonstration_behind_a_link_to_another_file_is_refused(self, sample, tmp_path):
        path, _ = sample
        write_robomimic(tmp_path / "secret.hdf5")
        with h5py.File(path, "a") as file:
            file["data/demo_9"] = h5py.ExternalLink("secret.hdf5", "/data/demo_0")
        self.refuse(path, "links to another file")

    def test_data_in_another_file_are_refused(self, sample, tmp_path):
        path, _ = sample
        (tmp_path / "raw").write_bytes(bytes(5 * 8))
        with h5py.File(path, "a") as file:
            file.create_dataset("data/demo_0/obs/raw", (5,), "f8", external=[(str(tmp_path / "raw"), 0, 40)])
        self.refuse(path, "in another file")

    def test_virtual_data_are_refused(self, sample):
        path, _ = sample
        with h5py.File(path, "a") as file:
            layout = h5py.VirtualLayout((5, 3), "f8")
            layout[:] = h5py.VirtualSource("secret.hdf5", "x", (5, 3))
            file.create_virtual_dataset("data/demo_0/obs/virtual", layout)
        self.refuse(path, "in another file")

    def test_a_filter_that_would_load_a_library_is_refused(self, sample):
        path, _ = sample
        with h5py.File(path, "a") as file:
            properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            properties.set_chunk((1, 3))
            properties.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, (1,))
            space, kind = h5py.h5s.create_simple((5, 3)), h5py.h5t.IEEE_F64LE
            h5py.h5d.create(file["data/demo_0/obs"].id, b"blosc", kind, space, properties)
        self.refuse(path, "a filter that is not read")

    def test_an_array_that_declares_more_than_it_stores_is_refused(self, sample):
        path, _ = sample
        with h5py.File(path, "a") as file:
            file.create_dataset("data/demo_0/obs/bomb", (10**9, 1000), "f8", chunks=(1, 1000), compression="gzip")
        self.refuse(path, "impossible size")

    def test_a_chunk_that_cannot_be_held_is_refused(self, sample):
        path, _ = sample
        with h5py.File(path, "a") as file:
            file.create_dataset("data/demo_0/obs/bomb", (5, 4), "f8", chunks=(10**8, 4), maxshape=(None, 4))
        self.refuse(path, "chunk of an HDF5 array has an impossible size")

    def test_links_within_and_other_types_are_left_out_in_words(self, sample):
        path, _ = sample
        with h5py.File(path, "a") as file:
            file["data/demo_0/obs/alias"] = h5py.SoftLink("/data/demo_0/actions")
            file.create_dataset("data/demo_0/obs/lists", (5,), h5py.vlen_dtype(np.float64))
            file.create_dataset("data/demo_0/obs/pointer", (5,), h5py.ref_dtype)
        log = FORMAT.open(path)
        assert not {"obs/alias", "obs/lists", "obs/pointer"} & set(log.segments[0].streams)
        assert [problem.split()[0].rsplit("/", 1)[1] for problem in log.problems] == ["alias", "lists", "pointer"]

    def test_groups_that_hold_themselves_end(self, sample):
        path, _ = sample
        with h5py.File(path, "a") as file:
            file["data/demo_0/obs/loop"] = file["data/demo_0/obs"]
        self.refuse(path, "nested too deeply")

    def test_a_truncated_file_says_so(self, sample, tmp_path):
        path, _ = sample
        content = path.read_bytes()
        for share in (0.1, 0.5, 0.9, 0.99):
            short = tmp_path / f"{share}.hdf5"
            short.write_bytes(content[: int(len(content) * share)])
            assert "cannot be read" in FORMAT.recognise(short)
            self.refuse(short, "truncated or damaged")


class TestWriter:
    @pytest.fixture
    def written(self, sample, tmp_path):
        dataset = into_dataset(FORMAT.open(sample[0]), tmp_path / "dataset")
        made = WRITER.write(dataset, tmp_path / "out.hdf5", RobomimicSpec(next_observations=True), Silent())
        return made, sample[1]

    def test_a_robomimic_file_comes_back_bitwise(self, written, sample):
        made, demos = written
        with h5py.File(made.paths[0]) as file:
            assert file["data"].attrs["total"] == 16
            assert json.loads(file["data"].attrs["env_args"]) == ROBOSUITE_ENV
            for index, demo in enumerate(demos):
                group = file[f"data/demo_{index}"]
                assert group.attrs["num_samples"] == len(demo["actions"])
                assert group.attrs["model_file"] == f"<mujoco model='{index}'/>"
                for key in set(demo) - {"states"}:
                    assert group[key].dtype == demo[key].dtype, key
                    assert group[key][:].tobytes() == demo[key].tobytes(), key
                    assert group[key].shape == demo[key].shape, key
            assert list(file["mask/train"]) == [b"demo_0", b"demo_1"]
            assert list(file["mask/valid"]) == [b"demo_2"]

    def test_reading_it_again_gives_equal_streams(self, written, sample):
        again, first = FORMAT.open(written[0].paths[0]), FORMAT.open(sample[0])
        assert again.rate_hz == first.rate_hz
        for one, other in zip(again.segments, first.segments, strict=True):
            assert one.task == "lift"
            assert one.meta["filter_keys"] == other.meta["filter_keys"]
            for key, stream in other.streams.items():
                if stream.target is None:
                    continue
                assert one.streams[key].feature == stream.feature
                assert one.streams[key].target == stream.target
                if stream.feature.visual:
                    assert np.array_equal(pictures(one, key), pictures(other, key))
                else:
                    assert one.values(key).tobytes() == other.values(key).tobytes()

    def test_next_observations_are_those_of_the_next_step(self, written):
        with h5py.File(written[0].paths[0]) as file:
            group = file["data/demo_1"]
            for key in ("object", "agentview_image", "robot0_eef_quat"):
                assert np.array_equal(group[f"next_obs/{key}"][:-1], group[f"obs/{key}"][1:])
                assert np.array_equal(group[f"next_obs/{key}"][-1], group[f"obs/{key}"][-1])
        assert any(text.startswith("next_obs of each last step") for text in written[0].left_out)

    def test_mimic_annotations_are_put_back(self, tmp_path):
        demo = write_isaac_lab(tmp_path / "a.hdf5")
        dataset = into_dataset(FORMAT.open(tmp_path / "a.hdf5"), tmp_path / "dataset")
        made = WRITER.write(dataset, tmp_path / "b.hdf5", RobomimicSpec(), Silent())
        with h5py.File(made.paths[0]) as file:
            group = file["data/demo_0"]
            assert (group.attrs["seed"], group.attrs["success"]) == (42, True)
            for key, values in demo.items():
                if key.startswith("obs/datagen_info") or key == "processed_actions":
                    assert np.array_equal(group[key][:], values), key
            assert np.array_equal(group["dones"][:], [0, 0, 0, 0, 0, 1])
            assert "rewards" not in group
        assert [text.split(":")[0] for text in made.left_out] == ["rewards", "dones"]

    def test_splits_become_filter_keys(self, sample, tmp_path):
        dataset = into_dataset(FORMAT.open(sample[0]), tmp_path / "dataset")
        (tmp_path / "dataset/meta/splits.json").write_text('{"train": [2, 0], "val": [1]}')
        made = WRITER.write(dataset, tmp_path / "out.hdf5", RobomimicSpec(), Silent())
        with h5py.File(made.paths[0]) as file:
            # As drawn since, not joined with the recording's own: demo_2 was `valid` there, and would be in both.
            assert list(file["mask/valid"]) == [b"demo_1"]
            assert list(file["mask/train"]) == [b"demo_0", b"demo_2"]

    def test_nothing_is_overwritten_and_nothing_half_written_stays(self, sample, tmp_path, monkeypatch):
        dataset = into_dataset(FORMAT.open(sample[0]), tmp_path / "dataset")
        (tmp_path / "there.hdf5").write_text("mine")
        with pytest.raises(DataError, match="already something"):
            WRITER.write(dataset, tmp_path / "there.hdf5", RobomimicSpec(), Silent())
        assert (tmp_path / "there.hdf5").read_text() == "mine"

        def full(*_, **__):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(h5py.Group, "create_dataset", full)
        before = sorted(tmp_path.iterdir())
        with pytest.raises(DataError, match="cannot be written"):
            WRITER.write(dataset, tmp_path / "new.hdf5", RobomimicSpec(), Silent())
        assert sorted(tmp_path.iterdir()) == before

    def test_names_of_joints_do_not_split_a_state(self, tmp_path):
        names = ("shoulder_pan.pos", "gripper.pos")
        feature = {"dtype": "float32", "shape": (2,), "names": names}
        spec = DatasetSpec.parse({"fps": 30, "features": {"observation.state": feature}, "durable": False})
        with DatasetWriter(tmp_path / "d", spec=spec) as writer:
            writer.add(Episode(arrays={"observation.state": np.ones((3, 2), np.float32)}, task="x"))
        made = WRITER.write(open_dataset(tmp_path / "d"), tmp_path / "o.hdf5", RobomimicSpec(), Silent())
        with h5py.File(made.paths[0]) as file:
            assert list(file["data/demo_0/obs"]) == ["state"]

    def test_a_mask_is_written_beside_what_it_masks(self, tmp_path):
        names = ("eef_pos.x", "eef_pos.y", "grip.0")
        features = {
            "observation.state": {"dtype": "float32", "shape": (3,), "names": names},
            "observation.state.valid": {"dtype": "bool", "shape": (3,), "names": names},
        }
        spec = DatasetSpec.parse({"fps": 30, "features": features, "durable": False})
        values, valid = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([[1, 1, 0], [1, 1, 1]], bool)
        with DatasetWriter(tmp_path / "d", spec=spec) as writer:
            writer.add(Episode(arrays={"observation.state": values, "observation.state.valid": valid}, task="x"))
        made = WRITER.write(open_dataset(tmp_path / "d"), tmp_path / "o.hdf5", RobomimicSpec(), Silent())
        with h5py.File(made.paths[0]) as file:
            observed = file["data/demo_0/obs"]
            assert sorted(observed) == ["eef_pos", "grip", "state.valid"]
            assert np.array_equal(observed["eef_pos"][:], values[:, :2]) and np.array_equal(
                observed["state.valid"], valid
            )
