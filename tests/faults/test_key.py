"""Figure 6: the API key is seen nowhere, whatever goes wrong."""

import pytest

from tests.faults.child import FaultServer
from tests.faults.sightings import sightings


async def test_the_key_is_seen_nowhere(
    server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No error, traceback, pickle or log shows it, no redirect and no proxy gets it."""
    monkeypatch.setenv("HTTP_PROXY", server.elsewhere)
    monkeypatch.setenv("HTTPS_PROXY", server.elsewhere)
    looked, found = await sightings(server)
    assert server.count.with_key > 100  # the server got it, with every request
    assert looked > 500
    assert not found
