"""Files of handles: what is read from them, and how everything else is refused at once."""

import shlex
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from socialfetch_async import _arguments as arguments
from socialfetch_async.batch.handles_file import Duplicate, HandlesFile, read_handles

RULE = (
    "A line is one handle: 1 to 64 letters, digits, dots and underscores, with or without a "
    "leading @, or https://www.tiktok.com/@HANDLE. A CSV file begins with the names of its "
    "columns, one of them `handle` or `username`, or the one that --column names. Correct the "
    "file; no request was sent."
)


def read(tmp_path: Path, data: bytes | str, **options: Any) -> HandlesFile:
    """Write a file and read its handles."""
    path = tmp_path / "list.txt"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read_handles(path, **options)


def refused(tmp_path: Path, data: bytes | str, **options: Any) -> str:
    """Return the message with which a file is refused, its folder cut away."""
    with pytest.raises(ValueError) as caught:
        read(tmp_path, data, **options)
    return str(caught.value).replace(f"{tmp_path}/", "")


@pytest.mark.parametrize(
    ("text", "handles"),
    [
        ("ada\nbo\n", ["ada", "bo"]),
        ("ada\nbo", ["ada", "bo"]),
        ("ada\r\nbo\r\n", ["ada", "bo"]),
        ("ada\rbo\r", ["ada", "bo"]),
        ("\ufeffada\r\n\r\n", ["ada"]),
        ("  @Ada.B_1 \t\n", ["Ada.B_1"]),
        ("# the bakers\n\n  # and more\nada\n#bo\n\n", ["ada"]),
        ('"ada"\n"@bo"\n', ["ada", "bo"]),
        ("handle\nada\nhandle.x\n", ["ada", "handle.x"]),
        ("# made today\n\nUsername\nada\n", ["ada"]),
        ("@username\nada\n", ["username", "ada"]),
        ("cursor\nada\n", ["cursor", "ada"]),
        ("\ufeffhandle,followers\r\nada,10\r\nbo,\r\n,,\r\n", ["ada", "bo"]),
        ("rank;username;note\n1;ada;x\n2;@bo;\n", ["ada", "bo"]),
        ('"name"\t"HANDLE"\nAda B.\tada\n\tbo\n', ["ada", "bo"]),
        ('handle,bio\nada,"likes, ""and"" more"\nbo\n', ["ada", "bo"]),
        ("username,handle\nx y,ada\n", ["ada"]),
        ("rank,handle\n#1,ada\n#2,bo\n", ["ada", "bo"]),
        ("handle,note\nada,1\n# no longer, really\nbo,2\n", ["ada", "bo"]),
        ('handle,note\n#old,"x\nada,1\n', ["ada"]),
        ('handle,bio\r\nada,"one\r\ntwo"\r\nbo,"x"\r\n', ["ada", "bo"]),
        ('bio;handle\n"one\n\n# two;""three""";ada\n;bo\n', ["ada", "bo"]),
        ("ada\r\nbo\rcy\ndi", ["ada", "bo", "cy", "di"]),
        ("handle,bio,,\nada,x,,\nbo,,,,\n", ["ada", "bo"]),
        ("ada,\nbo,\n", ["ada", "bo"]),
        ("sep=;\r\nnote;handle\r\na,b;ada\r\n", ["ada"]),
        ("note, or not;handle\nx;ada\n", ["ada"]),
        ("@user\nada\nname\n", ["user", "ada", "name"]),
        ("user1\n", ["user1"]),
        ("nameless\n", ["nameless"]),
        ("linkin.park\n", ["linkin.park"]),
        ("media\n", ["media"]),
    ],
)
def test_files_that_are_read(tmp_path: Path, text: str, handles: list[str]) -> None:
    """Handles come in the order of the file, however the file was made."""
    assert read(tmp_path, text) == (dict.fromkeys(handles), ())


@pytest.mark.parametrize(
    "name",
    [
        "user", "Users", "account", "name", "Names", "creator", "profile", "url", "tiktok", "link",
        "influencer", "handles", "USERNAMES", "user_name", "user-name", "profile_url", "ProfileUrl",
        "profileurl", "TikTok URL", "TikTok handles", "tiktok_link", "Account name", "user id",
        "Handle:", "Creator (TikTok)", "social_media_link", "Benutzername", "usuario",
    ],
)  # fmt: skip
def test_a_header_is_never_bought(tmp_path: Path, name: str) -> None:
    """One column: it is refused, and the sentence has both ways to go on, which work."""
    text = f"# list\n\n{name}\n@ada\nhttps://www.tiktok.com/@bo?lang=en\n"
    typed = shlex.quote(name)
    assert refused(tmp_path, text) == (
        f"list.txt: line 3 looks like a header: {name!r}. If it is one, add --column {typed}. "
        "If it is a handle, add --no-header. No request was sent."
    )
    assert list(read(tmp_path, text, column=name).handles) == ["ada", "bo"]
    if name.isalnum():
        assert list(read(tmp_path, text, header=False).handles) == [name, "ada", "bo"]


@pytest.mark.parametrize(
    ("text", "column", "says"),
    [
        (
            "name;followers\nada;12\nbo;7\n",
            "Name",
            "line 1 has 2 columns, 'name', 'followers', and none of them is `handle` or `username`",
        ),
        ("ada,bo\nbo,ada\nada,bo\n", "bo", "line 1 has 2 columns, 'ada', 'bo', and none"),
        (
            "source,position,page,handle,display_name\ncreator,0,1,ada,A\ncreator,1,1,bo,B\n",
            "handle",
            "this is an export of socialfetch: reading it would buy the followers of these ",
        ),
        ("change\tsource\thandle\ngained\tx\tada\nlost\tx\tbo\n", "handle", "this is an export"),
        ("handle,handle,user\nx,y,ada\nx,y,bo\n", "user", "line 1 names 2 columns 'handle'."),
        (
            '"TikTok\nhandle",likes\nada,1\nbo,2\n',
            "tiktok handle",
            "line 1 has 2 columns, 'TikTok\\nhandle', 'likes', and none",
        ),
        ("spring\nhandle\nada\nbo\n", None, "line 2 looks like a header: 'handle'. If line 1"),
    ],
)
def test_a_column_is_chosen(tmp_path: Path, text: str, column: str | None, says: str) -> None:
    """Which of several columns has the handles is not guessed."""
    message = refused(tmp_path, text)
    assert message.startswith(f"list.txt: {says}")
    assert message.endswith(" No request was sent.")
    if column is not None:
        assert list(read(tmp_path, text, column=column).handles) == ["ada", "bo"]


def test_a_column_that_is_not_there(tmp_path: Path) -> None:
    """The sentence names those that are; two answers to one question are refused."""
    assert refused(tmp_path, "user,likes\nada,1\n", column="handle") == (
        "list.txt: line 1 names no column 'handle'. Its columns are 'user', 'likes'. No request "
        "was sent."
    )
    with pytest.raises(ValueError, match="--column and --no-header exclude each other"):
        read_handles("-", column="user", header=False)


@pytest.mark.parametrize(
    "text",
    [
        "handle,cursor\nada,\nbo,17 +/=%\ncy\n",
        "Cursor;Handle\n;ada\n17 +/=%;bo\n;cy\n",
        "creator,cursor\nada,\nbo,17 +/=%\ncy\n",
        "cursor\tcreator\n\tada\n17 +/=%\tbo\n\tcy\n",
    ],
)
def test_a_column_of_cursors(tmp_path: Path, text: str) -> None:
    """A cursor comes as it stands there; an empty or missing one is the first page."""
    assert read(tmp_path, text).handles == {"ada": None, "bo": "17 +/=%", "cy": None}


@pytest.mark.parametrize(
    "address",
    [
        "https://www.tiktok.com/@ada.b",
        "https://tiktok.com/@ada.b/",
        "http://m.tiktok.com/@ada.b?lang=en&x=1",
        "www.tiktok.com/@ada.b#top",
        "HTTPS://WWW.TikTok.com/@ada.b",
        "  tiktok.com/@ada.b  ",
    ],
)
def test_the_address_of_a_profile_is_its_handle(tmp_path: Path, address: str) -> None:
    """The address that a browser shows stands for the handle in it."""
    assert read(tmp_path, f"{address}\nbo\n").handles == {"ada.b": None, "bo": None}


@pytest.mark.parametrize(
    "address",
    [
        "https://vm.tiktok.com/ZM123/",
        "https://www.tiktok.com/@ada/video/123",
        "https://www.tiktok.com/ada",
        "https://www.tiktok.com/@",
        "https://www.tiktok.com/@..",
        "https://www.tiktok.com.example/@ada",
        "https://example.com/www.tiktok.com/@ada",
        "https://www.tiktok.com/@ada b",
        "ftp://www.tiktok.com/@ada",
        "https://www.tiktok.com/@" + "x" * 65,
    ],
)
def test_other_addresses_are_refused(tmp_path: Path, address: str) -> None:
    """A short link, a video and another site name no profile for certain."""
    shown = address if len(address) <= 80 else f"{address[:77]}..."
    assert refused(tmp_path, f"bo\n{address}\n") == (
        f"list.txt has 1 invalid line:\n  line 2: {shown!r} is not a handle\n{RULE}"
    )


def test_duplicates_are_reported_with_their_lines(tmp_path: Path) -> None:
    """The first spelling is kept, and every other line says where it was."""
    text = "# list\nAda\nbo\n\n @ada\nhttps://www.tiktok.com/@ADA\nada\nBO\n"
    assert read(tmp_path, text) == (
        {"Ada": None, "bo": None},
        (
            Duplicate("ada", 5, 2),
            Duplicate("ADA", 6, 2),
            Duplicate("ada", 7, 2),
            Duplicate("BO", 8, 3),
        ),
    )


def test_a_handle_with_two_cursors_is_refused(tmp_path: Path) -> None:
    """Which of two positions is meant is not guessed: one of them buys pages again."""
    assert "  line 4: ADA came in line 2 with another cursor\n" in refused(
        tmp_path, "handle,cursor\nada,1\nada,1\nADA,2\n"
    )


def test_all_bad_lines_are_named_at_once(tmp_path: Path) -> None:
    """One message has everything that is wrong, with the number of each line in the file."""
    text = '\ufeff# x\r\nnote,handle\r\n1,ada\r\n2,a b\r\n3,\r\n\r\n4\r\n5,x,y\r\n6,"z\r\n7,\x1b[2J'
    assert refused(tmp_path, text) == (
        "list.txt has 6 invalid lines:\n"
        "  line 4: 'a b' is not a handle\n"
        "  line 5: no handle\n"
        "  line 7: no handle\n"
        "  line 8: 3 columns instead of 2\n"
        "  line 9: its quotation marks do not match, or it is too long\n"
        "  line 10: '\\x1b[2J' is not a handle\n"
        f"{RULE}"
    )


@pytest.mark.parametrize(("bad", "more"), [(20, ""), (21, "\n  and 1 more"), (3_000, "2,980")])
def test_twenty_bad_lines_are_shown(tmp_path: Path, bad: int, more: str) -> None:
    """A wrong file does not fill the terminal, and its size is said."""
    message = refused(tmp_path, "a b\n" * bad)
    assert message.startswith(f"list.txt has {bad:,} invalid lines:\n  line 1: ")
    assert message.count("is not a handle\n") == 20
    assert more in message
    assert ("more" in message) == bool(more)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("ada\nbo,cy\n", "line 2: 2 columns instead of 1"),
        ('handle,bio\nada,"one\nbo,two\n', "line 2: its quotation marks do not match"),
        ("Our best\nada\n", "line 1: 'Our best' is not a handle"),
        ('"ada\nbo"\ncy\n', "line 1: 'ada\\nbo' is not a handle"),
        ('{"source":"ada"}\n', 'line 1: \'{"source":"ada"}\' is not a handle'),
        ("x" * 200_000, "line 1: its quotation marks do not match, or it is too long"),
        ("@@ada", "line 1: '@@ada' is not a handle"),
        ("..", "line 1: '..' is not a handle"),
        ("ada # the baker", "line 1: 'ada # the baker' is not a handle"),
        ("n\u00e4sa", "line 1: 'n\u00e4sa' is not a handle"),
    ],
)
def test_what_is_no_handle_is_never_left_out(tmp_path: Path, text: str, complaint: str) -> None:
    """What cannot be read as a handle is refused, so that no list is silently short."""
    assert complaint in refused(tmp_path, text)


@pytest.mark.parametrize("text", ["", "\n \r\n", "\ufeff", "# none\n", "handle,cursor\n,\n"])
def test_a_file_without_a_handle_is_refused(tmp_path: Path, text: str) -> None:
    """A batch of nothing is a mistake."""
    assert refused(tmp_path, text) == f"list.txt has no handle in it. {RULE}"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        ("ada\n".encode("utf-16"), "is UTF-16"),
        (b"\xfe\xff\x00a\x00d", "is UTF-16"),
        ("ada\n".encode("utf-16-le"), "is not a text file"),
        (b"PK\x03\x04\x00\xff\xfe", "is not a text file"),
        (b"ada\n\nb\xf6\n", "is not UTF-8 text (line 3)"),
    ],
)
def test_files_of_another_kind_are_refused(tmp_path: Path, data: bytes, what: str) -> None:
    """A workbook or another encoding is named, with how to save it instead."""
    assert refused(tmp_path, data) == (
        f"list.txt {what}: save it as UTF-8 text, from a spreadsheet as `CSV UTF-8`. "
        "No request was sent."
    )


def test_a_file_that_can_not_be_read(tmp_path: Path) -> None:
    """A missing file and a folder are sentences that name the path."""
    missing = tmp_path / "missing.txt"
    with pytest.raises(ValueError) as caught:
        read_handles(missing)
    assert str(caught.value) == (
        f"cannot read {missing}: No such file or directory. No request was sent."
    )
    with pytest.raises(ValueError, match="Is a directory"):
        read_handles(tmp_path)


def test_stdin_is_read_and_no_command_is_loaded() -> None:
    """`-` takes the bytes of stdin, byte order mark included, and needs no extra for it."""
    code = (
        "import sys; from socialfetch_async.batch.handles_file import read_handles; "
        "print(read_handles('-').handles, {'click', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=b"\xef\xbb\xbf@ada\r\nbo",
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().rstrip() == "{'ada': None, 'bo': None} set()"


def test_a_closed_stdin_is_a_sentence() -> None:
    """`<&-` leaves a program without stdin."""
    code = "from socialfetch_async.batch.handles_file import read_handles; read_handles('-')"
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" <&-', sys.executable, code],
        capture_output=True,
        check=False,
    )
    assert b"ValueError: stdin is closed: name a file" in done.stderr


@given(st.lists(st.from_regex(r"[ \t]{0,2}@?[A-Za-z0-9._]{1,6}[ \t]?", fullmatch=True), min_size=1))
@settings(deadline=None, max_examples=100)
def test_a_list_is_read_as_the_run_compares_it(lines: list[str]) -> None:
    """What a file holds is what `iter_followers_many` makes of the same handles."""
    usable = ["first", *(line for line in lines if line.strip(" \t@") not in {".", ".."})]
    expected, again = arguments.starts(usable)
    with TemporaryDirectory() as folder:
        found = read(Path(folder), "\n".join(usable))
    assert (found.handles, len(found.duplicates)) == (expected, again)
