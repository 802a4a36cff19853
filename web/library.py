"""plotly's JavaScript out of its installed Python package: where it is, served compressed, and kept by browsers by content.

Its Python is never imported.  The script adds two style elements to a page unless it finds elements with their names there,
and `style-src 'self'` refuses such elements: `anchors` are the names, so that our page can have them beforehand.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from attrs import define, field
from twisted.internet.defer import maybeDeferred

from web.replies import FOR_EVER, InWorker, Reply, refusal

__all__ = ["GLOBAL_STYLE", "Library", "NoLibrary", "installed"]

GLOBAL_STYLE = "plotly.js-style-global"  # it puts its rules into the sheet of the element with this name
_PACKAGE, _FILE = "plotly", "plotly/package_data/plotly.min.js"
# What bundlers wrap a style sheet in: nothing is added where an element with the name, a digest, exists.
_WRAPPED = re.compile(
    rb'if\(!document\.getElementById\("([0-9a-f]{64})"\)\)\{?var \w+=document\.createElement\("style"\)'
)
_TYPE = b"text/javascript; charset=utf-8"


class NoLibrary(Exception):
    """plotly is not installed as it should be; the message says what is missing."""


def installed() -> Path:
    """Where plotly's script is; `NoLibrary` when it is not there."""
    try:
        found = Path(str(distribution(_PACKAGE).locate_file(_FILE)))
    except PackageNotFoundError:
        raise NoLibrary(f"the package {_PACKAGE} is not installed; requirements/run.txt names it") from None
    if not found.is_file():
        raise NoLibrary(f"{found} is missing: this version of {_PACKAGE} keeps its script elsewhere")
    return found


@define(eq=False)
class Library:
    """The script under `/library/DIGEST/plotly.min.js`; compressed once, in a worker, when it is first asked for.

    :ivar path: of the script.
    :ivar in_worker: runs a slow function off the reactor's thread; by default at once.
    :ivar digest: changes with the script, so that browsers may keep it.
    :ivar anchors: names of the style elements that it leaves out where an element has that name.
    """

    path: Path
    in_worker: InWorker = maybeDeferred
    digest: str = field(init=False)
    anchors: tuple[str, ...] = field(init=False)
    _compressed: bytes = field(default=b"", init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        script = self.path.read_bytes()
        self.digest = hashlib.sha256(script).hexdigest()[:16]
        self.anchors = tuple(sorted({name.decode() for name in _WRAPPED.findall(script)}))

    @property
    def url(self) -> str:
        """Where the page finds it."""
        return f"/library/{self.digest}/{self.path.name}"

    async def reply(self, path: str, accepts: str) -> Reply:
        """The script for `url`; 404 for any other path.

        :param accepts: the header Accept-Encoding.
        """
        if path != self.url:
            raise refusal(404, "there is no such file")
        if "gzip" not in accepts:  # no browser
            body = await self.in_worker(self.path.read_bytes)
            return Reply(200, body, _TYPE, (FOR_EVER, (b"Vary", b"Accept-Encoding")))
        if not self._compressed:
            # Two that ask at once compress twice; it is the same, and neither waits for the other.
            self._compressed = await self.in_worker(_compressed, self.path)
        headers = (FOR_EVER, (b"Vary", b"Accept-Encoding"), (b"Content-Encoding", b"gzip"))
        return Reply(200, self._compressed, _TYPE, headers)


def _compressed(path: Path) -> bytes:
    return gzip.compress(path.read_bytes(), mtime=0)
