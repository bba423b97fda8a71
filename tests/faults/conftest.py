"""One fault server for the whole session; each test resets it."""

from collections.abc import Iterator

import pytest

from tests.faults.child import FaultServer


@pytest.fixture(scope="session")
def fault_server() -> Iterator[FaultServer]:
    """Return the one fault server; Hypothesis resets it itself."""
    with FaultServer() as server:
        yield server


@pytest.fixture
def server(fault_server: FaultServer) -> FaultServer:
    """Return the fault server, new."""
    return fault_server.reset()
