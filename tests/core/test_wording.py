"""Numbers are worded alike everywhere."""

from motorium.core.wording import counted


def test_one_is_singular_and_all_else_plural():
    said = [counted(n, "episode") for n in (0, 1, 2, 1200)]
    assert said == ["0 episodes", "1 episode", "2 episodes", "1,200 episodes"]
