"""The file of a journal, as another operating system has it."""

import os
from pathlib import Path

from socialfetch_async.journal.file import AppendOnly


def test_it_is_read_from_its_beginning_wherever_its_lock_is(tmp_path: Path) -> None:
    """Windows locks a byte far behind the text, and leaves the file's position there."""
    path = tmp_path / "a.journal"
    path.write_bytes(b"one\n")
    file = AppendOnly(path)
    try:
        os.lseek(file.fd, 1 << 40, os.SEEK_SET)
        with file.reader() as content:
            assert content.read() == b"one\n"
        file.end = 4
        os.lseek(file.fd, 1 << 40, os.SEEK_SET)
        assert file.append([b"two", b"\n"]) == (4, 4)
        assert path.read_bytes() == b"one\ntwo\n"
    finally:
        file.close()
