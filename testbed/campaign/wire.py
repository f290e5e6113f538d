"""The way between a campaign, its scheduler and its workers: TLS, or loopback alone.

A worker executes what the scheduler sends it, as the user that it runs as: whoever may speak on this wire may do that.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from testbed.errors import HostError, InputError

if TYPE_CHECKING:
    from distributed import Security

PORT = 8786
_FILES = ("ca.pem", "cert.pem", "key.pem")
MAKE = """\
make certificates once, and copy the folder to each host (whoever has it may execute programs on all of them):
  mkdir -m 700 tls; cd tls
  openssl req -x509 -newkey rsa:3072 -nodes -days 365 -subj /CN=testbed -keyout key.pem -out cert.pem
  cp cert.pem ca.pem
then add --tls FOLDER on every side"""


@dataclass(frozen=True)
class Wire:
    """Where a scheduler is, and the folder of the certificates; None: without TLS, on loopback."""

    host: str
    port: int
    tls: Path | None = None

    @classmethod
    def parse(cls, text: str, tls: Path | None, option: str) -> Wire:
        """Read ``HOST:PORT``, with or without ``dask://``, ``tcp://``, ``tls://``. Raises InputError."""
        scheme, _, rest = text.rpartition("://")
        host, _, port = rest.rpartition(":")
        host = host.strip("[]")
        if scheme not in ("", "dask", "tcp", "tls") or not host or not port.isdecimal() or int(port) > 65535:
            raise InputError(option, f"{text!r} is no address", f"write HOST:PORT, such as lab-1:{PORT}")
        if tls is None and not _is_loopback(host):
            raise InputError(option, f"{host} without TLS", f"beyond this host TLS is a must; {MAKE}")
        if tls is not None and (missing := [name for name in _FILES if not (tls / name).is_file()]):
            raise InputError("--tls", f"{tls} has no {' nor '.join(missing)}", MAKE)
        return cls(host, int(port), tls)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}{host}:{self.port}"

    @property
    def scheme(self) -> str:
        """How it is spoken to."""
        return "tls://" if self.tls else "tcp://"

    def security(self) -> Security:
        """Return what Dask needs to know of it."""
        from distributed import Security

        if self.tls is None:
            return Security(require_encryption=False)
        ca, cert, key = (str(self.tls / name) for name in _FILES)
        own = {
            f"tls_{role}_{what}": path
            for role in ("client", "worker", "scheduler")
            for what, path in (("cert", cert), ("key", key))
        }
        return Security(require_encryption=True, tls_ca_file=ca, **own)


@contextmanager
def quiet() -> Iterator[None]:
    """Have Dask say only what goes wrong, and offer no pages of its own. Raises HostError where it is missing."""
    try:
        import dask
        import distributed  # noqa: F401
    except ImportError as error:
        expected = "install it: pip install -r requirements-campaign.txt"
        raise HostError(f"Dask's package distributed is missing; {expected}") from error
    routes: dict[str, list[str]] = {f"distributed.{side}.http.routes": [] for side in ("scheduler", "worker")}
    with dask.config.set({**routes, "distributed.comm.timeouts.connect": "10s"}):
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        yield


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
