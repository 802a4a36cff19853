"""The status in a terminal: what it says of a document, and over a real port."""

from __future__ import annotations

from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import trustme
from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SynchronousTestCase, TestCase

from ilp.settings import Web
from ilp.status_command import lines, main
from tests.web.fake_console import FakeConsole
from tests.web.scenes import SCENES, scene
from web.service import WebService


class WordsTests(SynchronousTestCase):
    """`lines`."""

    def said(self, name: str) -> str:
        return "\n".join(lines(scene(name)))

    def test_every_scene_can_be_said(self) -> None:
        for name in SCENES:
            self.assertIn("as of 20", self.said(name), name)

    def test_state_exposure_quotes_and_plan_are_said(self) -> None:
        said = self.said("trading")
        for words in (
            "DEMO  TRADING for",
            "Unhedged: ",
            "Bid BTC/HUF on target: ",
            "Orders: 2",
            "buy BTC for USD on source: 0.4072",
            "Earned by trading today: 228.98 USD",
        ):
            self.assertIn(words, said)

    def test_a_missing_quote_has_its_reason(self) -> None:
        self.assertIn("Ask BTC/HUF on target: none: READY", self.said("ready"))

    def test_what_needs_somebody_stands_out(self) -> None:
        self.assertIn("NEEDS YOU: ", self.said("uncertain"))

    def test_before_there_is_a_plan_it_says_so(self) -> None:
        self.assertIn("Plan: none yet", self.said("empty"))

    def test_what_is_on_pause_is_said(self) -> None:
        document = scene("trading")
        document["trader"]["paused"] = ["hedges"]
        self.assertIn("PAUSED: hedges", "\n".join(lines(document)))


class AskingTests(TestCase):
    """Over a real port, from a thread as from another process."""

    async def served(self, **more: Any) -> tuple[Web, int]:
        values: dict[str, Any] = {"ssl": False, "ssl_key": None, "ssl_cert": None, "ssl_cert_chain": None}
        web = Web("127.0.0.1", 0, **{**values, **more}, users={"anna": "correct horse"})
        service = WebService(FakeConsole("trading"), web.users, reactor)
        port: Any = await service.listen(web)
        self.addCleanup(service.stop)
        return web, int(port.getHost().port)

    async def asked(
        self, web: Web, port: int, password: str = "correct horse", watch: bool = False
    ) -> tuple[int, str, str]:
        out, err, looks = StringIO(), StringIO(), []

        def pause(seconds: float) -> None:
            looks.append(seconds)
            if len(looks) == 2:
                raise KeyboardInterrupt

        def ask() -> int:
            with redirect_stderr(err):
                return main(web, "anna", password, watch, out, port=port, pause=pause)

        status = await deferToThread(ask)
        return status, out.getvalue(), err.getvalue()

    async def test_a_running_daemon_is_shown(self) -> None:
        status, out, _ = await self.asked(*await self.served())
        self.assertEqual((status, "TRADING" in out), (0, True))

    async def test_watching_looks_again_until_it_is_interrupted(self) -> None:
        status, out, _ = await self.asked(*await self.served(), watch=True)
        self.assertEqual((status, out.count("as of")), (0, 2))

    async def test_a_wrong_password_is_said_without_it(self) -> None:
        status, _, err = await self.asked(*await self.served(), password="wrong guess")
        self.assertEqual(status, 1)
        self.assertIn("answered 401", err)
        self.assertNotIn("wrong guess", err)

    async def test_where_nobody_listens_it_says_so(self) -> None:
        web, _ = await self.served()
        status, _, err = await self.asked(web, 1)
        self.assertEqual(status, 1)
        self.assertIn("nobody answers at http://127.0.0.1:1/", err)

    async def test_over_tls_only_the_daemons_own_certificate_is_trusted(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        issued, other = trustme.CA().issue_cert("pool.example"), trustme.CA().issue_cert("127.0.0.1")
        issued.private_key_pem.write_to_path(str(folder / "key.pem"))
        issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
        other.cert_chain_pems[0].write_to_path(str(folder / "other.pem"))
        web, port = await self.served(ssl=True, ssl_key=folder / "key.pem", ssl_cert=folder / "cert.pem")
        self.assertEqual((await self.asked(web, port))[0], 0)
        forged = Web("127.0.0.1", port, True, None, folder / "other.pem", None, web.users)
        self.assertEqual((await self.asked(forged, port))[0], 1)
