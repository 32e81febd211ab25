"""ROS 2 bags: a folder with metadata.yaml and its files (SQLite or MCAP, split, compressed), or one SQLite file.

Source: rosbag2_storage/metadata_io (metadata.yaml); rosbag2_compression (compression of files and of messages).
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml
import zstandard

from motorium.core.errors import DataError, first_line
from motorium.data.bounds import MIB, check_size, inside, read_metadata
from motorium.data.formats.bags.log import has_magic, magic_files, one_log, read_recording
from motorium.data.formats.bags.mcap_file import MAGIC as MCAP
from motorium.data.formats.bags.mcap_file import McapFile
from motorium.data.formats.bags.rosbag2_db import FAULTS, Rosbag2Db, has_tables, open_database
from motorium.data.formats.bags.rosbag2_db import MAGIC as SQLITE
from motorium.data.formats.bags.source import MOST_UNFOLDED, BagFile, open_binary
from motorium.data.log import Log

METADATA = "metadata.yaml"
KEY = "rosbag2_bagfile_information"
TABLES = ("messages", "topics")

LARGEST_YAML = 16 * MIB
DEEPEST_YAML = 64
ZSTD = b"\x28\xb5\x2f\xfd"

# libyaml's where PyYAML was built with it; both are safe loaders.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Rosbag2:
    """The format; see `log.LogFormat`."""

    def recognise(self, path: Path) -> str | None:
        """Return what shows it: metadata.yaml with rosbag2's key, or a database with its tables."""
        if path.is_dir():
            if _has_key(path / METADATA):
                return f"{METADATA} holds {KEY}"
            found = [file for file in magic_files(path, SQLITE) if _is_bag(file)]
            return f"{found[0].name} has the tables messages and topics" if found else None
        return "a SQLite database with the tables messages and topics" if _is_bag(path) else None

    def open(self, path: Path) -> Log:
        """Index a bag.

        Raises:
            DataError: when its metadata or files are damaged, absent or outside its folder.
        """
        if not path.is_dir():
            return one_log("rosbag2", path, read_recording(path.stem, [_file(path, "")]), {"storage": "sqlite3"}, ())
        if _has_key(path / METADATA):
            return _open_folder(path)
        # metadata.yaml is written last: a recorder that was killed leaves only the databases.
        files = [Rosbag2Db(file) for file in magic_files(path, SQLITE) if _is_bag(file)]
        if not files:
            raise DataError("this is no ROS 2 bag", where=path, expected=f"{METADATA}, or a database with messages")
        problems = [f"{METADATA} is missing: the recorder did not finish; files are read in the order of their names"]
        return one_log("rosbag2", path, read_recording(path.name, files), {"storage": "sqlite3"}, problems)


def _open_folder(path: Path) -> Log:
    where = path / METADATA
    info = _read_info(where)
    mode, kind = (str(info.get(f"compression_{name}") or "").lower() for name in ("mode", "format"))
    if mode not in ("", "none", "file", "message") or (mode in ("file", "message") and kind != "zstd"):
        raise DataError("the bag's compression is not known", where=where, got=f"{mode} {kind}", expected="zstd")
    problems: list[str] = []
    files: list[BagFile] = []
    for name in _names(info, where):
        file = inside(path, name, where)
        if not file.is_file():
            # Bags are often copied without the folder that their paths begin with.
            file = inside(path, Path(name).name, where)
        if not file.is_file():
            problems.append(f"{name} is missing: its messages are left out")
            continue
        files.append(_file(file, mode))
    if not files:
        raise DataError("the files of a ROS 2 bag are missing", where=path, expected=_names(info, where))
    segment = read_recording(path.name, files)
    facts = {"storage": str(info.get("storage_identifier", "")), "ROS": str(info.get("ros_distro") or "")}
    declared = info.get("message_count")
    if isinstance(declared, int) and declared != segment.recording.count:
        problems.append(f"{METADATA} says {declared:,} messages, the files hold {segment.recording.count:,}")
    return one_log("rosbag2", path, segment, {key: value for key, value in facts.items() if value}, problems)


def _read_info(where: Path) -> Mapping[str, Any]:
    data = read_metadata(where, LARGEST_YAML)
    try:
        _check_yaml(data)
        loader = _LOADER(data)
        try:
            node = loader.get_single_node()
            plain = None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except (yaml.YAMLError, ValueError, RecursionError, UnicodeDecodeError) as error:
        raise DataError("metadata.yaml cannot be read", where=where, got=first_line(error)) from error
    info = plain.get(KEY) if isinstance(plain, Mapping) else None
    if not isinstance(info, Mapping):
        raise DataError("metadata.yaml is of no ROS 2 bag", where=where, expected=KEY)
    return info


def _check_yaml(data: bytes) -> None:
    """Refuse YAML that unfolds without bound (aliases), or is nested so deeply that the loader's stack ends."""
    depth = 0
    for event in yaml.parse(data, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST_YAML:
            raise yaml.YAMLError("it is nested too deeply")


def _names(info: Mapping[str, Any], where: Path) -> Sequence[str]:
    names = info.get("relative_file_paths")
    if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names) or not names:
        raise DataError("metadata.yaml lists no files", where=where, got=names, expected="relative_file_paths")
    if len(set(names)) != len(names):
        raise DataError("metadata.yaml lists a file twice", where=where, got=names)
    return names


def _file(path: Path, mode: str) -> BagFile:
    if mode == "file" and has_magic(path, ZSTD):
        return _unfolded(path)
    if has_magic(path, MCAP):
        if mode == "message":
            raise DataError(
                "MCAP files whose messages are compressed one by one are not read",
                where=path,
                remedy="convert the bag: `ros2 bag convert` with compression_mode: none",
            )
        return McapFile(path)
    if has_magic(path, SQLITE):
        return Rosbag2Db(path, folded=mode == "message")
    raise DataError("a file of a ROS 2 bag is damaged", where=path, expected="an SQLite database or an MCAP file")


def _unfolded(path: Path) -> BagFile:
    """Unfold a compressed file of a bag into a temporary one, which goes with the reader."""
    folder = tempfile.TemporaryDirectory(prefix="motorium-bag-")
    target = Path(folder.name) / path.stem
    at_most = path.stat().st_size * MOST_UNFOLDED + MIB
    size = 0
    try:
        with open_binary(path) as file, open(target, "wb") as out:
            reader = zstandard.ZstdDecompressor(max_window_size=2**30).stream_reader(file)
            while data := reader.read(MIB):
                size = check_size("an unfolded file", size + len(data), at_most, path)
                out.write(data)
    except (zstandard.ZstdError, OSError) as error:
        raise DataError("a compressed file of a ROS 2 bag is damaged", where=path, got=error) from error
    made = _file(target, "")
    made.keep = folder
    return made


def _has_key(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with open(path, "rb") as file:
            return KEY.encode() in file.read(4096)
    except OSError:
        return False


def _is_bag(path: Path) -> bool:
    if not path.is_file() or not has_magic(path, SQLITE):
        return False
    try:
        with closing(open_database(path)) as database:
            return has_tables(database, TABLES)
    except (*FAULTS, DataError):
        return False


FORMAT = Rosbag2()
