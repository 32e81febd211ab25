"""`motorium doctor DATASET` says what is wrong, repairs where it is asked to, and its exit code tells."""

import json

from motorium.cli import main
from tests.data.test_malformed import edit_info


def test_the_command_says_what_is_wrong_and_exits_with_one(root, capsys):
    edit_info(root, total_frames=3)
    assert main(["doctor", str(root)]) == 1
    said = capsys.readouterr().out
    assert "'total_frames' is stale" in said and "expected: 22" in said and "1 of them" in said
    assert main(["doctor", str(root), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["findings"][0]["check"] == "info"
    assert main(["doctor", str(root), "--repair"]) == 0
    assert "no problems" in capsys.readouterr().out
    assert main(["doctor", str(root), "--deep"]) == 0


def test_the_command_repairs_elsewhere(root, tmp_path, capsys):
    edit_info(root, total_frames=3)
    assert main(["doctor", str(root), "--repair", "--out", str(tmp_path / "new"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dataset"] == str(tmp_path / "new")
    assert main(["doctor", str(root), "--out", str(tmp_path / "other")]) == 2
    assert main(["doctor", "--repair"]) == 2
    assert main(["doctor", str(tmp_path / "nowhere")]) == 2
