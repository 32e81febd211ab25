"""Seeds in words, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorium.core.errors import SpecError
from motorium.evaluate.seeds import format_seeds, parse_seeds


@given(st.sets(st.integers(0, 500)))
def test_parsing_reverses_formatting(seeds):
    assert parse_seeds(format_seeds(seeds)).tolist() == sorted(seeds)


def test_runs_are_ranges():
    assert format_seeds([3, 1, 2, 9, 20, 21]) == "1-3,9,20-21"


@pytest.mark.parametrize(
    ("text", "message"), [("1-", "numbers and ranges"), ("a", "numbers"), ("5-3", "3-5"), ("1-3,2", "twice")]
)
def test_malformed_seeds_are_refused(text, message):
    with pytest.raises(SpecError, match=message):
        parse_seeds(text)
