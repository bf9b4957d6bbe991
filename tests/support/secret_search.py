"""Looks for secrets in whatever a program leaves behind: files, databases, tables, pages, answers, messages.

Everything is unpacked first, layer by layer, so that a secret inside a compressed column of a database, or in the metadata
of an image in a report, is found like one in a log.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import html
import io
import re
import sqlite3
import traceback
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pyarrow.parquet as pq

_PIECE = 12  # Characters of a secret in a row that count as a find: "ends in ...": four are allowed, a third is not.
_STEP = 4
_DEEPEST = 8
_MOST_BYTES = 64 * 1024 * 1024
_SIGNATURE = re.compile(rb"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{43}=")
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{64,}={0,2}")
_HEADER_WITH_VALUE = re.compile(
    rb"dc-access-(?:key|sign|passphrase|timestamp)(?:[\"'\\]*\s*[:=]|[\"'\\]+\s*,)\s*[\"'\\]*[^\s\"'\\,}*]", re.I
)
_PADDING = b"x" * 1024  # What the paper exchange makes an answer oversized with; megabytes of it, and nothing in it.
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass
class SecretSearch:
    """What is looked for, and what was found so far.

    Attributes:
        secrets: By name. Pieces of twelve characters are looked for too, and the encodings that a program may apply.
        signatures: Signatures of requests; no part of what is left behind may repeat one either.
        findings: Where something was found, and what.
        looked_at: How many bytes were looked through, unpacked ones included.
    """

    secrets: Mapping[str, str]
    signatures: set[str] = field(default_factory=set)
    findings: list[str] = field(default_factory=list)
    looked_at: int = 0

    def __post_init__(self) -> None:
        self._patterns = [(name, bytes_) for name, text in self.secrets.items() for bytes_ in set(_forms(text))]
        self._signatures = {each.encode() for each in self.signatures}

    def look_at(self, where: str, data: bytes | str) -> None:
        """Look through some bytes and everything that is packed in them."""
        whole = data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data
        for layer, content in _unpack(whole.replace(_PADDING, b"")):
            self.looked_at += len(content)
            self._look(f"{where}{layer}", content)

    def look_at_folder(self, folder: Path) -> int:
        """Look through every file below a folder, and at the names of the files; how many there were."""
        paths = sorted(path for path in folder.rglob("*"))
        for path in paths:
            self.look_at(f"name of {path}", str(path))
            if path.is_symlink():
                self.look_at(f"link {path}", str(path.readlink()))
            elif path.is_file():
                self.look_at(str(path), path.read_bytes())
                self._look_at_contents(path)
        return len(paths)

    def look_at_error(self, where: str, error: BaseException) -> None:
        """Look through an error as a log, a page or a crash reporter would show it, local variables included.

        The frame that caught it is left out: it is the test's, which knows the secrets.
        """
        if error.__traceback__ is not None:
            error = error.with_traceback(error.__traceback__.tb_next)
        told = traceback.TracebackException.from_exception(error, capture_locals=True)
        self.look_at(f"traceback of {where}", "".join(told.format()))
        self.look_at(f"error of {where}", f"{error!r} {error} {vars(error)!r} {error.args!r}")

    def look_at_processes(self, groups: Iterable[int]) -> int:
        """Look through the command lines of the processes of some process groups; how many there were.

        Their environment is left out: it is where the secrets are meant to be.
        """
        wanted, seen = set(groups), 0
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has ended meanwhile
                group = int((folder / "stat").read_text().rpartition(")")[2].split()[2])
                if group in wanted:
                    seen += 1
                    self.look_at(f"command line of process {folder.name}", (folder / "cmdline").read_bytes())
        return seen

    def _look(self, where: str, content: bytes) -> None:
        for name, pattern in self._patterns:
            if pattern in content:
                self.findings.append(f"{name} in {where}: …{_around(content, pattern)}…")
        for found in set(_SIGNATURE.findall(content)) & self._signatures:
            self.findings.append(f"a signature in {where}: …{_around(content, found)}…")
        if header := _HEADER_WITH_VALUE.search(content):
            self.findings.append(f"a signing header with its value in {where}: …{_around(content, header[0])}…")

    def _look_at_contents(self, path: Path) -> None:
        """The values in a database or table: on disk they may be torn apart by pages, packed or encoded."""
        head = path.read_bytes()[:16]
        values: Iterator[tuple[str, bytes]] = iter(())
        if head.startswith(b"SQLite format 3\0"):
            values = _read_sqlite(path)
        elif head.startswith(b"PAR1"):
            values = _read_parquet(path)
        for where, value in values:
            self.look_at(f"{path}: {where}", value)


def _forms(text: str) -> Iterator[bytes]:
    """A secret and its pieces as a program might write them down.

    Escapes of URLs, JSON, HTML and Python leave letters and digits alone, so that a piece of them is found in any of these.
    """
    plain = text.encode()
    for start in range(0, max(1, len(plain) - _PIECE + 1), _STEP):
        yield plain[start : start + _PIECE]
    yield plain[-_PIECE:]
    for whole in (plain, plain[-32:]):
        yield whole[::-1]
        yield whole.hex().encode()
        yield whole.hex().upper().encode()
        yield whole.decode().encode("utf-16-le")
        for shift in range(3):
            # Of an encoded secret inside something longer, the characters at both ends depend on what is beside it.
            encoded = base64.b64encode(b"\0" * shift + whole)
            inner = encoded[-(-shift * 8 // 6) : len(encoded) - 4]
            yield inner
            yield inner.translate(bytes.maketrans(b"+/", b"-_"))


def _unpack(content: bytes, depth: int = 0) -> Iterator[tuple[str, bytes]]:
    """The content, and what is packed in it, each with a word on how to get there."""
    yield "", content
    if depth == _DEEPEST:
        return
    for name, inner in _peel(content):
        for deeper, data in _unpack(inner, depth + 1):
            yield f" > {name}{deeper}", data


def _peel(content: bytes) -> Iterator[tuple[str, bytes]]:
    """What lies one layer below some bytes."""
    for name, unpack in _PACKINGS.items():
        with suppress(Exception):  # it is not packed in this way
            yield name, unpack(content)
    if content.startswith(b"PK\x03\x04"):
        with suppress(zipfile.BadZipFile), zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.namelist():
                yield f"zip {member}", archive.read(member)
    if content.startswith(_PNG):
        yield from _read_png(content)
    for match in _BASE64.finditer(content):
        with suppress(binascii.Error):
            text = match[0].rstrip(b"=").replace(b"-", b"+").replace(b"_", b"/")
            decoded = base64.b64decode(text[: len(text) // 4 * 4])
            # Random bytes have no layers of their own; what was packed or says something has.
            if decoded.startswith((_PNG, b"\x1f\x8b", b"PK\x03\x04", b"x\x9c", b"x\xda", b"x\x01")) or decoded.isascii():
                yield f"base64 at {match.start()}", decoded
    if b"%" in content and (plain := unquote_to_bytes(content)) != content:
        yield "percent-encoding", plain
        yield "form", unquote_to_bytes(content.replace(b"+", b" "))
    if b"&" in content and b";" in content:
        with suppress(UnicodeDecodeError):
            text = content.decode()
            if (plain_text := html.unescape(text)) != text:
                yield "HTML", plain_text.encode("utf-8", "surrogatepass")


def _inflate(content: bytes) -> bytes:
    return zlib.decompressobj().decompress(content, _MOST_BYTES) if content[:1] == b"x" else _fail()


def _gunzip(content: bytes) -> bytes:
    return gzip.decompress(content) if content.startswith(b"\x1f\x8b") else _fail()


def _unhex(content: bytes) -> bytes:
    return binascii.unhexlify(content) if len(content) > 32 else _fail()


def _unescape(content: bytes) -> bytes:
    """JSON or Python text inside such text."""
    plain = content.replace(b"\\\\", b"\\").replace(b'\\"', b'"').replace(b"\\/", b"/")
    return plain if plain != content else _fail()


def _fail() -> bytes:
    raise ValueError


_PACKINGS: Mapping[str, Callable[[bytes], bytes]] = {
    "zlib": _inflate,
    "gzip": _gunzip,
    "hex": _unhex,
    "escapes": _unescape,
}


def _read_png(content: bytes) -> Iterator[tuple[str, bytes]]:
    """The text chunks of an image; a plot's pixels are not read."""
    at = len(_PNG)
    while at + 8 <= len(content):
        length, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        data = content[at + 8 : at + 8 + length]
        if kind in (b"tEXt", b"iTXt", b"eXIf"):
            yield f"PNG {kind.decode()}", data
        elif kind == b"zTXt":
            with suppress(zlib.error):
                yield "PNG zTXt", zlib.decompress(data.partition(b"\0")[2][1:])
        at += length + 12


def _read_sqlite(path: Path) -> Iterator[tuple[str, bytes]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as database:
        database.text_factory = bytes
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            name = table.decode()
            for number, row in enumerate(database.execute(f'SELECT * FROM "{name}"')):
                for value in row:
                    if value is not None:
                        yield f"{name} row {number}", value if isinstance(value, bytes) else str(value).encode()


def _read_parquet(path: Path) -> Iterator[tuple[str, bytes]]:
    table = pq.read_table(path, partitioning=None)
    schemas = [table.schema.metadata or {}, *(column.metadata or {} for column in table.schema)]
    for key, value in (item for metadata in schemas for item in metadata.items()):
        yield f"metadata {key!r}", key + b"=" + value
    for name in table.column_names:
        for number, value in enumerate(table[name].to_pylist()):
            if value is not None:
                yield f"{name} row {number}", value if isinstance(value, bytes) else str(value).encode()


def _around(content: bytes, found: bytes) -> str:
    at = content.find(found)
    return content[max(0, at - 60) : at + len(found) + 20].decode("utf-8", "replace")
