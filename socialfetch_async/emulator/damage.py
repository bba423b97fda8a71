"""Pages as they should not be: one value in, its bytes out."""

import json
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

_MARK = "\ue000"  # in no name
_IN_A_NAME: Final = {
    "control-character": b"\x01",
    "raw-newline": b"\n",
    "bad-escape": b"\\'",
    "surrogate": b"\\ud83d",
    "bad-utf8": b"\xf0\x9f",
}
_BEHIND: Final = {"nul-behind": b"\0" * 4, "text-behind": b"\n<!-- served by edge-7 -->\n"}
_ROWS: Final = ("followers", "accounts", "profile")

Value = dict[str, Any]


def encoded(value: Any) -> bytes:
    """Return a value as JSON."""
    return json.dumps(value, ensure_ascii=False).encode()


def damaged(fault: str, body: Value) -> bytes | None:
    """Return what is sent for a page, None where the fault is not in the text.

    The value is changed on the way.
    """
    if fault in _IN_A_NAME:
        row = _first(body)
        row["displayName"] = f"{row.get('displayName') or ''}{_MARK}"
        return encoded(body).replace(_MARK.encode(), _IN_A_NAME[fault])
    if fault in _BEHIND:
        return encoded(body) + _BEHIND[fault]
    if fault == "half":
        whole = encoded(body)
        return whole[: len(whole) // 2]
    if fault == "beyond-repair":
        return encoded(body).replace(b'"lookupStatus":', b'"lookupStatus"')
    change = _CHANGES.get(fault)
    return None if change is None else encoded(change(body))


def compressed(body: bytes) -> bytes:
    """Return bytes as gzip."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return packer.compress(body) + packer.flush()


@lru_cache(maxsize=1)
def bomb() -> bytes:
    """Return 100 MB of JSON text in 100 kB of gzip."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    block = b"a" * 1_000_000
    parts = [packer.compress(b'{"data": "'), *(packer.compress(block) for _ in range(100))]
    return b"".join([*parts, packer.flush()])


def _first(body: Value) -> Value:
    """Return the first row, or the profile, or what stands in its place."""
    data: Value = body["data"]
    for name in _ROWS:
        if rows := data.get(name):
            row: Value = rows[0] if isinstance(rows, list) else rows
            return row
    note: Value = data.setdefault("note", {})
    return note


def _nan(body: Value) -> Value:
    row = body["data"] if "profile" in body["data"] else _first(body)
    row["metrics"] = {**(row.get("metrics") or {}), "followers": float("nan")}
    return body


def _bad_row(body: Value) -> Value:
    _first(body)["verified"] = "no"
    return body


def _unknown_fields(body: Value) -> Value:
    _first(body)["newer"] = {"a": None}
    body["data"]["new"] = [1]
    return {"new": [1], **body}


def _unknown_status(body: Value) -> Value:
    data: Value = body["data"]
    for name in data:
        data[name] = [] if isinstance(data[name], list) else None
    data["lookupStatus"] = "suspended"
    if "profile" not in data:
        data["page"] = {"nextCursor": None, "hasMore": False}
    return body


def _priced(body: Value, price: int | None) -> Value:
    meta = {name: value for name, value in body["meta"].items() if name != "creditsCharged"}
    return {**body, "meta": meta if price is None else {**meta, "creditsCharged": price}}


def _renamed(body: Value) -> Value:
    data = {"items" if name in _ROWS else name: value for name, value in body["data"].items()}
    return {**body, "data": data}


def _without_page(body: Value) -> Value:
    data = {name: value for name, value in body["data"].items() if name != "page"}
    return {**body, "data": data}


_CHANGES: Final[dict[str, Callable[[Value], Any]]] = {
    "nan": _nan,
    "bad-row": _bad_row,
    "unknown-fields": _unknown_fields,
    "unknown-status": _unknown_status,
    "no-meta": lambda body: {"data": body["data"]},
    "meta-null": lambda body: {**body, "meta": None},
    "price-missing": lambda body: _priced(body, None),
    "price-negative": lambda body: _priced(body, -3),
    "price-absurd": lambda body: _priced(body, 10**12),
    "envelope-list": lambda body: [body],
    "envelope-page": _without_page,
    "envelope-rows": _renamed,
}
