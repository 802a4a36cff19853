"""What of a configuration can be examined on this machine alone: files, their rights, the journal, the console, alarms."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred

from ilp.doctor import Chart
from ilp.journal.examination import Examined, examine
from ilp.passwords import is_hash
from ilp.settings import Settings
from ilp.settings_file import Loaded
from web.service import CannotServe, tls_options

__all__ = ["alarms", "console", "files", "journal"]

LITTLE, TOO_LITTLE = 2**30, 100 * 2**20  # bytes that a disk should have left, and must have
RANDOM = "random"


def _size(number: int) -> str:
    return f"{number / 2**30:.1f} GB" if number >= 2**30 else f"{number / 2**20:.0f} MB"


# ------------------------------------------------------------------------------------------------------------ files


def files(chart: Chart, loaded: Loaded) -> None:
    """Who may read the configuration, and whether what the daemon writes can be written."""
    settings = loaded.settings
    file = settings.file
    mode = stat.S_IMODE(file.stat().st_mode)
    if _holds_secrets(loaded) and mode & 0o077:
        who = "everybody" if mode & 0o007 else "its group"
        chart.fail("configuration", f"{file} holds secrets in clear and {who} may read it", f"chmod 600 {file}")
    else:
        chart.ok("configuration", f"{file} can be used; the mode is {settings.mode}")
    for name, path in _written(settings):
        folder = path.resolve().parent
        if not folder.is_dir():
            chart.fail(name, f"the folder {folder} does not exist", f"mkdir -p {folder}")
        elif not os.access(folder, os.W_OK | os.X_OK):
            chart.fail(name, f"the folder {folder} may not be written to", "let the daemon's user write there")
        else:
            chart.ok(name, f"{path.resolve()} can be written")


def _holds_secrets(loaded: Loaded) -> bool:
    """Whether a secret stands in the file itself: one that comes from elsewhere is shown as `env:` or `file:` there."""
    texts = loaded.settings.file.read_text(encoding="utf-8").splitlines()
    written = {line.partition("=")[2].strip() for line in texts if "=" in line}
    settings = loaded.settings
    secrets = [connection.secret for connection in settings.connections.values()]
    secrets += [stored for stored in settings.web.users.values() if not is_hash(stored) and stored != RANDOM]
    secrets += [settings.alarms.smtp_password, settings.alarms.telegram_token, settings.alarms.webhook]
    return any(secret and secret in written for secret in secrets)


def _written(settings: Settings) -> list[tuple[str, Path]]:
    found = []
    if settings.mode == "live":
        found.append(("heartbeat", settings.guardian.heartbeat))
    for role, connection in settings.connections.items():
        if path := connection.options.get("nonce_file", ""):
            found.append((f"{role} nonces", Path(path)))
    return found


# ---------------------------------------------------------------------------------------------------------- journal


async def journal(chart: Chart, settings: Settings, in_worker: Callable[..., Deferred[Any]]) -> bool:
    """Look at the journal; whether another process has it open."""
    found: Examined = await chart.within(in_worker(examine, settings.database_url))
    subject = "journal"
    if found.holder:
        chart.fail(
            subject,
            f"{found.place}: process {found.holder} has it open, the daemon of this configuration is running",
            "ask the running one with `ilp.py status`, or stop it: two users of one key disturb each other",
        )
        return True
    if found.problem:
        chart.fail(subject, f"{found.place}: {found.problem}", "mend that, or give another [database] url")
    elif not found.lasting:
        tell = chart.note if settings.mode == "live" else chart.ok
        tell(subject, "is kept in memory and forgotten at the end")
    elif found.free is not None and found.free < TOO_LITTLE:
        chart.fail(subject, f"{found.place}: its disk has {_size(found.free)} left", "make room")
    elif found.exists and found.schema != found.newest:
        what = f"has schema {found.schema or 'none'}, this program writes {found.newest}"
        chart.note(subject, f"{found.place}: {what}; the daemon makes a backup and upgrades it")
    else:
        made = "is made by the daemon" + ("" if found.free is None else "; its folder can be written")
        state = "opens, whole and locked by nobody" if found.exists else made
        chart.ok(subject, f"{found.place}: {state}" + ("" if found.free is None else f"; {_size(found.free)} left"))
    if found.free is not None and TOO_LITTLE <= found.free < LITTLE:
        chart.note("disk", f"has {_size(found.free)} left", "make room before it stops the pool")
    return False


# ---------------------------------------------------------------------------------------------------------- console


def console(chart: Chart, settings: Settings) -> None:
    """Port, certificate, users."""
    web = settings.web
    if web.ssl:
        try:
            tls_options(web)
        except CannotServe as error:
            chart.fail("console", str(error), "give certificate and key in PEM that belong together")
    problem = _in_use(web.host, web.port) if web.port else ""
    if problem:
        chart.fail("console", f"{web.host} port {web.port} cannot be listened on: {problem}", "choose another port")
    else:
        port = f"port {web.port} is free" if web.port else "takes any free port"
        chart.ok("console", f"{port} on {web.host}, {'with' if web.ssl else 'without'} TLS")
    operators = [name for name in web.users if web.roles.get(name, "operator") == "operator"]
    if not operators:
        chart.fail("console users", "nobody may press START: every user is a viewer", "name an operator in [roles]")
    clear = [name for name, stored in web.users.items() if not is_hash(stored) and stored != RANDOM]
    short = [name for name in clear if len(web.users[name]) < 8]
    if short:
        chart.fail("console users", f"{', '.join(short)}: the password is too short", "take `python ilp.py passwd`")
    elif clear:
        chart.note("console users", f"{', '.join(clear)}: the password is in clear", "take `python ilp.py passwd`")
    elif operators:
        chart.ok("console users", f"{', '.join(web.users)}; {', '.join(operators)} may operate")


def _in_use(host: str, port: int) -> str:
    """Why the port cannot be listened on; empty where it can.  Listens for a moment, and nobody is answered."""
    address = "127.0.0.1" if host == "localhost" else host
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as trying:
        trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind((address, port))
        except OSError as error:
            return error.strerror or str(error)
    return ""


# ----------------------------------------------------------------------------------------------------------- alarms


def alarms(chart: Chart, settings: Settings) -> None:
    """Whether anybody is told while nobody looks; nothing is sent."""
    rules = settings.alarms
    ways = {"webhook": rules.webhook, "Telegram": rules.telegram_token, "mail": rules.smtp_host}
    names = [name for name, given in ways.items() if given]
    if names:
        chart.ok("alarms", f"go out by {', '.join(names)}")
    elif settings.mode == "live":
        chart.note("alarms", "nobody is told while nobody looks", "give a webhook, Telegram or mail in [alarms]")
    if settings.mode == "live" and not rules.heartbeat:
        chart.note(
            "alarms", "a daemon that is gone is noticed by nobody", "give [alarms] heartbeat an address of a watch"
        )
