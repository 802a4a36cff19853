"""Our own static files, read once and served from memory, compressed and cached by content.  Knows no pages."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from web.replies import FOR_EVER, Reply, refusal

__all__ = ["Asset", "Assets"]

_TYPES = {
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
}


@frozen
class Asset:
    """One file, plain and compressed."""

    body: bytes
    compressed: bytes
    content_type: bytes


@frozen
class Assets:
    """Every file of a folder under `/static/DIGEST/NAME`: the digest changes with any of them, so browsers may keep them."""

    digest: str
    files: Mapping[str, Asset]

    @classmethod
    def read(cls, folder: Path) -> Assets:
        """Read all files of *folder* whose kind we serve."""
        files = {path.name: _asset(path) for path in sorted(folder.iterdir()) if path.suffix in _TYPES}
        digest = hashlib.sha256(b"".join(asset.body for asset in files.values())).hexdigest()[:16]
        return cls(digest, files)

    def url(self, name: str) -> str:
        """Where the page finds the file *name*; `KeyError` when there is none."""
        self.files[name]  # a template that names a missing file fails in the tests, not in a browser
        return f"/static/{self.digest}/{name}"

    def reply(self, path: str, accepts: str) -> Reply:
        """The file of a path such as `/static/DIGEST/console.css`; 404 otherwise.

        :param accepts: the header Accept-Encoding.
        """
        digest, _, name = path.removeprefix("/static/").partition("/")
        asset = self.files.get(name)
        if asset is None or digest != self.digest:
            raise refusal(404, "there is no such file")
        if "gzip" not in accepts:
            return Reply(200, asset.body, asset.content_type, (FOR_EVER, (b"Vary", b"Accept-Encoding")))
        headers = (FOR_EVER, (b"Vary", b"Accept-Encoding"), (b"Content-Encoding", b"gzip"))
        return Reply(200, asset.compressed, asset.content_type, headers)


def _asset(path: Path) -> Asset:
    body = path.read_bytes()
    return Asset(body, gzip.compress(body, mtime=0), _TYPES[path.suffix])
