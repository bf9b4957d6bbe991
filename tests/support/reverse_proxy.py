"""The reverse proxy that is shipped as an example, run by Debian's nginx on free ports of loopback, and a client of it."""

from __future__ import annotations

import base64
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from dagster_stack import CHECKOUT, find_free_port
from processes import start_process
from waiting import wait_for

WRITING, VIEWERS = "flatten.example.com", "flatten-viewer.example.com"
LOGINS = {WRITING: ("operator", "press-here"), VIEWERS: ("viewer", "look-here")}
_EXAMPLE = CHECKOUT / "deploy" / "reverse-proxy" / "nginx.conf"
_WANTED_S = 60.0


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str


@dataclass(frozen=True)
class ReverseProxy:
    """A running proxy. `port` is where it listens; `folder` holds its certificate and its logs."""

    port: int
    folder: Path

    @property
    def log(self) -> str:
        """Who asked for what."""
        return (self.folder / "flatten.log").read_text()

    def origin(self, name: str) -> str:
        """The origin that a browser tells for a page of this name."""
        return f"https://{name}:{self.port}"

    def ask(
        self,
        name: str,
        method: str,
        path: str,
        headers: Mapping[str, str] | None = None,
        body: str | None = None,
        login: tuple[str, str] | None = None,
    ) -> Answer:
        """Send one request to a name as if that name led to this machine.

        Raises:
            ssl.SSLError: The proxy does not speak TLS for this name.
        """
        trusted = ssl.create_default_context(cafile=self.folder / "flatten.crt")
        connection = HTTPSConnection(name, self.port, context=trusted, timeout=_WANTED_S)
        plain = socket.create_connection(("127.0.0.1", self.port), _WANTED_S)
        try:
            connection.sock = trusted.wrap_socket(plain, server_hostname=name)
            sent = dict(headers or {})
            if login is not None:
                sent["Authorization"] = "Basic " + base64.b64encode(":".join(login).encode()).decode()
            connection.request(method, path, body, sent)
            told = connection.getresponse()
            # Behind a switched protocol comes what the page sends next, and no end.
            text = "" if told.status == 101 else told.read().decode()
            return Answer(told.status, dict(told.getheaders()), text)
        finally:
            connection.close()
            plain.close()


@contextmanager
def run_reverse_proxy(folder: Path, writing_url: str, viewers_url: str) -> Iterator[ReverseProxy]:
    """Start nginx with the example, in which nothing is replaced but ports and folders."""
    nginx = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if nginx is None:
        pytest.skip("needs Debian's package nginx-light")
    port = find_free_port()
    _write_certificate(folder)
    for file, (user, password) in zip(("operators", "viewers"), LOGINS.values(), strict=True):
        (folder / f"flatten-{file}.htpasswd").write_text(f"{user}:{{PLAIN}}{password}\n")
    replaced = {
        "listen 443 ": f"listen 127.0.0.1:{port} ",
        " 3000;": f" {urlsplit(writing_url).port};",
        " 3001;": f" {urlsplit(viewers_url).port};",
        "/etc/nginx/": f"{folder}/",
        "/var/log/nginx/": f"{folder}/",
    }
    example = _EXAMPLE.read_text()
    for old, new in replaced.items():
        assert old in example
        example = example.replace(old, new)
    (folder / "example.conf").write_text(example)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    scratch = "".join(f"{kind}_temp_path {folder}/{kind};\n" for kind in kinds)
    user = "user root;\n" if os.geteuid() == 0 else ""
    main = f"{user}daemon off;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
    (folder / "main.conf").write_text(f"{main}http {{\n{scratch}include {folder}/example.conf;\n}}\n")
    command = [nginx, "-p", folder, "-e", folder / "error.log", "-c", folder / "main.conf"]
    with start_process(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL):
        wait_for("nginx listens", lambda: _listens(port))
        yield ReverseProxy(port, folder)


def _write_certificate(folder: Path) -> None:
    names = ",".join(f"DNS:{name}" for name in LOGINS)
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", folder / "flatten.key"]
    about = ["-subj", "/CN=flatten", "-addext", f"subjectAltName={names}", "-days", "2", "-out", folder / "flatten.crt"]
    subprocess.run(["openssl", "req", "-x509", *key, *about], check=True, capture_output=True)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
