"""limits: stated limits of joints, and speed relative to the group; expectations are worked out by hand."""

import dataclasses

import numpy as np
import pytest

from motorium.core.errors import DataError, SpecError
from motorium.data.curate.limits import CHECK, stated_limits
from motorium.data.curate.policy import CurationSpec, load_checks
from tests.data.curation import ACTION, STATE, changed, group, judged, only_in_5, recording

NAMES = {STATE: ("left_elbow", "right_elbow", "wrist")}


def ramp(speed: float, steps: int = 91):
    """A joint at 30 Hz that moves at `speed` a second from 0, another one at rest."""
    state = np.zeros((steps, 3))
    state[:, 1] = speed * np.arange(steps) / 30
    return recording({STATE: state}, names=NAMES)


def test_a_position_beyond_a_stated_limit_is_an_error_with_its_steps():
    # 1 rad/s for 3 s passes 2 rad after step 60; the slack is 1 % of the width of 4 rad.
    [[found]] = judged(CHECK, [ramp(1.0)], limits={"*elbow": (-2.0, 2.0, None)})
    assert found.severity == "error" and found.steps == (62, 91) and found.threshold == 2.0
    assert found.value == pytest.approx(3.0) and "right_elbow" in found.message
    assert judged(CHECK, [ramp(1.0)], limits={"*elbow": (-3.0, 3.0, None)}) == [[]]
    assert judged(CHECK, [ramp(1.0)], limits={"left*": (-2.0, 2.0, None)}) == [[]]


def test_a_speed_beyond_a_stated_limit_is_an_error():
    [[found]] = judged(CHECK, [ramp(1.0)], limits={"right*": (None, None, 0.9)})
    assert found.severity == "error" and found.value == pytest.approx(1.0)
    assert judged(CHECK, [ramp(1.0)], limits={"right*": (None, None, 1.0)}) == [[]]


def test_the_first_pattern_that_matches_holds():
    limits = {"right*": (None, None, None), "*": (-0.1, 0.1, None)}
    assert judged(CHECK, [ramp(1.0)], limits=limits) == [[]]


def test_motion_four_times_as_fast_is_found():
    found = judged(CHECK, group(lambda one: changed(one, **{k: one.arrays[k][::4] for k in (STATE, ACTION)})))
    assert only_in_5(found) and found[5][0].severity == "warning"


def test_one_element_that_is_far_too_fast_is_named():
    def spoil(one):
        state = one.arrays[STATE].copy()
        # 12 standard deviations in 0.4 s and back, over and over.
        state[:, 2] += 6 * np.abs((np.arange(300) % 24) / 6 - 2)
        return changed(one, state=state)

    found = judged(CHECK, group(spoil))
    assert only_in_5(found) and "element 2" in found[5][0].message


def test_limits_are_read_off_the_conventions():
    words = {"robot": "so101", "limits.*elbow*": "[-1.5, 2, null]"}
    assert stated_limits(words) == {"*elbow*": [-1.5, 2, None]}
    for text in ("[1, 2]", "1", "[1, 2, 'x']", '{"a": 1}'):
        with pytest.raises(DataError, match="not valid"):
            stated_limits({"limits.a": text})


def test_limits_hold_at_any_rate():
    slow = dataclasses.replace(ramp(1.0), fps=60.0)
    [[found]] = judged(CHECK, [slow], limits={"right*": (None, None, 1.5)})
    assert found.value == pytest.approx(2.0)


def test_limits_of_joints_may_stand_without_their_fields_name():
    short = CurationSpec.parse({"limits": {"limits": {"*elbow*": [-2.9, 2.9, None], "slack": 0.02}}})
    long = CurationSpec.parse({"limits": {"limits": {"limits": {"*elbow*": [-2.9, 2.9, None]}, "slack": 0.02}}})
    assert short == long and short.digest() == long.digest()
    [(_, limits)] = load_checks(short.replace(checks=("limits",), strict=()))
    assert limits.limits == {"*elbow*": (-2.9, 2.9, None)} and limits.slack == 0.02


def test_limits_of_joints_that_are_no_limits_are_refused():
    spec = CurationSpec.parse({"limits": {"limits": {"elbow": [1, 2]}}, "checks": ["limits"], "strict": []})
    with pytest.raises(SpecError):
        load_checks(spec)
