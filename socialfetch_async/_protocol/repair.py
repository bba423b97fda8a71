"""Valid text out of a body that is paid for and would be refused for one broken character."""

import json
from typing import Any

import msgspec


def repaired(body: bytes) -> bytes | None:
    """Make valid JSON text of a body with lone surrogates or bytes that are not UTF-8.

    Servers that cut a name inside an emoji send exactly that, and would at every retry: the page
    is paid for, so it is repaired from the bytes that came. None when it is no JSON at all.
    """
    try:
        parsed = json.loads(body.decode("utf-8-sig", "replace"))
        _drop_broken_cursor(parsed)
        text = json.dumps(parsed, ensure_ascii=False).encode("utf-8", "replace")
        msgspec.json.decode(text)
    except (ValueError, msgspec.DecodeError, RecursionError):
        return None
    return text


def _drop_broken_cursor(parsed: Any) -> None:
    """Remove a next cursor that did not survive: a repaired one would ask for another page.

    The rows are delivered, and the walk ends as `missing_cursor`, which is not silent.
    """
    try:
        page = parsed["data"]["page"]
        cursor = page["nextCursor"]
        if "\ufffd" in cursor or any("\ud800" <= char <= "\udfff" for char in cursor):
            page["nextCursor"] = None
    except (TypeError, KeyError, IndexError):
        return
