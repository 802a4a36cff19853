"""The channels against servers on loopback that speak the protocols."""

from __future__ import annotations

import email
from email.policy import default
from typing import Any

import trustme
from twisted.internet import reactor, ssl
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from twisted.web.server import Site

from clients.http import persistent_client
from ilp.alarms.channels import Mail, Telegram, Undelivered, Webhook, channels
from ilp.alarms.notices import Severity
from ilp.settings import AlarmRules
from tests.alarms.fakes import HttpServer, MailServer, notice


class HttpCase(TestCase):
    """A server, and a client that leaves nothing behind."""

    def setUp(self) -> None:
        self.server = HttpServer()
        port: Any = reactor.listenTCP(0, Site(self.server), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.http, pool = persistent_client(reactor, 5.0)
        self.addCleanup(pool.closeCachedConnections)
        self.url = f"http://127.0.0.1:{port.getHost().port}"

    async def refused(self, sending: Deferred[None]) -> Undelivered:
        try:
            await sending
        except Undelivered as undelivered:
            return undelivered
        raise AssertionError("it was taken")


class WebhookTests(HttpCase):
    async def test_the_document_is_posted(self) -> None:
        await Webhook(self.http, f"{self.url}/hook").send(notice(severity=Severity.CRITICAL))
        ((method, path, document),) = self.server.posted
        self.assertEqual((method, path), ("POST", "/hook"))
        self.assertEqual((document["severity"], document["mode"], document["key"]), ("critical", "paper", "exposure"))
        self.assertEqual(document["at"], "2026-03-02T12:00:00.000Z")

    async def test_what_is_refused_is_final_and_what_is_busy_is_not(self) -> None:
        self.server.answers = [(404, {}), (429, {"Retry-After": "7"}), (503, {})]
        hook = Webhook(self.http, self.url)
        found = [await self.refused(hook.send(notice())) for _ in range(3)]
        self.assertEqual([(one.final, one.wait) for one in found], [(True, 0.0), (False, 7.0), (False, 0.0)])

    async def test_nobody_there_is_not_final_and_the_address_is_not_told(self) -> None:
        undelivered = await self.refused(Webhook(self.http, "http://127.0.0.1:1/hush").send(notice()))
        self.assertFalse(undelivered.final)
        self.assertNotIn("hush", str(undelivered))


class TelegramTests(HttpCase):
    async def test_the_bot_says_it_in_one_line(self) -> None:
        await Telegram(self.http, self.url, "12:token", "-100").send(notice())
        ((_, path, document),) = self.server.posted
        self.assertEqual(path, "/bot12:token/sendMessage")
        self.assertEqual(document["chat_id"], "-100")
        self.assertEqual(document["text"], "ILP paper: WARNING: exposure: exposure: 0.7 BTC, limit 0.5")
        self.assertFalse(document["disable_notification"])

    async def test_what_has_ended_makes_no_sound(self) -> None:
        await Telegram(self.http, self.url, "12:token", "-100").send(notice(ended=True))
        self.assertTrue(self.server.posted[0][2]["disable_notification"])

    async def test_a_refused_token_is_not_told(self) -> None:
        self.server.answers = [(401, {})]
        undelivered = await self.refused(Telegram(self.http, self.url, "12:token", "-100").send(notice()))
        self.assertEqual((str(undelivered), undelivered.final), ("answered 401", True))


class MailTests(TestCase):
    """Three ways to a mail server."""

    def setUp(self) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert("localhost")
        certificate = ssl.PrivateCertificate.loadPEM(issued.private_key_pem.bytes() + issued.cert_chain_pems[0].bytes())
        self.context = certificate.options()
        self.trusted = ssl.Certificate.loadPEM(authority.cert_pem.bytes())

    async def closed(self, server: MailServer) -> None:
        """The server's own ends are closed a moment after ours."""
        while server.open:
            await deferLater(reactor, 0.005)

    def served(self, server: MailServer, tls: bool = False) -> int:
        self.addCleanup(lambda: Deferred.fromCoroutine(self.closed(server)))
        factory: Any = Factory.forProtocol(server.buildProtocol)
        factory.protocol = None
        factory.buildProtocol = lambda addr: server.buildProtocol()
        listen: Any = reactor
        port = (
            listen.listenSSL(0, factory, self.context, interface="127.0.0.1")
            if tls
            else listen.listenTCP(0, factory, interface="127.0.0.1")
        )
        self.addCleanup(port.stopListening)
        return int(port.getHost().port)

    def mail(self, port: int, **more: Any) -> Mail:
        values: dict[str, Any] = {"smtp_host": "localhost", "mail_from": "ilp@example.org", "mail_to": "a@example.org"}
        rules = AlarmRules(smtp_port=port, **{**values, **more})
        return Mail(reactor, rules, tls=lambda host: ssl.optionsForClientTLS(host, trustRoot=self.trusted))

    async def test_a_mail_arrives_with_subject_and_text(self) -> None:
        server = MailServer()
        await self.mail(self.served(server), smtp_security="none").send(notice())
        message: Any = email.message_from_bytes(server.taken[0], policy=default)
        self.assertEqual(message["Subject"], "ILP paper: WARNING: exposure: exposure: 0.7 BTC, limit 0.5")
        self.assertEqual(message["To"], "a@example.org")
        self.assertIn("severity: warning", message.get_content())

    async def test_every_receiver_gets_it(self) -> None:
        server = MailServer()
        to = "a@example.org, b@example.org"
        await self.mail(self.served(server), smtp_security="none", mail_to=to).send(notice())
        self.assertEqual(len(server.taken), 2)

    async def test_a_password_goes_out_after_the_way_is_encrypted(self) -> None:
        server = MailServer(self.context)
        mail = self.mail(self.served(server), smtp_user="anna", smtp_password="hush")
        await mail.send(notice())
        self.assertEqual(len(server.taken), 1)

    async def test_over_tls_from_the_beginning(self) -> None:
        server = MailServer(self.context)
        mail = self.mail(self.served(server, tls=True), smtp_security="tls", smtp_user="anna", smtp_password="hush")
        await mail.send(notice())
        self.assertEqual(len(server.taken), 1)

    async def test_a_server_that_cannot_encrypt_gets_nothing(self) -> None:
        server = MailServer()
        undelivered = await self.refused(self.mail(self.served(server), smtp_user="anna", smtp_password="hush"))
        self.assertEqual(server.taken, [])
        self.assertNotIn("hush", str(undelivered))

    async def test_a_wrong_password_is_said(self) -> None:
        server = MailServer(self.context)
        undelivered = await self.refused(self.mail(self.served(server), smtp_user="anna", smtp_password="wrong"))
        self.assertNotIn("wrong", str(undelivered))
        self.assertEqual(server.taken, [])

    async def test_a_receiver_who_does_not_exist_is_final_and_one_who_is_busy_is_not(self) -> None:
        server = MailServer()
        mail = self.mail(self.served(server), smtp_security="none")
        found = []
        for status in (550, 451):
            server.refuses = status
            found.append((await self.refused(mail)).final)
        self.assertEqual(found, [True, False])

    async def test_nobody_there_is_not_final(self) -> None:
        self.assertFalse((await self.refused(self.mail(1, smtp_security="none"))).final)

    async def refused(self, mail: Mail) -> Undelivered:
        try:
            await mail.send(notice())
        except Undelivered as undelivered:
            return undelivered
        raise AssertionError("it was taken")


class RulesTests(TestCase):
    def test_a_channel_without_an_address_is_off(self) -> None:
        http: Any = object()
        self.assertEqual(channels(AlarmRules(), http, reactor), [])

    def test_each_channel_has_its_own_level(self) -> None:
        http: Any = object()
        rules = AlarmRules(webhook="http://a/", telegram_token="t", telegram_chat="1", smtp_host="h", mail_level="info")
        found = [(channel.name, level) for channel, level in channels(rules, http, reactor)]
        self.assertEqual(found, [("webhook", "warning"), ("telegram", "warning"), ("mail", "info")])
