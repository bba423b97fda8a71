"""HTML from plain values: every text is escaped where it is put in, so none can be forgotten."""

import html
import re
from typing import Final

# Control characters and lone surrogates can stand in no HTML file, but in an answer of the API.
_NOT_HTML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class Html(str):
    """Markup. Any other text is escaped by `tag` and `join`."""

    __slots__ = ()


def tag(name: str, *children: str, **attributes: str | float) -> Html:
    """Return an element. `class_` is the attribute class, and `_` in a name stands for `-`."""
    given = "".join(
        f' {attribute.rstrip("_").replace("_", "-")}="{_escaped(str(value))}"'
        for attribute, value in attributes.items()
    )
    return Html(f"<{name}{given}>{join(*children)}</{name}>")


def join(*children: str) -> Html:
    """Return the children one after the other; text among them is escaped."""
    return Html("".join(c if isinstance(c, Html) else _escaped(c) for c in children))


def _escaped(text: str) -> str:
    return html.escape(_NOT_HTML.sub("\ufffd", text))
