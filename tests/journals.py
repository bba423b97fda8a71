"""Journals of any content, line by line, for tests of what reads them."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zlib import crc32

FIRST = "2026-11-22T12:00:00.000000Z-000000"
BEGAN = datetime(2026, 11, 22, 12, tzinfo=UTC)


def at(seconds: float) -> str:
    """Return a time as a journal has it, counted from its beginning."""
    return (BEGAN + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def row(handle: str, **fields: Any) -> dict[str, Any]:
    """Return a row as the API sends it, as short as documented; fields by their API names."""
    return {
        "handle": handle,
        "displayName": None,
        "avatarUrl": None,
        "bio": None,
        "verified": False,
        "privateAccount": False,
        "metrics": {"followers": 1, "following": 2},
    } | fields


def page(
    handle: str,
    rows: Sequence[Any],
    cursor: str | None = None,
    then: str | None = None,
    *,
    seconds: float = 0,
    **fields: Any,
) -> dict[str, Any]:
    """Return the line of a page; rows that are names are rows with that handle."""
    return {
        "type": "page",
        "at": at(seconds),
        "handle": handle,
        "reading": FIRST,
        "cursor": cursor,
        "lookup_status": "found",
        "next_cursor": then,
        "has_more": then is not None,
        "total_followers": 9,
        "credits_charged": 1,
        "request_id": f"req_{handle}_{cursor}",
        "cached": False,
        "invalid_rows": 0,
        "answer": {"data": {"followers": [row(r) if isinstance(r, str) else r for r in rows]}},
    } | fields


def done(handle: str, status: str, *, seconds: float = 0, **fields: Any) -> dict[str, Any]:
    """Return the line of a handle that has ended."""
    return {
        "type": "handle",
        "at": at(seconds),
        "handle": handle,
        "status": status,
        "reading": FIRST,
        "cursor": None,
        "pages": 1,
        "followers": 0,
        "credits_charged": 1,
        "error": None,
    } | fields


def write(path: Path, *lines: dict[str, Any]) -> Path:
    """Write a journal."""
    header = {"type": "header", "version": 2, "made_by": "tests", "at": at(0)}
    path.write_bytes(b"".join(map(as_line, (header, *lines))))
    return path


def as_line(line: dict[str, Any]) -> bytes:
    """Return a line as it stands in a journal, with its checksum."""
    return checked(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode())


def checked(text: bytes) -> bytes:
    """Return the text of a JSON object as a line of a journal."""
    text = text.rstrip(b"\n")[:-1]
    return text + b',"crc":"%08x"}\n' % crc32(text)
