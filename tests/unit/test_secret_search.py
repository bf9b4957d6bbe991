"""The search for secrets finds one in everything that a program leaves behind, so that its silence means something."""

from __future__ import annotations

import base64
import gzip
import html
import io
import json
import os
import pickle
import sqlite3
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote, quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from live_exchange import build_canary
from processes import start_process
from secret_search import SecretSearch
from waiting import wait_for

SECRET = build_canary().passphrase
SIGNATURE = base64.b64encode(os.urandom(32)).decode()


def png(kind: bytes, data: bytes) -> bytes:
    """An image with one chunk of text."""
    chunk = struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return b"\x89PNG\r\n\x1a\n" + chunk


def zipped(text: str) -> bytes:
    """An archive with a file that holds a text."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner", text)
    return file.getvalue()


TEXTS: dict[str, Callable[[str], str | bytes]] = {
    "plain": str,
    "first characters": lambda secret: secret[:12],
    "last characters": lambda secret: f"ends in {secret[-12:]}",
    "characters in the middle": lambda secret: secret[-25:-10],
    "JSON": json.dumps,
    "JSON in JSON": lambda secret: json.dumps({"inner": json.dumps({"deeper": json.dumps(secret)})}),
    "repr": lambda secret: repr({"secret": secret}),
    "bytes": lambda secret: repr(secret.encode()),
    "URL": lambda secret: f"http://127.0.0.1/?passphrase={quote(secret)}",
    "form": lambda secret: f"passphrase={quote_plus(secret)}",
    "every character percent-encoded": lambda secret: "".join(f"%{ord(each):02X}" for each in secret),
    "HTML": lambda secret: f"<td>{html.escape(secret)}</td>",
    "every character an HTML entity": lambda secret: "".join(f"&#{ord(each)};" for each in secret),
    "hex": lambda secret: secret.encode().hex(),
    "upper-case hex": lambda secret: f"x{secret.encode().hex().upper()}",
    "backwards": lambda secret: secret[::-1],
    "UTF-16": lambda secret: secret.encode("utf-16"),
    "base64": lambda secret: base64.b64encode(secret.encode()),
    "base64 behind one character": lambda secret: base64.b64encode(f"a{secret}b".encode()),
    "base64 behind two characters": lambda secret: base64.urlsafe_b64encode(f"ab{secret}c".encode()),
    "basic auth": lambda secret: "Authorization: Basic " + base64.b64encode(f"user:{secret}".encode()).decode(),
    "pickle": lambda secret: pickle.dumps({"secret": [secret]}),
    "gzip": lambda secret: gzip.compress(secret.encode()),
    "zlib": lambda secret: zlib.compress(secret.encode()),
    "zlib in hex": lambda secret: zlib.compress(secret.encode()).hex(),
    "zlib in zlib": lambda secret: zlib.compress(zlib.compress(secret.encode())),
    "zip": zipped,
    "text of an image": lambda secret: png(b"tEXt", b"Author\0" + secret.encode()),
    "packed text of an image": lambda secret: png(b"zTXt", b"Author\0\0" + zlib.compress(secret.encode())),
    "image in a page": lambda secret: (
        b'<img src="data:image/png;base64,'
        + base64.b64encode(png(b"zTXt", b"Author\0\0" + zlib.compress(secret.encode())) + bytes(60))
        + b'">'
    ),
    "signature in a log": lambda secret: f"signed with {SIGNATURE} ",
    "signature in a URL": lambda secret: f"?sign={quote(SIGNATURE, safe='')}&x=1",
    "signature in JSON": lambda secret: json.dumps({"DC": SIGNATURE}),
    "header of another request": lambda secret: "{'DC-ACCESS-KEY': 'another'}",
    "header in JSON": lambda secret: json.dumps(json.dumps({"dc-access-timestamp": "2026-01-01"})),
    "header in a list": lambda secret: "[('DC-ACCESS-KEY', 'another')]",
    "header on the wire": lambda secret: "DC-ACCESS-SIGN: abc",
}


def search() -> SecretSearch:
    """Looks for the one secret."""
    return SecretSearch({"passphrase": SECRET}, {SIGNATURE})


@pytest.mark.parametrize("write", TEXTS.values(), ids=TEXTS.keys())
def test_a_secret_is_found_in_whatever_way_it_is_written_down(tmp_path: Path, write: Callable[[str], str | bytes]) -> None:
    """Each of these is a way in which some library writes what it was given."""
    looking, written = search(), write(SECRET)
    (tmp_path / "file").write_bytes(written if isinstance(written, bytes) else written.encode())
    assert looking.look_at_folder(tmp_path) == 1
    assert looking.findings
    assert str(tmp_path / "file") in looking.findings[0]


def in_sqlite(path: Path, value: object) -> None:
    """A database with a value in a row that is longer than a page."""
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE kept (number INTEGER, value)")
        database.execute("INSERT INTO kept VALUES (1, ?)", (value,))
        database.commit()


def in_parquet(path: Path, value: object, metadata: dict[str, str] | None = None) -> None:
    """A packed table with a value in a column."""
    table = pa.table({"value": [None, value]}).replace_schema_metadata(metadata)
    pq.write_table(table, path, compression="zstd")


CONTAINERS: dict[str, Callable[[Path], None]] = {
    "text in a database": lambda folder: in_sqlite(folder / "a.db", SECRET),
    "text across the pages of a database": lambda folder: in_sqlite(folder / "a.db", "x" * 4000 + SECRET + "y" * 9000),
    "packed column of a database": lambda folder: in_sqlite(folder / "a.db", zlib.compress(SECRET.encode())),
    "column of a table": lambda folder: in_parquet(folder / "a.parquet", SECRET),
    "list in a table": lambda folder: in_parquet(folder / "a.parquet", [SECRET]),
    "metadata of a table": lambda folder: in_parquet(folder / "a.parquet", "", {"head": SECRET}),
    "name of a file": lambda folder: (folder / quote(SECRET, safe="")).touch(),
    "target of a link": lambda folder: (folder / "link").symlink_to(f"/nowhere/{quote(SECRET, safe='')}"),
}


@pytest.mark.parametrize("write", CONTAINERS.values(), ids=CONTAINERS.keys())
def test_a_secret_is_found_in_every_kind_of_file(tmp_path: Path, write: Callable[[Path], None]) -> None:
    """Of a database or a table the bytes on disk need not hold a value in one piece."""
    looking = search()
    write(tmp_path)
    looking.look_at_folder(tmp_path)
    assert looking.findings


class _TellingError(Exception):
    """Shows nothing, and carries something."""

    def __init__(self, secret: str):
        super().__init__("nothing")
        self.request = secret


def in_a_local_variable(secret: str) -> None:
    """Raises with the secret in a frame."""
    raise ValueError("nothing")


def in_the_cause(secret: str) -> None:
    """Raises because of an error that names the secret."""
    try:
        int(secret)
    except ValueError as error:
        raise RuntimeError("nothing") from error


def in_an_attribute(_secret: str) -> None:
    """Raises with the secret beside the message. The frames hold none: the search reads attributes too."""
    error = _TellingError(SECRET)
    error.__traceback__ = None
    raise error


@pytest.mark.parametrize("fail", [in_a_local_variable, in_the_cause, in_an_attribute])
def test_a_secret_is_found_in_an_error(fail: Callable[[str], None]) -> None:
    """Crash reporters show local variables, causes and attributes, not only the message."""
    looking = search()
    with pytest.raises((ValueError, RuntimeError, _TellingError)) as failed:
        fail(SECRET)
    looking.look_at_error("a call", failed.value)
    assert looking.findings


def test_a_secret_is_found_in_a_command_line() -> None:
    """Everybody on the machine can read it there."""
    looking = search()
    command = [sys.executable, "-c", "import sys; sys.stdin.read()", SECRET]
    with start_process(command, stdin=subprocess.PIPE) as process:
        wait_for("the program has replaced the one that starts it", lambda: looking.look_at_processes([process.pid]))
    assert looking.findings


def test_where_there_is_no_secret_none_is_found(tmp_path: Path) -> None:
    """A search that finds something everywhere proves nothing either."""
    other, looking = build_canary().secret_key, search()
    for number, (name, write) in enumerate(TEXTS.items()):
        written = "" if name.startswith(("signature", "header")) else write(other)
        (tmp_path / str(number)).write_bytes(written if isinstance(written, bytes) else written.encode())
    in_sqlite(tmp_path / "a.db", zlib.compress(other.encode()))
    in_parquet(tmp_path / "a.parquet", other, {"head": other})
    looking.look_at_folder(tmp_path)
    looking.look_at("message", "Request header DC-ACCESS-KEY can't be empty; DC-ACCESS-SIGN is wrong")
    assert looking.findings == []
    assert looking.looked_at > 10_000
