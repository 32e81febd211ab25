import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorium.core.errors import SpecError
from motorium.core.random import stream
from motorium.synth.amplify_spec import AmplifySpec
from motorium.synth.rounds import Rounds


def run(spec, share, order=lambda shards: shards):
    """Make attempts that succeed by a draw of their own; return the counted outcomes and all seeds handed out."""
    rounds, outcomes, seeds = Rounds(spec), [], []
    while shards := rounds.next_shards():
        for shard in order(shards):
            made = [stream(int(seed), "outcome").random() < share for seed in shard]
            rounds.add(made)
            outcomes += made
            seeds += shard.tolist()
    return outcomes[: rounds.counted], seeds


@given(st.integers(1, 40), st.integers(1, 60), st.sampled_from([0.05, 0.5, 0.95, 1.0]))
def test_counted_attempts_do_not_depend_on_the_size_of_shards(target, size, share):
    spec = AmplifySpec(target_successes=target, shard_attempts=size, max_attempts=2000)
    counted, seeds = run(spec, share)
    reference, _ = run(spec.replace(shard_attempts=1000), share)
    assert counted == reference
    assert sum(counted) == target and counted[-1]
    assert seeds == list(range(spec.first_seed, spec.first_seed + len(seeds)))


def test_no_shard_is_larger_than_asked():
    rounds = Rounds(AmplifySpec(target_successes=1000, shard_attempts=256))
    shards = rounds.next_shards()
    assert sum(len(shard) for shard in shards) >= 1000
    assert all(len(shard) <= 256 for shard in shards)


def test_attempts_stop_at_their_limit():
    counted, seeds = run(AmplifySpec(target_successes=100, max_attempts=70, shard_attempts=32), 0.5)
    assert len(counted) == len(seeds) == 70


def test_hopeless_amplification_ends():
    counted, _ = run(AmplifySpec(target_successes=10, max_attempts=500), 0.0)
    assert len(counted) == 500 and not any(counted)


def test_little_is_made_beyond_the_target():
    counted, seeds = run(AmplifySpec(target_successes=1000), 0.75)
    assert len(seeds) - len(counted) < 0.1 * len(counted)


def test_seeds_are_int64_for_reset():
    assert Rounds(AmplifySpec()).next_shards()[0].dtype == np.int64


@pytest.mark.parametrize("change", [{"jitter_low": 5, "jitter_high": 2}, {"max_interpolation_steps": 3}])
def test_contradictory_options_are_refused(change):
    with pytest.raises(SpecError):
        AmplifySpec.parse(change)


def test_every_option_is_described():
    assert all(field.description for field in AmplifySpec.model_fields.values())
