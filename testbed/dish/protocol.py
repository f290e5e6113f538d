"""The terminal's protocol: the descriptors that the public package starlink-client has compiled in.

Its modules are read, not imported: they are generated for an older protobuf than ours, which refuses them; the
descriptors in them are plain bytes that any version takes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2, wrappers_pb2

from testbed.errors import HostError

PACKAGE = "SpaceX.API.Device"
SERVICE = f"{PACKAGE}.Device"
_DISTRIBUTION = "starlink-client"


def message(name: str) -> Any:
    """Return the class of a message such as ``Request``. Raises HostError where the package is missing."""
    return message_factory.GetMessageClass(pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


@cache
def pool() -> descriptor_pool.DescriptorPool:
    """Return all of the protocol, for reflection as well. Raises HostError where the package is missing."""
    found = descriptor_pool.DescriptorPool()
    files = {file.name: file for file in _files()}
    for known in (timestamp_pb2, wrappers_pb2):
        found.AddSerializedFile(known.DESCRIPTOR.serialized_pb)
    added: set[str] = set()
    for name in files:
        _add(name, files, found, added)
    return found


def _add(
    name: str,
    files: Mapping[str, descriptor_pb2.FileDescriptorProto],
    found: descriptor_pool.DescriptorPool,
    added: set[str],
) -> None:
    """Add a file after those that it needs."""
    if name in added or name not in files:
        return
    added.add(name)
    for needed in files[name].dependency:
        _add(needed, files, found, added)
    found.Add(files[name])


def _files() -> Iterator[descriptor_pb2.FileDescriptorProto]:
    try:
        listed = metadata.files(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError as error:
        found = f"the Python package {_DISTRIBUTION} is missing, which describes what a dish says"
        raise HostError(f"{found}; run 'make setup'") from error
    for path in listed:
        if path.name.endswith("_pb2.py"):
            yield from _described(Path(str(path.locate())))


def _described(module: Path) -> Iterator[descriptor_pb2.FileDescriptorProto]:
    """Yield the descriptors that a generated module hands to its pool."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call) or getattr(node.func, "attr", "") != "AddSerializedFile":
            continue
        if isinstance(node.args[0], ast.Constant):
            yield descriptor_pb2.FileDescriptorProto.FromString(node.args[0].value)
