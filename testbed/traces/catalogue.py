"""Public datasets by name: where they are, under which licence, and how to get one."""

from __future__ import annotations

import hashlib
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from testbed import load
from testbed.errors import HostError, InputError, did_you_mean

FILE = Path(__file__).parents[2] / "scenarios" / "catalogue.yaml"
_TIMEOUT_S = 60.0
_LARGEST = 2 << 30


@dataclass(frozen=True)
class Entry:
    """One file of a dataset."""

    format: str
    sha256: str = ""


@dataclass(frozen=True)
class Dataset:
    """A public dataset. ``files`` by path below ``address``."""

    title: str
    address: str
    licence: str
    citation: str
    files: Mapping[str, Entry]
    note: str = ""
    name: str = ""


@dataclass(frozen=True)
class Catalogue:
    """All datasets by name."""

    datasets: Mapping[str, Dataset] = field(default_factory=dict)

    def find(self, name: str) -> tuple[Dataset, str]:
        """Return the dataset and the path below it that DATASET/PATH names. Raises InputError."""
        dataset_name, _, path = name.partition("/")
        if dataset_name not in self.datasets:
            raise InputError("", f"no dataset {dataset_name!r}", did_you_mean(dataset_name, self.datasets))
        dataset = self.datasets[dataset_name]
        if path not in dataset.files:
            expected = dataset.note or did_you_mean(path, dataset.files)
            raise InputError(
                "", f"{dataset_name} has no file {path!r}" if path else "no file named", expected
            )
        return dataset, path

    def dataset_of(self, path: Path) -> Dataset | None:
        """Return the dataset whose name is a folder above a file."""
        return next((self.datasets[part] for part in reversed(path.parts) if part in self.datasets), None)

    @property
    def names(self) -> list[str]:
        """Every file that can be pulled."""
        return [f"{name}/{path}" for name, dataset in self.datasets.items() for path in dataset.files]


@cache
def read(path: Path = FILE) -> Catalogue:
    """Read the catalogue. Raises InputError."""
    return load.read(path, Catalogue)


def terms(dataset: Dataset) -> str:
    """Return what to know before use."""
    rows = (("from", dataset.address), ("licence", dataset.licence), ("cite", dataset.citation))
    return "\n".join([dataset.title, *(f"  {name:<9} {text}" for name, text in rows)])


def fetch(dataset: Dataset, path: str, target: Path) -> None:
    """Download one file of a dataset to ``target``, whole or not at all.

    Raises HostError where the network fails, InputError where the content is not the expected one.
    """
    address = f"{dataset.address}/{path}"
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer:
            data = answer.read(_LARGEST + 1)
    except (urllib.error.URLError, OSError) as error:
        raise HostError(f"{address}: {error}; serve it from a folder with --from DIR") from error
    if len(data) > _LARGEST:
        raise InputError(address, "larger than 2 GiB", "download it by hand and pull it with --from DIR")
    _check(data, dataset.files[path], address)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(target.name + ".part")
    unfinished.write_bytes(data)
    unfinished.replace(target)


def check(path: Path, entry: Entry) -> None:
    """Check a file against the catalogue's SHA-256, where it has one. Raises InputError."""
    _check(path.read_bytes() if entry.sha256 else b"", entry, str(path))


def _check(data: bytes, entry: Entry, where: str) -> None:
    if entry.sha256 and (found := hashlib.sha256(data).hexdigest()) != entry.sha256:
        raise InputError(where, f"SHA-256 {found}", f"the catalogue says {entry.sha256}")
