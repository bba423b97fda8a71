"""What the commands write and read: results as JSON, paths, and a line that is typed."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from socialfetch_async._terminal import write_lines
from socialfetch_async._text import encodable


def plain(value: object) -> Any:
    """Return a model as dicts, with the names that it has in Python at every level."""
    match value:
        case msgspec.Struct():
            return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
        case dict():
            return {name: plain(one) for name, one in value.items()}
        case tuple() | list():
            items = [plain(one) for one in value]
            names = getattr(value, "_fields", None)  # of a NamedTuple
            return items if names is None else dict(zip(names, items, strict=True))
        case Path():
            return encodable(value)
        case _:
            return value


def as_json(value: object) -> bytes:
    """Return a value as a line of JSON, which is fit for a terminal as well.

    What could steer one, or change the order of what it shows, is escaped.
    """
    line = msgspec.json.encode(plain(value)).decode()
    if not line.isprintable():
        line = "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)
        line = line.replace("\x7f", "\\u007f")
    return line.encode() + b"\n"


async def write_json(value: object) -> None:
    """Write a value to stdout as a line of JSON."""
    await write_lines([as_json(value)])


def here(path: Path) -> str:
    """Return a path as it can be typed in the current folder."""
    try:
        folder = Path.cwd()
    except OSError:  # somebody has deleted it
        return str(path)
    return str(path.relative_to(folder) if path.is_relative_to(folder) else path)


async def typed_line() -> str:
    """Wait for a line that is typed, so that a signal ends the waiting; a thread would hold it."""
    loop, typed = asyncio.get_running_loop(), asyncio.Event()
    try:
        loop.add_reader(sys.stdin.fileno(), typed.set)
    except NotImplementedError:  # Windows
        return await asyncio.to_thread(sys.stdin.readline)
    try:
        await typed.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
    return sys.stdin.readline()
