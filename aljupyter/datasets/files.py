"""Files of the catalogue: found on this machine or downloaded, and never read unless they are the right ones.

Looked for, in this order: in the folder that the environment variable ALJUPYTER_DATA names (it is only read), in the
cache, at the mirror that ALJUPYTER_MIRROR names, at the sources of the catalogue. The first three hold a file under the
same relative path. What is read is checked: size and SHA-256 of the very bytes that are handed on.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import tempfile
import time
import warnings
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from aljupyter.errors import CacheNotWritable, DownloadFailed, WrongChecksum

DATA_VARIABLE = "ALJUPYTER_DATA"
MIRROR_VARIABLE = "ALJUPYTER_MIRROR"
SHIPPED = "sklearn:"  # begins the path of a file that comes with scikit-learn
TIMEOUT = (10, 15)  # seconds: to connect, and without a byte
STALE = 3600  # seconds after which what a killed download left is taken away
_LARGEST_ARCHIVE = 2**26  # bytes, or twenty times the member
_LARGEST_UNKNOWN = 2**28  # bytes of a file whose size nobody published


@dataclass(frozen=True)
class File:
    """A file that a dataset is read from.

    Parameters
    ----------
    path : str
        Relative, with slashes: where it lies in a folder of data. ``sklearn:name`` ships with scikit-learn.
    bytes : int
        Its size; 0 where nobody published it.
    sha256 : str
        Hexadecimal; empty where nobody published it: then the first download is remembered, and later ones compared.
    sources : tuple of str
        URLs in the order to try; ``url#member`` is a member of a zip archive.
    """

    path: str
    bytes: int
    sha256: str
    sources: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]


def default_cache() -> Path:
    """The folder of this user for downloaded files."""
    import platformdirs

    return platformdirs.user_cache_path("aljupyter") / "datasets"


def read_file(file: File, cache: str | os.PathLike[str] | None = None) -> bytes:
    """The bytes of a file, checked.

    Parameters
    ----------
    file : File
    cache : path, optional
        Folder for downloaded files; one of this user where not given.

    Raises
    ------
    DownloadFailed
        Where no copy is to be had; says what to put where by hand.
    WrongChecksum
        Where a copy was found, but none that is right. It is kept aside and not read.
    CacheNotWritable
    """
    if file.path.startswith(SHIPPED):
        return _shipped(file)
    place = _folder(cache if cache is not None else default_cache()) / file.path
    wrong: list[str] = []  # copies that are not the right ones
    missing: list[str] = []  # places that have none
    content = _in_data_folder(file, wrong, missing)
    if content is None:
        content = _in_cache(file, place, wrong)
    if content is None:
        content = _download(file, place, wrong, missing)
    if wrong:  # told here at the latest; had there been no right copy, the error would have said it
        _warn(f"A right copy of {file.name} was read, after wrong ones were passed over. " + "; ".join(wrong) + ".")
    return content


def _folder(path: str | os.PathLike[str]) -> Path:
    return Path(os.path.expanduser(path))  # Path.expanduser raises where there is no such user


# --- copies on this machine -----------------------------------------------------------------------------------------


def _shipped(file: File) -> bytes:
    name = file.path.removeprefix(SHIPPED)
    try:
        content = resources.files("sklearn.datasets.data").joinpath(name).read_bytes()
        wrong = _what_is_wrong(content, file)
    except (OSError, ModuleNotFoundError):
        wrong = "is missing"
    if wrong:
        raise WrongChecksum(
            f"{name} of the installed scikit-learn {wrong}. These are not the published data: "
            f"install scikit-learn anew, or a release of it that aljupyter is tested with."
        )
    return content


def _in_data_folder(file: File, wrong: list[str], missing: list[str]) -> bytes | None:
    folder = os.environ.get(DATA_VARIABLE)
    if not folder:
        return None
    path = _folder(folder) / file.path
    where = f"{path} (in the folder that {DATA_VARIABLE} names)"
    try:
        content = path.read_bytes()
    except OSError as error:
        missing.append(f"{where}: {error.strerror}")
        return None
    fault = _what_is_wrong(content, file)
    if fault:
        wrong.append(f"{where} {fault}; not read")
        return None
    if not file.sha256:
        _warn(f"No checksum is published for {file.name}: {path} is read as it is.")
    return content


def _in_cache(file: File, place: Path, wrong: list[str]) -> bytes | None:
    """A copy in the cache; one that is wrong is kept aside."""
    _clear_stale(place)
    try:
        content = place.read_bytes()
    except OSError:
        return None
    fault = _what_is_wrong(content, file, place)
    if not fault:
        _remember(file, place, content)
        return content
    aside = _aside(place, content)
    try:
        place.replace(aside)
    except FileNotFoundError:  # another process was faster
        pass
    except OSError as error:
        raise WrongChecksum(f"{place} {fault}, and cannot be put aside ({error}). Delete it, and load again.") from None
    wrong.append(f"{place} {fault}; not read, but kept as {aside.name}")
    return None


def _what_is_wrong(content: bytes, file: File, place: Path | None = None) -> str:
    """In words that follow the name of the file; empty if nothing is.

    Where no checksum is published, that of the first copy counts, which is remembered beside its `place` in the cache.
    """
    if not content:
        return "is empty"
    if file.bytes and len(content) != file.bytes:
        how = "cut short" if len(content) < file.bytes else "too long"
        return f"has {len(content):,} bytes of {file.bytes:,}: {how}"
    given = hashlib.sha256(content).hexdigest()
    if file.sha256 and given != file.sha256:
        return f"has SHA-256 {given}, where {file.sha256} is right: damaged, or another file"
    if place is None or file.sha256 or _remembered(place) in ("", given):
        return ""
    return f"has SHA-256 {given}, and not that of the first copy (if that one was wrong, delete {_note(place)})"


def _aside(place: Path, content: bytes) -> Path:
    return place.with_name(f"{place.name}.wrong-{hashlib.sha256(content).hexdigest()[:8]}")


def _note(place: Path) -> Path:
    return place.with_name(place.name + ".sha256")


def _remembered(place: Path) -> str:
    """The checksum that the first copy of a file without a published one had."""
    try:
        text = _note(place).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
    return text if re.fullmatch("[0-9a-f]{64}", text) else ""


def _remember(file: File, place: Path, content: bytes) -> None:
    if file.sha256 or _remembered(place):
        return
    checksum = hashlib.sha256(content).hexdigest()
    # A cache that can only be read is no reason not to read it.
    with suppress(CacheNotWritable):
        _write(_note(place), f"{checksum}\n".encode())
    _warn(
        f"No checksum is published for {file.name}. This copy has SHA-256 {checksum}, and later ones must have it too; "
        f"should it turn out to be wrong, delete {place} and {_note(place).name}."
    )


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=2)


# --- downloads ------------------------------------------------------------------------------------------------------


class _Sink(io.BytesIO):
    """What a download is written to: it moves a progress bar, and takes no more than it should."""

    def __init__(self, most: int, bar: Any):
        super().__init__()
        self._most = most
        self._bar = bar

    def write(self, chunk: Any) -> int:
        if self.tell() + len(chunk) > self._most:
            raise DownloadFailed(f"sends more than the {self._most:,} bytes expected")
        self._bar.update(len(chunk))
        return super().write(chunk)


def _download(file: File, place: Path, wrong: list[str], missing: list[str]) -> bytes:
    """From the first source that has the right file."""
    _require_writable(place)
    mirror = os.environ.get(MIRROR_VARIABLE)
    sources = ([f"{mirror.rstrip('/')}/{file.path}"] if mirror else []) + list(file.sources)
    for source in sources:
        try:
            content = _from(source, file)
        except DownloadFailed as error:
            missing.append(f"{source}: {error}")
            continue
        fault = _what_is_wrong(content, file, place)
        if not fault:
            _write(place, content)
            _remember(file, place, content)
            return content
        aside = _aside(place, content)
        _write(aside, content)
        wrong.append(f"What {source} sent {fault}; not read, but kept as {aside.name}")
    listed = "".join(f"\n  {line}" for line in wrong + missing) or "\n  (the catalogue names no source)"
    size = f"{file.bytes:,} bytes, " if file.bytes else ""
    raise (WrongChecksum if wrong else DownloadFailed)(
        f"{file.name} ({size}SHA-256 {file.sha256 or 'not published'}) is not on this machine, and no source gave it:"
        f"{listed}\nIs this machine offline? Download the file elsewhere (a.zip#name is name in the archive a.zip) "
        f"and put it at {place}, or at {file.path} in a folder that the environment variable {DATA_VARIABLE} names."
    )


def _from(source: str, file: File) -> bytes:
    """What a source sends.

    Raises
    ------
    DownloadFailed
        Says why, in a few words.
    """
    import pooch
    import urllib3
    from tqdm.auto import tqdm

    url, _, member = source.partition("#")
    most = max(_LARGEST_ARCHIVE, 20 * file.bytes) if member else file.bytes or _LARGEST_UNKNOWN
    total = None if member else file.bytes or None
    get = pooch.HTTPDownloader(
        chunk_size=2**16,
        timeout=TIMEOUT,
        # Compression by the server would hide the length, and unpack what is meant to stay packed.
        headers={"Accept-Encoding": "identity"},
        hooks={} if file.bytes else {"response": _require_length},
    )
    with tqdm(total=total, unit="B", unit_scale=True, desc=file.name, delay=1, leave=False) as bar:
        sink = _Sink(most, bar)
        try:
            get(url, sink, None)
        except DownloadFailed:
            raise
        except (OSError, urllib3.exceptions.HTTPError, ValueError) as error:  # those of requests are OSErrors
            raise DownloadFailed(_shortened(error)) from None
    content = sink.getvalue()
    return _member(content, member, file.bytes or _LARGEST_UNKNOWN) if member else content


def _require_length(response: Any, **_: Any) -> None:
    """Without a length that somebody told, a broken connection looks like the end of the file."""
    told = {"Content-Length", "Transfer-Encoding"} & {name.title() for name in response.headers}
    if response.ok and not response.is_redirect and not told:
        raise DownloadFailed("does not say how long the file is, so none can know whether all of it came")


def _member(archive: bytes, member: str, most: int) -> bytes:
    """One member of a zip archive; nothing else of it is unpacked, and nothing to disk."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            if opened.getinfo(member).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise zipfile.BadZipFile("a compression that cannot be unpacked bit by bit")
            with opened.open(member) as stream:
                return stream.read(most + 1)  # one more, so that what is too long shows
    except Exception as error:  # zipfile and zlib raise nearly anything over a damaged archive
        raise DownloadFailed(f"the archive does not give {member}: {_shortened(error)}") from None


def _shortened(error: Exception, most: int = 200) -> str:
    """What went wrong; of an error of the network its innermost reason, without the objects it is wrapped in."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    text = " ".join(f"{type(error).__name__}: {reason or error}".split())
    return text if len(text) <= most else text[: most - 3] + "..."


# --- the cache ------------------------------------------------------------------------------------------------------


def _clear_stale(place: Path) -> None:
    """What killed processes left. Younger ones may belong to another process at work."""
    for part in place.parent.glob(f".{place.name}.*.part"):
        try:
            if time.time() - part.stat().st_mtime > STALE:
                part.unlink()
        except OSError:
            continue


def _require_writable(place: Path) -> None:
    """Found out before the download, not after it."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=place.parent).close()
        if place.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(place))
    except OSError as error:
        raise _not_writable(place, error) from None


def _not_writable(place: Path, error: OSError) -> CacheNotWritable:
    return CacheNotWritable(
        f"The cache {place.parent} cannot be written to ({error}). Give another one, load(..., cache=folder), or put "
        f"the files in a folder that the environment variable {DATA_VARIABLE} names."
    )


def _write(place: Path, content: bytes) -> None:
    """All of the file or nothing: written under another name first. Two processes may do so at once."""
    try:
        handle, part = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.chmod(part, 0o644)
            os.replace(part, place)
        except BaseException:
            os.unlink(part)
            raise
    except OSError as error:
        raise _not_writable(place, error) from None
