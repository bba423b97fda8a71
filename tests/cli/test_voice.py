"""How the commands talk: common options, limits and faults of their environment, terminals."""

import asyncio
import copy
import json
import re
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from typing import Any

import click
import pytest

from socialfetch_async import cli
from socialfetch_async.cli.commands import socialfetch
from socialfetch_async.cli.connecting import told
from socialfetch_async.emulator import Emulator
from socialfetch_async.errors import CreditLimitError, IncompleteRunError, SocialFetchError
from tests.commands import KEY, Terminal, ended, environment, named, run, started
from tests.conftest import until
from tests.test_errors import EXAMPLES

STAMP = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} ", re.MULTILINE)


def emulator(profiles: dict[str, Any], **options: Any) -> Emulator:
    """Return an emulator that accepts the key of these tests alone."""
    return Emulator(profiles, api_keys=[KEY], **options)


# -- options before and after the command's name --------------------------------------------------


async def test_quiet_keeps_errors_and_the_name_of_another_api(tmp_path: Path) -> None:
    """Before or after the command's name; what failed, and how to resume, is still said."""
    async with emulator({"ada": 45, "bo": 3}) as api:
        out = str(tmp_path / "out")
        for n, words in enumerate((["--quiet", "export"], ["export", "--quiet"])):
            done = await run(api, *words, "--handle=ada", "-o", f"{out}{n}")
            assert (done.code, done.out, done.err) == (0, "", named(api))
        done = await run(api, "--quiet", "followers", "ada")
        assert (done.code, len(done.rows), done.err) == (0, 45, named(api))
        api.script("bo", "400")
        done = await run(api, "export", "--handle=bo", "-o", f"{out}2", "--quiet")
        assert done.code == 1
        _, failed, resume = done.err.splitlines()
        assert "bo: failed: 127.0.0.1:" in failed
        assert resume.startswith("Resume with: socialfetch export --handle=bo -o ")
        assert resume.endswith("--quiet")


async def test_verbose_says_every_retry(tmp_path: Path) -> None:
    """Each with its time; without it only figures and ends are said."""
    async with emulator({"ada": 45}) as api:
        for n, (more, said) in enumerate((([], False), (["--verbose"], True))):
            api.script("ada", "503")
            done = await run(api, *more, "export", "--handle=ada", "-o", str(tmp_path / f"o{n}"))
            assert done.code == 0
            assert ("Retrying in" in done.err) == said
            lines = [line for line in done.err.splitlines() if STAMP.match(line)]
            assert lines[-1].endswith(" ada: complete, 45 followers, 3 credits")
        done = await run(api, "--verbose", "--quiet", "balance")
        assert (done.code, "exclude each other" in done.err) == (2, True)


async def test_json_is_the_result_on_stdout(tmp_path: Path) -> None:
    """Of every command that has one, before or after its name."""
    async with emulator({"ada": 45, "cy": "private"}, credits=100) as api:
        out = str(tmp_path / "out")
        options = ("--handle=ada", "--handle", "@cy", "-o", out)
        (result,) = (await run(api, "export", *options, "--json")).rows
        assert (result["stop_reason"], result["statuses"]) == (
            "complete",
            {"complete": 1, "private": 1},
        )
        assert result["exports"][0]["rows"] == 45
        (again,) = (await run(api, "--json", "export", *options)).rows
        assert (again["pages"], again["newest_data"]) == (0, result["newest_data"])
        (balance,) = (await run(api, "--json", "balance")).rows
        assert balance["balance"] == 96
    (file,) = (await run(None, "convert", out, "-o", f"{out}/a.csv", "--json")).rows
    assert (file["path"], file["rows"]) == (f"{out}/a.csv", 45)
    (file,) = (await run(None, "--json", "report", out, "-o", f"{out}/r.html")).rows
    assert (file["path"], file["bytes"] > 1_000) == (f"{out}/r.html", True)


async def test_free_commands_speak_to_people_on_a_terminal() -> None:
    """Words there, and JSON if it is asked for."""
    async with emulator({}, credits=1) as api:

        async def shown(*arguments: str) -> str:
            with Terminal() as terminal:
                env = environment(api)
                async with started(
                    *arguments, env=env, stdout=terminal.slave, stderr=PIPE
                ) as process:
                    assert (await ended(process)).code == 0
                return terminal.text

        assert await shown("whoami") == "Emulator, usr_emulator\r\n"
        assert (await shown("balance")).startswith("1 credit left\r\n  ")
        assert json.loads(await shown("balance", "--json"))["balance"] == 1


# -- names, limits, and how it talks to the API ---------------------------------------------------


async def test_handles_are_typed_in_place_of_a_file(tmp_path: Path) -> None:
    """URLs as well; the printed command has them; a file besides is refused."""
    async with emulator({"ada": 45, "b.o": 45}) as api:
        url = "https://www.tiktok.com/@b.o?lang=en"
        arguments = ["export", "--handle", "@ada", "--handle", url, "-o", str(tmp_path / "out")]
        done = await run(api, *arguments, "--max-credits=1")
        assert done.code == 5
        rest = await run(api, *done.says("Resume with"), "--max-credits=100")
        assert (rest.code, len(api.charges)) == (0, 6)
        assert "2 handles: 2 complete\n" in rest.err
        done = await run(api, "followers", url, "--max-pages-per-handle=1", "--rate=100")
        assert (done.code, len(done.rows)) == (0, 20)
        given = b"# of mine\nhandle,cursor\nada,\n"
        done = await run(api, "followers", "-", given=given)
        assert (done.code, len(done.rows)) == (0, 45)
        given = b"handle,cursor\nada,\nbo,a 'b\n"
        done = await run(api, "followers", "-", "--max-credits=1", given=given)
        assert done.says("Resume with")[2].startswith("--cursor=")
        assert done.says("Not started")[1:3] == ["bo", "--cursor=a 'b"]
        for more in ([], [str(tmp_path / "x"), "--handle=ada"]):
            done = await run(api, "export", "-o", str(tmp_path / "out"), *more)
            assert (done.code, "HANDLES-FILE" in done.err) == (2, True)


async def test_a_limit_of_the_environment(tmp_path: Path) -> None:
    """It counts where none is typed, over all runs of a batch; a bad one ends every command."""
    async with emulator({"ada": 200, "bo": 200}) as api:
        batch = ("export", "--handle=ada", "-o", str(tmp_path / "out"))
        for _ in range(2):
            done = await run(api, *batch, SOCIALFETCH_MAX_CREDITS="3")
            assert (done.code, len(api.charges)) == (5, 3)
        done = await run(api, *batch, "--max-credits=5", SOCIALFETCH_MAX_CREDITS="3")
        assert (done.code, len(api.charges)) == (5, 5)
        done = await run(api, "followers", "bo", SOCIALFETCH_MAX_CREDITS="2")
        assert (done.code, len(api.charges)) == (5, 7)
        done = await run(api, "followers", "bo", "--max-credits=3", SOCIALFETCH_MAX_CREDITS="1")
        assert (done.code, len(api.charges)) == (5, 10)
        for arguments in (batch, ("followers", "bo"), ("balance",)):
            done = await run(api, *arguments, SOCIALFETCH_MAX_CREDITS="many")
            assert (done.code, len(api.charges)) == (2, 10)
            assert "SOCIALFETCH_MAX_CREDITS must be a whole number" in done.err


async def test_how_often_and_how_long_is_tried() -> None:
    """--retries, --timeout and --patience end what else takes long; the error names the host."""
    async with emulator({"ada": 45}, faults={"503": 1.0}, retry_after=1) as api:
        done = await run(api, "followers", "ada", "--retries=0")
        assert (done.code, len(api.requests)) == (1, 1)
        host = api.base_url.partition("//")[2]
        assert f"ada: {host}: the API responded with 503" in done.err
        assert done.says("Resume with")[-1] == "--retries=0"
    async with emulator({"ada": 45}, latency=30) as api:
        done = await run(api, "followers", "ada", "--retries=0", "--timeout=2")
        assert (done.code, len(api.requests)) == (1, 1)
    for bad in ("--rate=0", "--timeout=0", "--timeout=nan", "--retries=-1", "--patience=5"):
        done = await run(None, "balance", bad)
        assert (done.code, "must be a" in done.err) == (2, True)


async def test_a_rate_is_kept() -> None:
    """Requests begin at even intervals, whatever is in flight."""
    async with emulator({f"p{n}": 1 for n in range(12)}) as api:
        loop = asyncio.get_running_loop()
        began = loop.time()
        done = await run(api, "followers", *(f"p{n}" for n in range(12)), "--rate=10")
        assert (done.code, len(api.charges)) == (0, 12)
        assert loop.time() - began >= 1.1


async def test_a_first_run_without_a_key() -> None:
    """2, with where keys come from, and what works without one."""
    for command in (["balance"], ["followers", "ada"], ["export", "--handle=a", "-o", "x"]):
        done = await run(None, *command, SOCIALFETCH_API_KEY=None)
        assert (done.code, done.out) == (2, "")
        assert "the vendor's dashboard (https://www.socialfetch.dev)" in done.err
        assert "socialfetch demo" in done.err
        assert "api_key=" not in done.err


# -- signals, and terminals that go away ----------------------------------------------------------


async def test_sighup_stops_it_as_sigterm_does(tmp_path: Path) -> None:
    """129, everything is kept, and the printed command buys exactly the rest."""
    async with emulator({"ada": 200}, latency=0.05) as api:
        arguments = ("export", "--handle=ada", "-o", str(tmp_path / "out"))
        async with started(*arguments, env=environment(api), stdout=PIPE, stderr=PIPE) as process:
            await until(lambda: len(api.charges) >= 2)
            api.latency = 1  # so that the signal comes before the end
            process.send_signal(signal.SIGHUP)
            done = await ended(process)
        assert done.code == 129
        stop = done.err[done.err.index("Stopped. ") :].splitlines()
        assert len(stop) <= 5
        api.latency = 0
        rest = await run(api, *done.says("Resume with"))
        assert (rest.code, len(api.charges)) == (0, 10)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGINT])
async def test_an_ignored_signal_stays_ignored(tmp_path: Path, number: signal.Signals) -> None:
    """As under `nohup`, or in the background of a shell script."""
    trap = f"trap '' {number.name.removeprefix('SIG')}; exec \"$@\""
    async with emulator({"ada": 60}, latency=0.1) as api:
        command = [sys.executable, "-m", "socialfetch_async", "export", "--handle=ada"]
        process = await asyncio.create_subprocess_exec(
            "sh", "-c", trap, "sh", *command, "-o", str(tmp_path / "out"),
            env=environment(api), stdin=DEVNULL, stdout=PIPE, stderr=PIPE,
        )  # fmt: skip
        await until(lambda: api.charges)
        process.send_signal(number)
        assert (await ended(process)).code == 0
        assert len(api.charges) == 3


@pytest.mark.parametrize("command", [["followers", "ada"], ["export", "--handle=ada"]])
async def test_a_terminal_that_goes_away_ends_nothing(tmp_path: Path, command: list[str]) -> None:
    """Under `nohup` the work is done all the same, with exit code 0."""
    if command[0] == "export":
        command = [*command, "-o", str(tmp_path / "out")]
    async with emulator({"ada": 100}, latency=0.1) as api:
        with Terminal() as terminal:
            async with started(
                *command, env=environment(api), stdout=DEVNULL, stderr=terminal.slave
            ) as process:
                await until(lambda: api.charges)
                terminal.hang_up()
                assert (await ended(process)).code == 0
        assert len(api.charges) == 5


async def test_ctrl_z_takes_the_panel_away(tmp_path: Path) -> None:
    """Suspended, it leaves the terminal to the shell; continued, it draws again."""
    async with emulator({"ada": 9_000}, latency=0.05) as api:
        command = ("export", "--handle=ada", "-o", str(tmp_path / "out"))
        with Terminal() as terminal:
            # A group of its own: in one whose parents are all in other sessions, as under a
            # service, the system suspends nobody.
            async with started(
                *command,
                env=environment(api),
                stdout=DEVNULL,
                stderr=terminal.slave,
                process_group=0,
            ) as process:
                await until(lambda: "in flight" in terminal.text)
                process.send_signal(signal.SIGTSTP)
                await until(lambda: terminal.text.endswith("\r\x1b[J\x1b[?25h"))
                before = len(terminal.text)
                await asyncio.sleep(0.6)
                assert len(terminal.text) == before
                process.send_signal(signal.SIGCONT)
                await until(lambda: "in flight" in terminal.text[before:])
                process.send_signal(signal.SIGINT)
                assert (await ended(process)).code == 130


# -- help, suggestions, completion ----------------------------------------------------------------


@pytest.mark.parametrize("name", socialfetch.commands)
def test_help_is_in_plain_words(name: str) -> None:
    """A short first sentence, an example that is valid, and no type in capitals of a program."""
    command = socialfetch.commands[name]
    first = (command.help or "").split(".")[0]
    assert 0 < len(first) < 60
    context = click.Context(command, info_name=name, max_content_width=200)
    text = command.get_help(context)
    assert not re.search(r"\b(TEXT|INTEGER|FLOAT|PATH|RANGE)\b|x>=", text)
    (example,) = re.findall(r"Example: socialfetch (.*)", text)
    words = example.partition(" |")[0].split()
    assert words[0] == name
    assert command.make_context(name, words[1:], resilient_parsing=True)
    for option in command.params:
        assert not isinstance(option, click.Option) or option.help


# But for those of methods that no command calls.
TOLD = [e for e, *_ in EXAMPLES if not isinstance(e, IncompleteRunError | CreditLimitError)]


@pytest.mark.parametrize("error", TOLD, ids=lambda error: type(error).__name__)
def test_an_error_is_told_without_words_of_python(error: SocialFetchError) -> None:
    """No attribute, argument or class: options and variables of the environment."""
    placed = copy.copy(error).at(handle="ada", cursor="c", attempts=2)
    said = told(placed, "https://api.example")
    assert re.findall(r"`|\b[a-z]+_[a-z_]+|\w+=|\b(?:[A-Z]\w+)?Error\b", said) == []


ODD = r"can not|(is|are) none|be had|\bgo(es)? on\b|whoever|\b1 \w+s\b"


@pytest.mark.parametrize(
    "path", sorted(Path(cli.__file__).parent.glob("*.py")), ids=lambda path: path.name
)
def test_texts_use_the_words_of_the_docs(path: Path) -> None:
    """No wording that has to be read twice."""
    assert not re.search(ODD, path.read_text())


@pytest.mark.parametrize("columns", [40, 70, 120])
async def test_help_is_as_wide_as_the_terminal(columns: int) -> None:
    """The longest line of the texts uses it, none is longer, and none is cut."""
    for command in ([], ["export"]):
        done = await run(None, *command, "--help", COLUMNS=str(columns))
        lines = [line for line in done.out.splitlines() if not re.match(" +(-|Example)", line)]
        assert columns - 12 < max(map(len, lines)) < columns
        assert "..." not in done.out.replace("ARGS]...", "")


@pytest.mark.parametrize("option", ["--refres", "--fresh", "--estimates", "--overwrit", "--yess"])
async def test_no_costly_option_is_suggested(option: str) -> None:
    """What buys or replaces something is not named for a word that does not exist."""
    done = await run(None, "export", "a.txt", "-o", "out", option)
    assert done.code == 2
    assert f"No such option '{option}'" in done.err
    assert not re.search(r"mean.*--(refresh|estimate|overwrite|yes)", done.err)
    done = await run(None, "export", "a.txt", "-o", "out", "--trimm")
    assert "--trim" in done.err.rpartition("mean")[2]


async def test_no_option_is_suggested_where_a_costly_one_is_meant() -> None:
    """Another one that is somewhat like it would be taken for the one."""
    done = await run(None, "export", "a.txt", "-o", "out", "--refrsh", "new")
    assert (done.code, "mean" in done.err) == (2, False)


@pytest.mark.parametrize("words", ["export ", "export a -o ", "convert ", "diff "])
async def test_a_shell_completes_file_names(words: str) -> None:
    """Where a file belongs, the shell is told so."""
    done = await run(
        None,
        _SOCIALFETCH_COMPLETE="bash_complete",
        COMP_WORDS=f"socialfetch {words}",
        COMP_CWORD=str(len(words.split(" "))),
    )
    assert "file," in done.out


async def test_a_finished_batch_says_what_it_has(tmp_path: Path) -> None:
    """Run again: no request; short lists are named, and how old the data is."""
    async with emulator({"ada": 45}, depth=20) as api:
        arguments = ("export", "--handle=ada", "-o", str(tmp_path / "out"))
        assert (await run(api, *arguments)).code == 0
        requests = len(api.requests)
        done = await run(api, *arguments)
        assert (done.code, len(api.requests)) == (0, requests)
    assert "1 list is much shorter than the API's count (ada)" in done.err
    assert "newest data from 20" in done.err
