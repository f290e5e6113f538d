"""Certificates of a run: an authority that is forgotten and a server that it vouches for."""

from __future__ import annotations

import ssl
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from testbed.tenant.certificates import issue

NOW = datetime(2026, 3, 1, 8, tzinfo=UTC)
HOST = "testbed01.blob.core.windows.net"


def _verify(folder: Path, host: str, at: datetime) -> None:
    files = issue(folder, HOST, "203.0.113.10", NOW)
    authority = x509.load_pem_x509_certificate(files.authority.read_bytes())
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    verifier = PolicyBuilder().store(Store([authority])).time(at).build_server_verifier(x509.DNSName(host))
    verifier.verify(certificate, [])


def test_the_authority_vouches_for_the_host(tmp_path: Path) -> None:
    """The certificate verifies against the run's authority under the account's host name."""
    _verify(tmp_path, HOST, NOW + timedelta(hours=1))


@pytest.mark.parametrize(
    ("host", "after"),
    [("other.blob.core.windows.net", timedelta(0)), (HOST, timedelta(days=2)), (HOST, -timedelta(hours=1))],
    ids=["another host", "too late", "too early"],
)
def test_it_vouches_for_nothing_else(tmp_path: Path, host: str, after: timedelta) -> None:
    """Another host name, or a time outside the day of the run, is refused."""
    with pytest.raises(VerificationError):
        _verify(tmp_path, host, NOW + after)


def test_openssl_and_python_accept_the_files(tmp_path: Path) -> None:
    """OpenSSL verifies the chain strictly, and certificate and key belong together."""
    now = datetime.now(UTC)
    files = issue(tmp_path, HOST, "203.0.113.10", now)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(files.certificate, files.key)

    options = ["-x509_strict", "-verify_ip", "203.0.113.10", "-CAfile", str(files.authority)]
    subprocess.run(["openssl", "verify", *options, str(files.certificate)], check=True, timeout=60)


def test_only_the_server_key_is_written_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    """The folder holds two certificates and one key of mode 0600; the authority's key is nowhere."""
    files = issue(tmp_path, HOST, "203.0.113.10", NOW)
    secret = [path for path in tmp_path.iterdir() if b"PRIVATE KEY" in path.read_bytes()]

    assert [files.key] == secret
    assert 0o600 == stat.S_IMODE(files.key.stat().st_mode)
