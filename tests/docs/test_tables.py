"""The tables of the docs, beside what they are about."""

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest

from socialfetch_async import errors
from socialfetch_async._protocol.retry import rule
from socialfetch_async._protocol.status import VENDOR
from socialfetch_async.cli import exit_codes
from socialfetch_async.errors import APIStatusError, SocialFetchError
from socialfetch_async.events import UNFINISHED, HandleStatus
from tests.faults.failures import FAILURES, Failure

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ERROR_ROW = re.compile(
    r"^\| `(\w+)` \| .+ \| (yes|no|[\d, ]+) \| (yes|no|may have been) \| .+ \|$", re.MULTILINE
)
ROWS = {name: (tried, charged) for name, tried, charged in ERROR_ROW.findall(
    (DOCS / "errors.md").read_text()
)}  # fmt: skip
GENERATED = re.compile(r"<!-- (\w+).*?-->.*?<!-- /\1 -->", re.DOTALL)
# As in: it defaults to 30, the default is 5, by default 20, and, in parentheses, default: 5.
DEFAULT = re.compile(r"\bdefault(?:s to| is| of)? `?\d|\(default:? `?\d", re.IGNORECASE)
CLASSES = [
    found
    for found in vars(errors).values()
    if isinstance(found, type)
    and issubclass(found, SocialFetchError)
    and found is not SocialFetchError
]


def test_every_error_has_a_row() -> None:
    """In the order of the module, which is that of the tree."""
    assert list(ROWS) == [found.__name__ for found in CLASSES]


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_what_is_tried_again_is_said(kind: type[Exception]) -> None:
    """The table says what the retry rules say."""
    own = {number: means.error for number, means in VENDOR.items() if number < 500}
    if kind is APIStatusError:  # all the statuses that have no class of their own
        others = (number for number in range(400, 500) if own.get(number, kind) is kind)
        tried = ", ".join(str(number) for number in others if retried(kind, number))
    else:
        status = next((number for number, means in VENDOR.items() if means.error is kind), 500)
        tried = "yes" if retried(kind, status) else "no"
    assert ROWS[kind.__name__][0] == tried


def retried(kind: type[Exception], status: int) -> bool:
    """Whether the rules try a request again after such an error."""
    if not issubclass(kind, SocialFetchError):
        return False
    error = kind.__new__(kind)
    needed = {"status": status, "code": None, "path": "$", "reason": "", "lookup_status": ""}
    vars(error).update(needed, outcomes={}, pending={})
    return rule(error).retry


@pytest.mark.parametrize("failure", FAILURES, ids=str)
def test_what_is_charged_is_said(failure: Failure) -> None:
    """The table says what the fault matrix finds over real sockets."""
    tried, charged = ROWS[failure.error.__name__]
    assert (charged != "no") == any(one.maybe for one in FAILURES if one.error is failure.error)
    assert tried != "no" or not failure.retried


def test_the_command_line_is_as_click_knows_it() -> None:
    """Every command and option of today is on the page, with its default."""
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "command_line.py"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_exit_codes_are_those_of_the_command() -> None:
    """The table has each code that `--help` names, and no other."""
    page = (DOCS / "command-line.md").read_text()
    rows = re.findall(r"^\| (\d[\d, ]*) \|", page, re.MULTILINE)
    assert rows == [code for code, _ in exit_codes.TABLE]


def test_every_status_has_a_row() -> None:
    """In the order of the type, with whether `pending()` keeps the handle."""
    page = (DOCS / "reference" / "statuses.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| .+ \| (?:yes|no) \| (yes|no) \|$", page, re.MULTILINE)
    expected = [
        (status, "yes" if status in UNFINISHED else "no") for status in get_args(HandleStatus)
    ]
    assert rows == expected


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))], ids=lambda page: page.name
)
def test_no_default_is_written_by_hand(page: Path) -> None:
    """A default stands in the code, from where the reference and the tables have it."""
    assert DEFAULT.findall(GENERATED.sub("", page.read_text())) == []
