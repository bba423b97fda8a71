"""What a caller may pass. Everything wrong is refused here, before anything is sent or spent."""

import ipaddress
import math
import re
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import unquote, urlsplit

from socialfetch_async._text import shortened
from socialfetch_async.errors import InvalidHandleError

# TikTok's own alphabet; the vendor's page allows 1 to 64 characters. ASCII on purpose: `\w` and
# `str.isalnum` would let other scripts through. `.` and `..` are path segments of their own.
_HANDLE: Final = re.compile(r"[A-Za-z0-9._]{1,64}")
# A profile's URL; what follows the handle is a slash, a query or a fragment, and nothing else.
_PROFILE: Final = re.compile(
    r"(?:https?://)?(?:www\.|m\.)?tiktok\.com/(?:@|%40)([A-Za-z0-9._]+)/?(?:[?#].*)?",
    re.IGNORECASE | re.ASCII | re.DOTALL,
)
_PATH: Final = re.compile(r"/v[0-9]+(/([A-Za-z0-9._~@:!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+)+")
_CREDITS: Final = re.compile(r"[0-9]{1,15}")
# How a message names a key to somebody who has none.
A_KEY: Final = (
    "a key from the vendor's dashboard (https://www.socialfetch.dev); it begins with sfk_"
)
_API_KEY: Final = re.compile(r"[\x21-\x7e]+")


def clean_handle(handle: str) -> str:
    """Return the handle as it is sent: without white space around it and one leading @.

    The URL of a profile, such as https://www.tiktok.com/@name, is its handle.

    Raises:
        InvalidHandleError: It is not 1 to 64 of `A-Z a-z 0-9 . _`, or it is `.` or `..`.
        TypeError: It is not text.
    """
    if not isinstance(handle, str):
        raise TypeError(f"a handle must be a str, not {type(handle).__name__}")
    cleaned = handle.strip()
    profile = _PROFILE.fullmatch(cleaned)
    cleaned = profile[1] if profile else cleaned.removeprefix("@")
    if _HANDLE.fullmatch(cleaned) and cleaned not in {".", ".."}:
        return cleaned
    if "://" in handle or "tiktok.com/" in handle.lower():
        rule = "Of URLs, only a profile's is a handle: https://www.tiktok.com/@name."
    else:
        rule = (
            "A handle is 1 to 64 letters, digits, dots and underscores, with or without a "
            "leading @."
        )
    raise InvalidHandleError(
        f"not a TikTok handle: {shortened(handle)}. {rule} No request was sent."
    )


def opaque(name: str, value: str | None) -> str | None:
    """Check a cursor or user id, which the API wants with at least one character."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str or None, not {type(value).__name__}")
    if not value:
        raise ValueError(f"{name} must not be empty: leave it out")
    try:
        value.encode()
    except UnicodeEncodeError:
        # A URL drops lone surrogates in silence: the cursor would ask for another page.
        raise ValueError(f"{name} has a character that is not valid Unicode text") from None
    return value


def path(value: str) -> str:
    """Check the route of a list. What goes into a segment has to be percent-encoded."""
    if not isinstance(value, str):
        raise TypeError(f"path must be a str, not {type(value).__name__}")
    segments = unquote(value).split("/")
    if not _PATH.fullmatch(value) or not {".", ".."}.isdisjoint(segments):
        raise ValueError(
            f"not a path of the API: {shortened(value)}. It begins with /v1/ and has no query: "
            "percent-encode what you put into it, and pass the query as params"
        )
    return value


def rows_field(value: str) -> str:
    """Check the field of a list's `data` that holds its rows."""
    if not isinstance(value, str):
        raise TypeError(f"items must be a str, not {type(value).__name__}")
    if value in {"", "page", "lookupStatus"}:
        raise ValueError(f"items must be the field of data that holds the rows, not {value!r}")
    return value


def params(
    values: Mapping[str, str | int | bool | None] | None,
) -> Mapping[str, str | int | bool | None]:
    """Check a query."""
    if values is None:
        return {}
    if not isinstance(values, Mapping):
        raise TypeError(f"params must be a mapping of name to value, not {type(values).__name__}")
    for name, value in values.items():
        if not isinstance(name, str) or not isinstance(value, str | int | None):
            raise TypeError("params must map names to str, int, bool or None")
        opaque("a name in params", name)
        opaque(f"params[{name!r}]", value if isinstance(value, str) else None)
        if name == "cursor":
            raise ValueError("the cursor must be passed as cursor=..., not in params")
    return values


def starts(
    handles: Iterable[str] | Mapping[str, str | None],
) -> tuple[dict[str, str | None], int]:
    """Return each handle once with its start cursor, and how many came again.

    Handles are the same when they differ in case, white space or one leading @; the spelling
    and the cursor that came first are kept.
    """
    if isinstance(handles, str | bytes) or not isinstance(handles, Iterable):
        raise TypeError("handles must be an iterable of handles, or a mapping of handle to cursor")
    pairs = handles.items() if isinstance(handles, Mapping) else ((h, None) for h in handles)
    first: dict[str, str] = {}
    cursors: dict[str, str | None] = {}
    total = 0
    for handle, cursor in pairs:
        cleaned = clean_handle(handle)
        start = opaque("cursor", cursor)
        total += 1
        if first.setdefault(cleaned.lower(), cleaned) == cleaned and cleaned not in cursors:
            cursors[cleaned] = start
    return cursors, total - len(cursors)


def positive(name: str, value: int | None) -> int | None:
    """Check a count that is at least 1; None, which is no limit, passes."""
    return None if value is None else required(name, value)


def required(name: str, value: int) -> int:
    """Check a count that is at least 1 and has to be there."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, not {value}")
    return value


def credits_of(name: str, text: str | None) -> int | None:
    """Read a number of credits from the environment; unset or empty is no limit.

    Raises:
        ValueError: It is not a whole number from 1 on, in ASCII digits.
    """
    if not text:
        return None
    if not _CREDITS.fullmatch(text) or not int(text):
        raise ValueError(
            f"{name} must be a whole number of credits from 1 on, not {shortened(text)}"
        )
    return int(text)


def flag(name: str, value: bool) -> bool:  # noqa: FBT001 - it is what is checked
    """Check a switch, so that `"false"` is not taken for True."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be a bool, not {type(value).__name__}")
    return value


def seconds(name: str, value: float, *, zero: bool = False) -> float:
    """Check a finite number of seconds: more than 0, or from 0 on where `zero` says so."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}")
    try:
        finite = math.isfinite(value)
    except OverflowError:  # an int with hundreds of digits
        finite = False
    if not finite or value < 0 or (value == 0 and not zero):
        least = "at least 0" if zero else "more than 0"
        raise ValueError(f"{name} must be a finite number of seconds, {least}, not {value}")
    return value


def api_key(key: str | None) -> str:
    """Check the key. Its value is in no message."""
    if key is not None and not isinstance(key, str):
        raise TypeError(f"api_key must be a str, not {type(key).__name__}")
    if not key:
        raise ValueError(
            f"no API key. Set SOCIALFETCH_API_KEY to {A_KEY}, or pass api_key=... "
            "To try it without a key: socialfetch demo"
        )
    if not _API_KEY.fullmatch(key):
        raise ValueError(
            "the API key has a character that is not valid in a key (white space, a line break or "
            "non-ASCII text): check how it was copied or read from its file"
        )
    return key


def base_url(url: str) -> str:
    """Return the API's origin (and path prefix, if any) without a slash at the end."""
    if not isinstance(url, str):
        raise TypeError(f"base_url must be a str, not {type(url).__name__}")
    rule = "base_url must be https://HOST, or http:// for localhost"
    if any(c.isspace() or not c.isprintable() for c in url) or "\\" in url:
        raise ValueError(f"{rule}; it has a character that is not valid in a URL")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        # Its text may quote the address, with a password in it.
        raise ValueError(f"{rule}; its host or port is not valid") from None
    if "@" in parts.netloc:
        raise ValueError(f"{rule}; it must have no user name or password")
    if "?" in url or "#" in url:
        raise ValueError(f"{rule}; it must have no query and no fragment")
    secure = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))
    if not host or not secure:
        raise ValueError(f"{rule}, so that the key is never sent in the clear; not {url!r}")
    return url.rstrip("/")


def origin(url: str) -> str:
    """Return a base URL as one API is told from another: scheme, host, port and path."""
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}:{port}{parts.path.rstrip('/')}"


def proxy(url: str | None) -> str | None:
    """Check the address of a proxy. It may hold a password, so no message quotes it."""
    if url is None:
        return None
    if not isinstance(url, str):
        raise TypeError(f"proxy must be a str or None, not {type(url).__name__}")
    if wrong := _wrong_with_proxy(url):
        raise ValueError(f"proxy must be http://[user:password@]host:port, or https://; {wrong}")
    return url


def _wrong_with_proxy(url: str) -> str:
    """Say what is wrong; raise nothing, so that no traceback shows the parts."""
    if any(c.isspace() or not c.isprintable() for c in url) or "\\" in url:
        return "it has a character that is not valid in a URL"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "its host or port is not valid (percent-encode the user name and password)"
    if parts.scheme not in {"http", "https"}:
        return "it has another scheme" if parts.scheme else "its scheme is missing"
    if not host or not port:
        return "its host or port is missing"
    if parts.path not in {"", "/"} or "?" in url or "#" in url:
        return "it has a path, a query or a fragment (percent-encode the user name and password)"
    return ""


def _is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
