"""Which seeds a policy says it was made from."""

from motorium.data.writer import DatasetWriter
from motorium.stages.train import read_training_data
from tests.data.recordings import make_episode, make_spec


def test_seeds_of_the_demonstrations_behind_amplified_data_are_named_too(tmp_path):
    spec = make_spec(conventions={"data_seeds": "0-2,100001"})
    with DatasetWriter(tmp_path / "d", spec=spec) as writer:
        for seed in (100_000, 100_001, 100_005):
            writer.add(make_episode(seed, 30))
    data = read_training_data(tmp_path / "d", ())
    assert data.conventions["data_seeds"] == "0-2,100000-100001,100005"
