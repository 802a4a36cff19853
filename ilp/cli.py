"""Subcommands; `run` is the default.  Says what is wrong in one sentence and chooses the exit status; decides nothing else.

Exit status: 0 done, 1 could not be done, 2 bad input or configuration, 3 stopped with something left (it says what).
"""

from __future__ import annotations

import argparse
import gc
import getpass
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ilp.reactors import install_for
from ilp.settings_file import ConfigurationError, Loaded, load

__all__ = ["main"]

_Command = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command that *argv* (default: the process's own arguments) names; returns the exit status."""
    options = _parser().parse_args(argv)
    command: _Command = options.command
    if "config" in options:
        install_for(options.config)  # before anything imports a client, and with it a reactor
    try:
        return command(options)
    except ConfigurationError as error:
        print("\n".join(str(problem) for problem in error.problems), file=sys.stderr)
        if not options.config.exists():
            print("--config FILE names a configuration; ilp_example_config/ has some to begin with", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ilp", description="Make a market across two exchanges. Without a command: run the daemon."
    )
    _run_options(parser)
    parser.set_defaults(command=_run)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _add(commands, "run", "run the daemon (the default)", _run, _run_options)
    _add(commands, "check", "print the effective configuration, secrets masked", _check, _config_option)
    _add(commands, "doctor", "examine a configuration and all that it names", _doctor, _config_option)
    _add(commands, "solve", "solve a pool document", _solve, _solve_options)
    _add(commands, "venue", "run a simulated venue on its own", _venue, _venue_options)
    _add(commands, "status", "show the essentials of a running daemon", _status, _status_options)
    _add(commands, "passwd", "hash a console password", _passwd, lambda parser: None)
    _add(
        commands,
        "journal",
        "show, export, verify or back up the journal; profit and loss as CSV",
        _journal,
        _journal_options,
    )
    _add(commands, "guardian", "cancel everything when the daemon's heartbeat stops", _guardian, _run_options)
    _add(commands, "replay", "show the plan of a moment of the past and compute it again", _replay, _replay_options)
    return parser


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    summary: str,
    command: _Command,
    options: Callable[[argparse.ArgumentParser], None],
) -> None:
    parser = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
    options(parser)
    parser.set_defaults(command=command)


def _config_option(parser: argparse.ArgumentParser) -> None:
    # SUPPRESS keeps a subcommand's absent option from overwriting the one given before the subcommand's name.
    default = argparse.SUPPRESS if parser.prog.count(" ") else Path("ilp.ini")
    parser.add_argument("--config", type=Path, default=default, metavar="FILE", help="configuration (default: ilp.ini)")


def _run_options(parser: argparse.ArgumentParser) -> None:
    _config_option(parser)
    default = argparse.SUPPRESS if parser.prog.count(" ") else "human"
    parser.add_argument("--log", choices=("human", "json"), default=default, help="form of the log on standard error")


def _solve_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pool", type=Path, required=True, metavar="FILE", help="pool document; - reads standard input"
    )


def _venue_options(parser: argparse.ArgumentParser) -> None:
    _config_option(parser)
    parser.add_argument(
        "name", choices=("sputnik", "bitmex", "kraken", "infinity", "rates"), help="which protocol to speak"
    )
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any free one)")


def _journal_options(parser: argparse.ArgumentParser) -> None:
    _config_option(parser)
    parser.add_argument("action", choices=("show", "export", "verify", "pnl", "pairs", "backup"))
    parser.add_argument("--to", type=Path, metavar="FILE", help="where `backup` writes")


def _replay_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--journal", required=True, metavar="FILE", help="SQLite file, or address, of the journal")
    parser.add_argument("--at", required=True, metavar="TIME", help="the moment, ISO 8601; UTC where no zone is given")


def _status_options(parser: argparse.ArgumentParser) -> None:
    _config_option(parser)
    parser.add_argument("--watch", action="store_true", help="keep it live until Ctrl-C")
    parser.add_argument("--user", help="name of [users] to ask as (default: the first)")
    parser.add_argument("--port", type=int, help="port of the console, where the configuration leaves it open (0)")


def _loaded(options: argparse.Namespace) -> Loaded:
    return load(options.config)


def _run(options: argparse.Namespace) -> int:
    # Imports make hardly any garbage, and to look for it takes a tenth of their time: after a crash orders wait for it.
    gc.disable()
    try:
        from ilp.service import run

        return run(_loaded(options), log=options.log)
    finally:
        gc.enable()


def _check(options: argparse.Namespace) -> int:
    from twisted.internet import reactor

    from ilp.clock import WorldClock
    from ilp.options_check import faults_of_options

    loaded = _loaded(options)
    clocked: Any = reactor
    if problems := tuple(faults_of_options(loaded.settings, WorldClock(clocked))):
        raise ConfigurationError(problems)
    width = max(len(f"{section}.{key}") for section, key, _, _ in loaded.effective)
    section_before = ""
    for section, key, text, origin in sorted(loaded.effective, key=lambda row: row[0]):
        if section != section_before:
            print(f"[{section}]")
            section_before = section
        print(f"{key:{width - len(section)}} = {text or '(empty)'}  ({origin})")
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from ilp.doctor_command import main as doctor

    return doctor(_loaded(options))


def _solve(options: argparse.Namespace) -> int:
    from ilp.solve_command import main as solve

    return solve(options.pool, sys.stdout, sys.stderr)


def _venue(options: argparse.Namespace) -> int:
    from ilp.venue_command import main as venue

    return venue(options.name, options.port, options.config if options.config.exists() else None)


def _status(options: argparse.Namespace) -> int:
    from ilp.passwords import is_hash
    from ilp.status_command import main as status

    web = _loaded(options).settings.web
    if not web.port and not options.port:
        print(
            "[webserver] port is 0: the daemon chose one and said it at its start; give it with --port", file=sys.stderr
        )
        return 2
    user = options.user or next(iter(web.users))
    stored = web.users.get(user, "random")
    password = os.environ.get("ILP_PASSWORD", "")
    if not password and stored != "random" and not is_hash(stored):
        password = stored
    if not password:
        password = getpass.getpass(f"Password of {user}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    return status(web, user, password, options.watch, sys.stdout, port=options.port)


def _passwd(options: argparse.Namespace) -> int:
    from ilp.passwords import hash_password

    first = getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
    if len(first) < 8:
        print("a password has at least 8 characters", file=sys.stderr)
        return 2
    if sys.stdin.isatty() and getpass.getpass("Again: ") != first:
        print("the two are not the same", file=sys.stderr)
        return 2
    print(hash_password(first))
    return 0


def _journal(options: argparse.Namespace) -> int:
    from ilp.journal.commands import main as journal

    return journal(options, _loaded(options).settings.database_url, sys.stdout, sys.stderr)


def _guardian(options: argparse.Namespace) -> int:
    from ilp.guardian_command import run

    return run(_loaded(options), log=options.log)


def _replay(options: argparse.Namespace) -> int:
    from ilp.replay_command import main as replay

    return replay(options.journal, options.at, sys.stdout, sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
