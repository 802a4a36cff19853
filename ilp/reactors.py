"""Which of Twisted's reactors the process runs on.  It has to be settled before anything imports `twisted.internet.reactor`.

The library behind the ccxt bridge is written for asyncio, so a configuration that names the bridge gets Twisted's asyncio
reactor, on which both run in one loop.  Every other one keeps the reactor that Twisted chooses for the system.
"""

from __future__ import annotations

import configparser
import sys
from pathlib import Path

__all__ = ["install_for", "needs_asyncio"]

BRIDGE = "ccxt."  # how the name of a class of the bridge begins, in [modules], with or without `clients.`


def needs_asyncio(file: Path) -> bool:
    """Whether the configuration names the bridge; what is wrong with the file is for others to say.

    Reads the names only: to import a client's class is to import most of Twisted.
    """
    parser = configparser.RawConfigParser(strict=False, interpolation=None, delimiters=("=",), allow_no_value=True)
    try:
        parser.read_string(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, configparser.Error):
        return False
    if not parser.has_section("modules"):
        return False
    return any((name or "").strip().removeprefix("clients.").startswith(BRIDGE) for _, name in parser.items("modules"))


def install_for(file: Path) -> None:
    """Choose the reactor for the configuration; nothing where one is installed already."""
    if "twisted.internet.reactor" not in sys.modules and needs_asyncio(file):
        from twisted.internet import asyncioreactor

        asyncioreactor.install()
