"""Every reader, on damaged copies of small recordings: each is read, or refused by an error that names it.

Nothing else: no other exception, no crash of the interpreter, no hang (20 s of CPU), no more than 1.25 GiB of memory,
nothing written beside the recording, nothing opened outside of its folder. A worker process does the reading under
limits, since native libraries may crash it.

`MOTORIUM_FUZZ_EXAMPLES=2000 pytest tests/data/fuzz` tries that many damaged copies of each seed, different ones in
every run, and every file of each seed in attacks by hand; the default is few and always the same: each kind of damage
once a seed, each file in turn. A failure prints the command that repeats it.
"""

import os

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from motorium.data.formats import FORMATS, LOGS
from tests.data.fuzz.case import LONG, Bench, told
from tests.data.fuzz.corpus import SEEDS
from tests.data.fuzz.mutate import KINDS, mutations, one_of_each_kind

FEW = 2
PROFILE = settings(
    deadline=None,
    database=None,
    derandomize=not LONG,
    phases=(Phase.generate, Phase.shrink),
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(params=SEEDS, ids=lambda one: one.name, scope="module")
def bench(request, tmp_path_factory, worker):
    made = Bench(tmp_path_factory.mktemp(request.param.name), request.param, worker)
    yield made
    made.close()


def hold(bench, changes):
    """The property."""
    verdict, words = bench.read(changes)
    if verdict.failed:
        pytest.fail(told(bench.seed, changes, words, verdict), pytrace=False)


def test_every_format_has_a_seed():
    assert {one.format for one in SEEDS} == {*FORMATS, *LOGS}
    assert all(one.format in (LOGS if one.kind == "log" else FORMATS) for one in SEEDS)


def test_an_undamaged_seed_is_read_whole(bench):
    verdict, _ = bench.read([])
    assert verdict.steps > 5 and not verdict.refused and not verdict.failed


def test_damage_is_read_or_refused(bench):
    @settings(PROFILE, max_examples=FEW)
    @given(mutations())
    def holds(changes):
        hold(bench, changes)

    holds()


@pytest.mark.slow
def test_every_kind_of_damage_is_read_or_refused(bench):
    tried = one_of_each_kind(bench.seed.name)
    assert {changes[0].kind for changes in tried} == set(KINDS)
    for changes in tried:
        hold(bench, changes)


@pytest.mark.slow
@pytest.mark.skipif(not LONG, reason="MOTORIUM_FUZZ_EXAMPLES is not set")
def test_much_damage_is_read_or_refused(bench):
    @seed(int.from_bytes(os.urandom(4)))
    @settings(PROFILE, max_examples=LONG)
    @given(mutations())
    def holds(changes):
        hold(bench, changes)

    holds()
