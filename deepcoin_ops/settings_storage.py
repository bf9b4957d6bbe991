"""Where tables may be written: a folder of this machine, or a store that can be opened from here.

A place that nothing can be written to would be noticed by the first rebuild only, after the flatten. Nothing is asked here.
"""

from __future__ import annotations

import re
from importlib.util import find_spec

from pydantic_core import InitErrorDetails

from deepcoin_ops.settings_problems import describe, did_you_mean, problem

# The stores that keep whole files under a name, by the scheme of their URLs, and the package that opens each. Source:
# fsspec's registry, which a test compares.
STORES = {
    "abfs": "adlfs",
    "az": "adlfs",
    "gcs": "gcsfs",
    "gs": "gcsfs",
    "s3": "s3fs",
    "s3a": "s3fs",
    "sftp": "paramiko",
    "smb": "smbprotocol",
    "ssh": "paramiko",
}


def find_place_problem(place: str) -> InitErrorDetails | None:
    """What is wrong with a place for tables; None for an absolute folder, or the URL of a store that can be opened.

    A place is shown only as far as it cannot hold a password.
    """
    hidden = "something else (not shown, it may hold a password)"
    scheme, separator, rest = place.partition("://")
    if re.search(r"//[^/]*@|[?#]", place) or not place.isprintable():
        return problem("a folder or a URL without user, password or query", hidden)
    if not separator:
        expected = "null, an absolute folder, or a URL such as s3://bucket/folder"
        return None if place.startswith("/") else problem(expected, hidden)
    if scheme not in STORES:
        cure = did_you_mean(scheme, STORES) or "write a folder of this machine as its absolute path"
        return problem(f"a store that tables can be kept in: {', '.join(STORES)}", describe(f"{scheme}://..."), cure)
    if not re.match(r"[^/:]", rest):
        return problem(f"a bucket or host after {scheme}://", hidden)
    if find_spec(STORES[scheme]) is None:
        cure = f"install the package {STORES[scheme]}, or write an absolute folder"
        return problem("a store that can be opened from here", f"no driver for {scheme}://", cure)
    return None
