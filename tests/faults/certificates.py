"""Fault servers behind TLS, with certificates made for the occasion."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import trustme

from tests.faults.child import FaultServer

EXPIRED = datetime(2020, 1, 1, tzinfo=UTC)


class Secured(NamedTuple):
    """A server, and the context of a client that trusts its authority and no other."""

    server: FaultServer
    trusting: ssl.SSLContext


@contextmanager
def secured(name: str = "127.0.0.1", *, not_after: datetime | None = None) -> Iterator[Secured]:
    """Run a fault server with a certificate for a name, valid or expired."""
    authority = trustme.CA()
    certificate = authority.issue_cert(name, not_after=not_after)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with TemporaryDirectory() as folder:
        chain = Path(folder, "chain.pem")
        certificate.private_key_and_cert_chain_pem.write_to_path(str(chain))
        with FaultServer("--cert", str(chain), scheme="https") as server:
            yield Secured(server, trusting)
