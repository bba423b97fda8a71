"""A cluster of several hosts is `python -m tests.faults.hosts`: it takes minutes, and root."""

import pytest

from tests.faults import hosts


def test_where_there_are_no_namespaces_it_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With an exit code of its own: nothing ran, and nothing failed."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.argv", ["hosts"])
    assert hosts.main() == hosts.NOT_TO_BE_HAD
    assert "need Linux, root and iproute2" in capsys.readouterr().err
