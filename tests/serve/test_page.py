"""The page on serving is true: its own client's example runs, and its limits are the server's."""

import contextlib
import io
import re
from pathlib import Path

from motorium.commands.serve import add_arguments
from motorium.serve.openpi import ServeSpec, running
from tests.serve.policies import Echo

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "openpi-client.md").read_text()


def test_the_example_of_our_client_runs():
    block = next(text for text in re.findall(r"```python\n(.*?)```", PAGE, re.S) if "motorium.serve.client" in text)
    out = io.StringIO()
    with running(Echo(side=224)) as server, contextlib.redirect_stdout(out):
        exec(compile(block.replace("ws://127.0.0.1:8000", server.url), "openpi-client.md", "exec"), {})
    assert out.getvalue() == "(14,)\n"


def test_every_command_line_is_accepted():
    import argparse

    parser = argparse.ArgumentParser()
    add_arguments(parser)
    lines = re.findall(r"^    motorium serve (.*)$", PAGE, re.M)
    assert len(lines) >= 2
    parsed = [parser.parse_args(line.split()) for line in lines]
    assert parsed[0].host == "127.0.0.1" and parsed[0].port == 8000 and parsed[1].token_file.name == "token.txt"


def test_the_numbers_are_the_defaults():
    spec = ServeSpec()
    assert (spec.host, spec.port) == ("127.0.0.1", 8000) and f"no ping for {spec.idle_timeout_s:g} s" in PAGE
