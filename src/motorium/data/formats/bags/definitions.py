"""Message definitions made ready for rosbags' parsers: comments gone, separated, and too small to keep them busy.

The parsers try alternatives: each parenthesis in an IDL expression multiplies their time by about fifty, and they
take some 40 microseconds a byte of .msg text. Definitions of real types shrink to a few kilobytes here.
"""

from __future__ import annotations

import re
from typing import Any

from rosbags.typesys import get_types_from_idl, get_types_from_msg

from motorium.data.formats.bags.types import Undecodable

LARGEST_MSG = 64 * 1024
LARGEST_IDL = 16 * 1024
LONGEST_LINE = 4096

SEPARATOR = "=" * 80

_IDL = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/|@[\w:]+|[()]|[^"/@()]+|.', re.DOTALL)
# Constants are not fields. A bound that is named by one is refused by the parser.
_CONSTANT = re.compile(r"\bconst\s[^;]*;")


def parse_msg(text: str, kind: str) -> dict[str, Any]:
    """Return the types of a .msg definition, with those it needs behind separators.

    Raises:
        Undecodable: when it is too large.
        rosbags' errors: when it is not valid.
    """
    lines = [line.rstrip() for line in text.replace("\r\n", "\n").split("\n")]
    lean = "\n".join(line for line in lines if line.strip() and not line.lstrip().startswith("#"))
    # Separators of any length occur; the parser knows one.
    lean = re.sub(r"^={20,}$", SEPARATOR, lean, flags=re.MULTILINE) + "\n"
    if len(lean) > LARGEST_MSG or any(len(line) > LONGEST_LINE for line in lean.split("\n")):
        raise Undecodable(f"its definition has {len(lean):,} characters without comments")
    return get_types_from_msg(lean, kind)


def parse_idl(text: str) -> dict[str, Any]:
    """Return the types of an IDL definition, with those it needs behind separators.

    Raises:
        Undecodable: when it is too large, or holds expressions in parentheses.
        rosbags' errors: when it is not valid.
    """
    types: dict[str, Any] = {}
    size = 0
    for part in re.split(r"^={20,}\n", text.replace("\r\n", "\n"), flags=re.MULTILINE):
        body = re.sub(r"\AIDL: [^\n]*\n", "", part)
        lean = re.sub(r"\s+", " ", _CONSTANT.sub("", _without_annotations(body))).strip()
        size += len(lean)
        if size > LARGEST_IDL:
            raise Undecodable(f"its definition has {size:,} characters without comments")
        # What is left of a module of constants is empty, which IDL does not know.
        while lean != (emptier := re.sub(r"module \w+ \{ ?\};?", "", lean).strip()):
            lean = emptier
        if lean:
            types |= get_types_from_idl(lean)
    return types


def _without_annotations(text: str) -> str:
    """Return IDL without comments, annotations and preprocessor lines."""
    kept: list[str] = []
    depth, after = 0, False
    for token in _IDL.findall(re.sub(r"^\s*#[^\n]*$", "", text, flags=re.MULTILINE)):
        if token.startswith("@") and not depth:
            after = True
        elif token == "(":
            if not (after or depth):
                raise Undecodable("its definition holds expressions in parentheses")
            depth += 1
        elif token == ")":
            depth, after = depth - 1, False
        elif not depth and not token.startswith(("//", "/*")):
            after = after and not token.strip()
            kept.append(token)
    return "".join(kept)
