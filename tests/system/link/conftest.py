"""Hosts in network namespaces, with the engine between them."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(autouse=True)
def permitted() -> None:
    """These tests make network namespaces of their own and touch nothing outside them."""
    if os.geteuid() != 0:
        pytest.skip("needs root for network namespaces and packet sockets")
