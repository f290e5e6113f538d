"""Public datasets by name: where they are, under which licence, and how to get one."""

from __future__ import annotations

import hashlib
import http.client
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import IO

from testbed.errors import HostError, InputError, did_you_mean
from testbed.yaml import load

FILE = Path(__file__).parents[2] / "scenarios" / "catalogue.yaml"
_TIMEOUT_S = 60.0
_LARGEST = 2 << 30
_BLOCK = 1 << 16
Progress = Callable[[int, int | None], None]
"""Is told how many bytes are here, and how many there will be, where that is known."""


@dataclass(frozen=True)
class DatasetFile:
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
    files: Mapping[str, DatasetFile]
    note: str = ""
    name: str = load.of_key()


@dataclass(frozen=True)
class Datasets:
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
def read(path: Path = FILE) -> Datasets:
    """Read the catalogue. Raises InputError."""
    return load.read(path, Datasets)


def terms(dataset: Dataset) -> str:
    """Return what to know before use."""
    rows = (("from", dataset.address), ("licence", dataset.licence), ("cite", dataset.citation))
    return "\n".join([dataset.title, *(f"  {name:<9} {text}" for name, text in rows)])


def fetch(dataset: Dataset, path: str, target: Path, progress: Progress = lambda done, total: None) -> None:
    """Download one file of a dataset to ``target``, whole or not at all; tell ``progress`` how many bytes are here.

    Raises HostError where the network fails, InputError where the content is not the expected one.
    """
    address = f"{dataset.address}/{path}"
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(target.name + ".part")
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT_S) as answer, unfinished.open("wb") as file:
            found = _copy(answer, file, address, progress)
        _compare(found, dataset.files[path], address)
        unfinished.replace(target)
    except (OSError, http.client.HTTPException) as error:
        raise HostError(f"{address}: {error}; serve it from a folder with --from DIR") from error
    finally:
        unfinished.unlink(missing_ok=True)


def _copy(answer: http.client.HTTPResponse, file: IO[bytes], address: str, progress: Progress) -> str:
    """Copy an answer's body to a file; return its SHA-256. Raises HostError where it ends too early."""
    told = answer.headers["Content-Length"]
    total = int(told) if told and told.isdigit() else None
    digest, done = hashlib.sha256(), 0
    while block := answer.read(_BLOCK):
        done += len(block)
        if done > _LARGEST:
            raise InputError(address, "larger than 2 GiB", "download it by hand and pull it with --from DIR")
        file.write(block)
        digest.update(block)
        progress(done, total)
    if total is not None and done < total:
        raise HostError(f"{address}: ended after {done} of {total} bytes; try again")
    return digest.hexdigest()


def check(path: Path, entry: DatasetFile) -> None:
    """Check a file against the catalogue's SHA-256, where it has one. Raises InputError."""
    if entry.sha256:
        with path.open("rb") as file:
            _compare(hashlib.file_digest(file, "sha256").hexdigest(), entry, str(path))


def _compare(found: str, entry: DatasetFile, where: str) -> None:
    if entry.sha256 and found != entry.sha256:
        raise InputError(where, f"SHA-256 {found}", f"the catalogue says {entry.sha256}")
