"""A panel on a terminal: what it looks like, and how it is drawn over and over."""

import contextlib
import os
import signal
import sys
import textwrap
import threading
import unicodedata
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple, TextIO

from socialfetch_async._terminal import window

_EVERY: Final = 0.25  # seconds between two drawings
_NAME: Final = 11  # columns of the names, the space behind them included
# No line is wider than this: a terminal wraps the lines that do not fit into a window that becomes
# narrow, and may move some of them out of reach. So nothing is left down to 40 columns.
_WIDTH: Final = 39
_NOTE_LINES: Final = 4
_BOLD, _YELLOW, _PLAIN = "\x1b[1m", "\x1b[33m", "\x1b[0m"
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
# A line that is longer than a window that has just become narrow is cut, and not wrapped.
_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"
_REST_OF_LINE, _REST_OF_SCREEN = "\x1b[K", "\x1b[J"


class Picture(NamedTuple):
    """What a panel shows.

    Attributes:
        share: How much is done, from 0 to 1; None draws no bar.
        rows: Names and figures.
        notes: Sentences below them, which may take several lines.
    """

    share: float | None
    rows: Sequence[tuple[str, str]]
    notes: Sequence[str] = ()


class Style(NamedTuple):
    """What the terminal can show."""

    colour: bool
    blocks: bool

    @classmethod
    def of(cls, stream: TextIO) -> "Style":
        """Return what a terminal can show, as its environment says."""
        utf8 = (stream.encoding or "").lower().replace("-", "") == "utf8"
        return cls(not os.environ.get("NO_COLOR"), utf8)


def drawn(picture: Picture, columns: int, style: Style) -> list[str]:
    """Return the lines of a picture, none of them wider than a number of columns."""
    lines = []
    if picture.share is not None:
        lines.append(_bar(picture.share, columns - len(" 100 %"), style))
    for name, text in picture.rows:
        line = _cut(f"{name:<{_NAME}}{text}", columns)
        lines.append(f"{_BOLD}{line[:_NAME]}{_PLAIN}{line[_NAME:]}" if style.colour else line)
    for note in picture.notes:
        for line in textwrap.wrap(note, max(8, columns), max_lines=_NOTE_LINES, placeholder=" ..."):
            cut = _cut(line, columns)
            lines.append(f"{_YELLOW}{cut}{_PLAIN}" if style.colour else cut)
    return lines


def painted(above: Sequence[str], lines: Sequence[str], rows: int) -> str:
    """Return what draws a panel over the one before, and leaves the cursor at its first column.

    The cursor stays at the top. So, however a terminal wraps the old lines when its window is
    resized, the whole panel is behind the cursor, and nothing of it is left.

    Args:
        above: Lines that stay, above the panel.
        lines: The panel.
        rows: Height of the window.
    """
    shown = list(lines[: max(1, rows - 1)])
    text = "".join(f"{line}{_REST_OF_LINE}\n" for line in above)
    body = f"{_REST_OF_LINE}\n".join(shown)
    up = f"\x1b[{len(shown) - 1}A" if len(shown) > 1 else ""
    return f"{_WRAP}\r{text}{_NO_WRAP}{body}{_REST_OF_SCREEN}{_WRAP}\r{up}"


def _bar(share: float, columns: int, style: Style) -> str:
    width = max(0, columns)
    full = int(width * min(1.0, share))
    done, left = ("█", "░") if style.blocks else ("#", ".")
    return f"{done * full}{left * (width - full)} {int(min(1.0, share) * 100):>3} %"


def _cut(text: str, columns: int) -> str:
    """Cut a text that is too wide, and say so by three dots."""
    if _width(text) <= columns:
        return text
    kept, width = [], 0
    for character in text:
        width += _width(character)
        if width > columns - 3:
            break
        kept.append(character)
    return f"{''.join(kept)}..."[:columns]


def _width(text: str) -> int:
    return len(text) if text.isascii() else sum(map(_columns_of, text))


def _columns_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


class Screen:
    """Draws a picture on stderr again and again, by a thread of its own.

    The thread may wait for a terminal that Ctrl-S holds; the work does not. A terminal that is gone
    ends the drawing and nothing else.

    Attributes:
        picture: What is drawn next.
        above: Lines that are written above it, once, and stay.
    """

    def __init__(self, picture: Picture) -> None:
        self.picture = picture
        self.above: deque[str] = deque()
        self._style = Style.of(sys.stderr)
        self._over = threading.Event()
        self._writing = threading.RLock()
        self._thread = threading.Thread(target=self._draw, daemon=True)
        self._suspension = _suspension()
        if self._suspension is not None:
            signal.signal(self._suspension, self._suspend)
        self._thread.start()

    def close(self) -> None:
        """Take the picture away; lines above it stay."""
        self._over.set()
        self._thread.join()

    def restore(self) -> None:
        """Leave Ctrl-Z to the system again; in the main thread."""
        if self._suspension is not None:
            signal.signal(self._suspension, signal.SIG_DFL)

    def _draw(self) -> None:
        try:
            self._write(_HIDE_CURSOR)
            while not self._over.wait(_EVERY):
                columns, rows = window()
                # The last column stays free: what follows a full line differs between terminals.
                lines = drawn(self.picture, min(_WIDTH, columns - 1), self._style)
                self._write(painted(list(self._take()), lines, rows))
            self._write(f"{painted(list(self._take()), [''], 2)}{_REST_OF_SCREEN}{_SHOW_CURSOR}")
        except OSError:
            return

    def _suspend(self, number: int, _: object) -> None:
        """Take the picture away as long as Ctrl-Z suspends the process."""
        with self._writing:  # until the process is continued, so that nothing is drawn meanwhile
            with contextlib.suppress(OSError):
                self._write(f"\r{_REST_OF_SCREEN}{_SHOW_CURSOR}")
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)  # it returns when the process is continued
            signal.signal(number, self._suspend)
            with contextlib.suppress(OSError):
                self._write(_HIDE_CURSOR)

    def _take(self) -> Iterator[str]:
        while self.above:
            yield self.above.popleft()

    def _write(self, text: str) -> None:
        with self._writing:
            sys.stderr.buffer.write(text.encode(sys.stderr.encoding or "ascii", "replace"))
            sys.stderr.buffer.flush()


def _suspension() -> signal.Signals | None:
    """Return the signal of Ctrl-Z, if it suspends this process and may be handled here."""
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        return None
    suspends = signal.getsignal(signal.SIGTSTP) is signal.SIG_DFL
    return signal.SIGTSTP if suspends else None
