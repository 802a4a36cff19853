"""The pages as typed contexts over jinja2 templates.  Templates decide nothing; no page holds a secret but its own token."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from attrs import asdict, frozen
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from web.assets import Assets
from web.library import GLOBAL_STYLE, Library
from web.replies import Reply

__all__ = ["TABS", "VERSION", "ConsolePage", "LoginPage", "MessagePage", "Pages", "Tab"]

_HERE = Path(__file__).parent
_HTML = b"text/html; charset=utf-8"


def _version() -> str:
    try:
        return version("ilp")
    except PackageNotFoundError:
        return "from source"


VERSION = _version()


@frozen
class Tab:
    """One tab: its address behind `#`, and its name."""

    id: str
    name: str


TABS = tuple(
    Tab(name.lower(), name)
    for name in ("Trader", "Valuation", "Market", "State", "Transits", "Orders", "Optimized", "Transactions")
)


@frozen
class ConsolePage:
    """The console's shell; its numbers come over the WebSocket."""

    user: str
    role: str
    csrf: str
    mode: str
    version: str
    lifetime_h: int
    tabs: tuple[Tab, ...] = TABS


@frozen
class LoginPage:
    """Where a person signs in; `problem` is empty or what was wrong with the last try."""

    form_token: str
    mode: str
    version: str
    secure: bool
    lifetime_h: int
    idle_min: int
    name: str = ""
    problem: str = ""


@frozen
class MessagePage:
    """What a person sees instead of a page that does not exist or may not be seen."""

    title: str
    message: str


class Pages:
    """Renders the contexts above; the templates are read once."""

    def __init__(self, assets: Assets, library: Library) -> None:
        self._environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.globals["static"] = assets.url
        self._environment.globals["library"] = library
        self._environment.globals["GLOBAL_STYLE"] = GLOBAL_STYLE

    def console(self, page: ConsolePage) -> Reply:
        """The console."""
        return self._render("console.html", page, 200)

    def login(self, page: LoginPage, status: int = 200) -> Reply:
        """The login page; *status* says whether a try has failed."""
        return self._render("login.html", page, status)

    def message(self, page: MessagePage, status: int) -> Reply:
        """A page with one sentence."""
        return self._render("message.html", page, status)

    def _render(self, template: str, page: ConsolePage | LoginPage | MessagePage, status: int) -> Reply:
        context = asdict(page, recurse=False)
        return Reply(status, self._environment.get_template(template).render(context).encode(), _HTML)
