"""Valid JSON text out of a body that is paid for and would be refused for one broken character.

Servers that cut a name inside an emoji, or write strings by hand, send such text at every retry.
Nothing here guesses at the structure: brackets, colons and quotes stay as they came.
"""

import re
from enum import Enum
from io import StringIO
from typing import Final

import msgspec

# What is nested deeper reads null. Documented answers have 5 levels; how many a decoder can take
# depends on the Python that runs it.
DEEPEST: Final = 64
# Brackets, texts and words of one object. A page of 200 followers has 10,000; a body with more
# than this keeps the process busy and is no page.
MOST_TOKENS: Final = 500_000
# A damaged text that is longer is no name and no biography, and reads null.
_LONGEST: Final = 1 << 16


class Damage(Enum):
    """Why a body is beyond repair."""

    NO_JSON = "no object in it"
    CUT = "it ends before its object does"
    MALFORMED = "it arrived whole and is not JSON"
    ENDLESS = "damaged text too large to repair"


# No possessive or nested repeats: those of Python 3.11.2 match wrongly. A text with more escapes
# than one match takes is gone through in several.
_TEXT: Final = r'[^"\\]*(?:\\.[^"\\]*){0,1000}(?P<end>"?)'
_TOKEN: Final = re.compile(
    rf'"{_TEXT}|(?P<open>[\[{{])|(?P<close>[\]}}])|(?P<comma>,)[ \t\r\n]*(?=[\]}}])'
    r'|(?P<word>[^\x00-\x20",:\[\]{}\ufeff]+)|(?P<junk>[\x00-\x08\x0b\x0c\x0e-\x1f\ufeff]+)',
    re.DOTALL,
)
_REST: Final = re.compile(_TEXT, re.DOTALL)
_COLON: Final = re.compile(r"[ \t\r\n]*:[ \t\r\n]*")
_WORD: Final = re.compile(
    r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null", re.ASCII
)
_OTHER_WORDS: Final = {"true": "true", "false": "false"}  # Python's
_SUSPECT: Final = re.compile(
    r'\\(?!["\\/bfnrt]|u[0-9a-fA-F]{4})|\\u[dD][89a-fA-F]|[\x00-\x1f\ufffd]'
)
_ESCAPE: Final = re.compile(
    r"""\\(?: (?P<good>["\\/bfnrt] | u(?![dD][89a-fA-F])[0-9a-fA-F]{4}
                | u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})
            | (?P<cut>u[0-9a-fA-F]{0,4}) | x(?P<byte>[0-9a-fA-F]{2}) | (?P<other>.) )""",
    re.VERBOSE | re.DOTALL,
)
_CONTROLS: Final = {code: f"\\u{code:04x}" for code in range(32)}
_BEGINS: Final = re.compile(r"[\x00-\x20\ufeff]*(?=\{)")
# Behind a warning, a log line or a `while(1);` the object is looked for by its first name.
_BEGINS_LATER: Final = re.compile(r'(?=\{[ \t\r\n]{0,99}"(?:data|meta)"[ \t\r\n]{0,99}:)')
_IS_OBJECT: Final = re.compile(rb"[\x00-\x20\xef\xbb\xbf]*\{")
_any_json: Final = msgspec.json.Decoder(msgspec.Raw)


def repaired(body: bytes) -> bytes | None:
    """Return the object of a body as valid JSON text; None when that is not possible."""
    text = repair(body)
    return None if isinstance(text, Damage) else text


def repair(body: bytes) -> bytes | Damage:
    """Return the first object in a body as valid JSON text, or why that is not possible.

    Control characters, escapes that JSON does not have, halves of characters, NaN, whatever
    stands before or behind the object, and nesting without end are repaired, in a time that is
    linear in the size. A next cursor that is not certain reads false: another cursor would be
    another page, and null would be the end of the list.
    """
    if body[:1] == b"{" and is_valid(body):
        return body
    text = body.decode("utf-8", "replace")
    begins = _BEGINS.match(text) or _BEGINS_LATER.search(text)
    if begins is None:
        return Damage.NO_JSON
    repairs = _Repairs(text, begins.end())
    closed = repairs.run()
    if closed is None:
        return Damage.ENDLESS
    mended = repairs.text().encode("utf-8", "replace")
    try:
        _any_json.decode(mended)
    except msgspec.DecodeError as error:
        # What is wrong before its end was not cut, or not only.
        cut = not closed and "truncated" in str(error)
        return Damage.CUT if cut else Damage.MALFORMED
    return mended


def is_object(body: bytes) -> bool:
    """Whether a body begins as an object, and not as a page of HTML with one in it."""
    return _IS_OBJECT.match(body) is not None


def is_valid(body: bytes) -> bool:
    """Whether a body is JSON in UTF-8, nested no deeper than it can be decoded."""
    try:
        body.decode()  # msgspec does not look inside a text that it skips
        _any_json.decode(body)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return False
    return True


class _Repairs:
    """One pass over an object, which copies what is valid and mends the rest.

    Args:
        text: The body.
        start: Where the object begins.
    """

    def __init__(self, text: str, start: int) -> None:
        self._text = text
        self._copied = self._end = start
        self._out = StringIO()
        self._depth = 0
        self._too_deep_at = 0
        self._cursor_at = -1

    def text(self) -> str:
        """Return the object, mended, as far as it came."""
        if self._depth > DEEPEST:
            self._put(self._too_deep_at, self._end, "")
        return self._out.getvalue() + self._text[self._copied : self._end]

    def run(self) -> bool | None:
        """Mend the object; return whether it is closed, None if it is too large."""
        for _ in range(MOST_TOKENS):
            token = _TOKEN.search(self._text, self._end)
            if token is None:
                self._end = len(self._text)
                return False
            start, self._end = token.start(), token.end()
            kind = token.lastgroup
            if kind == "open":
                self._depth += 1
                if self._depth == DEEPEST + 1:
                    self._too_deep_at = start
            elif kind == "close":
                self._depth -= 1
                if self._depth == DEEPEST:
                    self._put(self._too_deep_at, self._end, "null")
                if not self._depth:
                    return True
            elif kind == "end":
                self._text_at(start, closed=bool(token["end"]))
            elif self._depth <= DEEPEST:
                self._mend(kind, start)
        return None

    def _mend(self, kind: str | None, start: int) -> None:
        word = self._text[start : self._end]
        if kind != "word":  # a comma before a bracket, or control characters
            self._put(start, self._end, " ")
        elif not _WORD.fullmatch(word):
            mended = "false" if start == self._cursor_at else _OTHER_WORDS.get(word.lower(), "null")
            self._put(start, self._end, mended)

    def _text_at(self, start: int, *, closed: bool) -> None:
        """Mend a text; the first part of it that one match takes is behind `start`."""
        while not closed:
            rest = _REST.match(self._text, self._end)
            assert rest is not None
            if rest.end() == self._end:
                self._end = len(self._text)  # the body ends in it
                if self._depth <= DEEPEST:
                    self._put(start, self._end, '"')
                return
            self._end = rest.end()
            closed = bool(rest["end"])
        if self._depth > DEEPEST:
            return
        text = self._text[start : self._end]
        if _SUSPECT.search(text):
            mended = _mended(text, exactly=start == self._cursor_at)
            if mended != text:
                self._put(start, self._end, mended)
        elif text == '"nextCursor"':
            colon = _COLON.match(self._text, self._end)
            self._cursor_at = colon.end() if colon else -1

    def _put(self, start: int, end: int, there: str) -> None:
        self._out.write(self._text[self._copied : start])
        self._out.write(there)
        self._copied = end


def _mended(text: str, *, exactly: bool) -> str:
    """Return a text, in its quotes, as JSON has it; null if nothing of it can be used."""
    if len(text) > _LONGEST:
        return "false" if exactly else "null"
    mended = _ESCAPE.sub(_escape, text)
    if exactly and (mended != text or "\ufffd" in text):
        return "false"
    return mended.translate(_CONTROLS)


def _escape(found: re.Match[str]) -> str:
    if found["good"]:
        return found[0]
    if found["cut"]:
        return "?"
    if found["byte"]:
        return f"\\u00{found['byte']}"
    return found["other"]  # a backslash that nobody needs, as before an apostrophe
