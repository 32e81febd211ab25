"""The SQLite database of a ROS 2 bag, opened read-only.

Source: rosbag2_storage_sqlite3 (tables `topics` and `messages`; `message_definitions` since schema version 4).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import zstandard

from motorium.core.errors import DataError
from motorium.data.bounds import LARGEST_SAMPLE
from motorium.data.formats.bags.source import LATEST_NS, MOST_UNFOLDED, Channel, Message, file_state

MAGIC = b"SQLite format 3\0"

MOST_ROWS = 2**40

# What a damaged database raises: also when its own error message quotes damaged text.
FAULTS = (sqlite3.Error, UnicodeDecodeError, OverflowError)


class Rosbag2Db:
    """One database of a ROS 2 bag; see `source.BagFile`. `folded`: each message is compressed by itself (zstd)."""

    def __init__(self, path: Path, folded: bool = False) -> None:
        self.path = path
        self._folded = folded
        self.channels: dict[int, Channel] = {}
        self.metadata: list[tuple[str, dict[str, str]]] = []
        self.problems: list[str] = []
        self.keep: object = None
        self.count = 0
        self._state = file_state(path)

    def scan(self) -> Iterator[Message]:
        """Yield every message in the order of its row; what is damaged is left out and said in `problems`."""
        with closing(self._open()) as database:
            self._describe(database)
            journal = self.path.with_name(self.path.name + "-wal")
            if journal.is_file() and journal.stat().st_size:
                self.problems.append(
                    f"messages that are only in {journal.name} are left out: the recorder did not finish"
                )
            unknown = 0
            try:
                for message in self._rows(database, ""):
                    if message is None or message.channel not in self.channels:
                        unknown += 1
                        continue
                    self.count += 1
                    yield message
            except FAULTS as error:
                self.problems.append(
                    f"the database is damaged or cut off ({error}): the {self.count:,} messages before are read, what"
                    " follows is missing"
                )
        if unknown:
            self.problems.append(f"{unknown:,} messages of no topic, or without valid time or data, are left out")

    def messages(self, channels: Collection[int]) -> Iterator[Message]:
        """Yield the messages of some channels again, in the same order."""
        # As numbers, not as bound parameters: there may be more topics than SQLite binds.
        listed = ",".join(str(int(channel)) for channel in sorted(channels))
        with closing(self._open()) as database:
            try:
                for message in self._rows(database, f"WHERE topic_id IN ({listed})"):
                    if message is not None:
                        yield message
            except FAULTS:
                # `scan` met the same end, and said so.
                return

    def read(self, places: Iterable[int]) -> Iterator[memoryview]:
        """Yield the data of the messages in rows `places`."""
        with closing(self._open()) as database:
            for place in places:
                try:
                    row = database.execute("SELECT data FROM messages WHERE id = ?", (int(place),)).fetchone()
                except FAULTS as error:
                    raise DataError("a message cannot be read", where=f"{self.path}, row {place}", got=error) from error
                data = self._unfold(row[0]) if row is not None and isinstance(row[0], bytes) else None
                if data is None:
                    raise DataError("a message cannot be read", where=f"{self.path}, row {place}")
                yield data

    def _open(self) -> sqlite3.Connection:
        if file_state(self.path) != self._state:
            raise DataError(
                "a recording changed while it was read", where=self.path, remedy="try again when it is whole"
            )
        return open_database(self.path)

    def _rows(self, database: sqlite3.Connection, where: str) -> Iterator[Message | None]:
        """Yield messages in the order of rows; None for a row that is none."""
        last = -1
        for row, topic, time_ns, data in database.execute(
            f"SELECT id, topic_id, timestamp, data FROM messages {where} ORDER BY id"
        ):
            if isinstance(row, int) and row <= last:
                # Pages of a damaged database may form a circle.
                raise sqlite3.DatabaseError("rows are not in order")
            last = row if isinstance(row, int) else last
            right = all(isinstance(number, int) for number in (row, topic, time_ns)) and isinstance(data, bytes)
            if not right or not 0 <= row < MOST_ROWS or abs(time_ns) > LATEST_NS:
                yield None
                continue
            whole = self._unfold(data)
            yield None if whole is None else Message(topic, time_ns, row, whole)

    def _unfold(self, data: bytes) -> memoryview | None:
        """Return a message's data; None when it is compressed and damaged."""
        if not self._folded:
            return memoryview(data)
        try:
            reader = zstandard.ZstdDecompressor(max_window_size=2**30).stream_reader(data)
            whole = reader.read(min(LARGEST_SAMPLE, len(data) * MOST_UNFOLDED) + 1)
        except (zstandard.ZstdError, ValueError, MemoryError):
            return None
        return memoryview(whole) if len(whole) <= LARGEST_SAMPLE else None

    def _describe(self, database: sqlite3.Connection) -> None:
        try:
            if not has_tables(database, ("messages", "topics")):
                raise sqlite3.DatabaseError("it has no tables 'topics' and 'messages'")
            topics = database.execute("SELECT id, name, type, serialization_format FROM topics ORDER BY id").fetchall()
            definitions = {}
            if has_tables(database, ("message_definitions",)):
                rows = database.execute(
                    "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
                )
                definitions = {str(kind): (str(encoding), str(text)) for kind, encoding, text in rows.fetchall()}
        except FAULTS as error:
            raise DataError("the topics of a ROS 2 bag cannot be read", where=self.path, got=error) from error
        for number, name, kind, encoding in topics:
            written, text = definitions.get(str(kind), ("", ""))
            self.channels[number] = Channel(
                number, str(name), str(kind), str(encoding), text.encode(), written if text else ""
            )


def open_database(path: Path) -> sqlite3.Connection:
    """Open a database so that nothing is ever written to it, or beside it.

    Raises:
        DataError: when it cannot be opened.
    """
    try:
        # Immutable: SQLite neither locks it nor looks for a journal to replay. A path has no query part: it is quoted.
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        database.text_factory = lambda data: data.decode("utf-8", "replace")
        database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST_SAMPLE)
        # A hostile schema may define views and triggers; nothing of the file's is trusted.
        database.execute("PRAGMA trusted_schema = OFF")
        return database
    except FAULTS as error:
        raise DataError("a database cannot be opened", where=path, got=error) from error


def has_tables(database: sqlite3.Connection, names: tuple[str, ...]) -> bool:
    """Whether a database has tables of these names that it stores: views and virtual tables compute, without end."""
    marks = ",".join("?" * len(names))
    query = f"SELECT count(*) FROM sqlite_master WHERE type = 'table' AND rootpage > 0 AND name IN ({marks})"
    return database.execute(query, names).fetchone()[0] == len(names)
