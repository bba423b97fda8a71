"""Texts, counts and paths, made fit for a message, a log record or a terminal."""

import os
import re
import shlex
import sys
from typing import Final

# What cmd and PowerShell take as it is, wherever it stands in a word.
_PLAIN: Final = re.compile(r"[\w/\\:.=+-]+")


def one_line(value: object, secret: str = "", *, most: int = 500) -> str:
    """Return one printable line of what somebody else wrote.

    Control characters, line breaks and characters that change the direction or the look of what
    stands beside them become spaces: a name must not be able to write another log record, to
    colour a terminal, or to show a message in another order than it has.

    Args:
        value: What came; anything but text is the empty line.
        secret: The API key, cut out in case it is echoed.
        most: The most characters that are kept.
    """
    if not isinstance(value, str):
        return ""
    line = value if value.isprintable() else "".join(c if c.isprintable() else " " for c in value)
    if secret:
        line = line.replace(secret, "[api key]")
    return line[:most]


def shortened(text: str) -> str:
    """Quote a value for a message, cut so that one long cursor does not fill a log.

    Everything that is not printable is escaped, as by `repr`, so the exact value can be read.
    """
    return repr(text if len(text) <= 80 else f"{text[:77]}...")


def quoted(word: str) -> str:
    """Quote a word of a command to copy, for the shells of this system."""
    if sys.platform != "win32":
        return shlex.quote(word)
    # cmd takes single quotes for a part of the name: of another file, and so of another batch.
    if _PLAIN.fullmatch(word):
        return word
    behind = word[len(word.rstrip("\\")) :]  # before a quotation mark they count half
    return f'"{word}{behind}"'


def install(extra: str) -> str:
    """Return how an extra is installed: from a checkout, until the package is on an index."""
    return f"in a checkout of socialfetch-async, run: pip install '.[{extra}]'"


def encodable(path: str | os.PathLike[str]) -> str:
    """Return a path as text for JSON and logs: bytes that are not UTF-8 are escaped."""
    return os.fsencode(path).decode(errors="backslashreplace")


def count(amount: int, noun: str) -> str:
    """Return an amount with its noun: `1 page`, `2 pages`, `1,000 pages`."""
    return f"{amount:,} {noun}{'s' * (amount != 1)}"
