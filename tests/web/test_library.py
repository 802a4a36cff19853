"""plotly's script: found, served compressed, kept by browsers, and kept from adding style elements."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from tests.web.harness import Harness
from web import library
from web.library import GLOBAL_STYLE, Library, NoLibrary, installed
from web.service import CannotServe


class LibraryTests(SynchronousTestCase):
    """`Library` and `installed`."""

    def setUp(self) -> None:
        self.harness = Harness()
        self.anna = self.harness.signed_in()
        self.page = self.anna.get("/").text()
        (self.url,) = re.findall(r'name="library" content="([^"]+)"', self.page)

    def test_the_script_of_the_installed_package_is_served_compressed_and_for_ever(self) -> None:
        answer = self.harness.visitor().get(self.url, Accept_Encoding="gzip")
        self.assertEqual(gzip.decompress(answer.body), installed().read_bytes())
        self.assertIn("immutable", answer.headers["cache-control"])
        self.assertEqual(answer.headers["content-type"], "text/javascript; charset=utf-8")
        self.assertLess(len(answer.body), 2_000_000)

    def test_who_cannot_read_compressed_answers_gets_it_plain(self) -> None:
        self.assertEqual(self.harness.visitor().get(self.url).body, installed().read_bytes())

    def test_it_is_compressed_once_and_in_a_worker(self) -> None:
        made: list[object] = []
        real = self.harness.service.history.in_worker
        self.patch(self.harness.service.root.parts.library, "in_worker", lambda *a: made.append(a[0]) or real(*a))
        for _ in range(3):
            self.harness.visitor().get(self.url, Accept_Encoding="gzip")
        self.assertEqual(len(made), 1)

    def test_another_digest_is_not_found(self) -> None:
        self.assertEqual(self.harness.visitor().get("/library/0123456789abcdef/plotly.min.js").status, 404)

    def test_no_other_file_can_be_had_that_way(self) -> None:
        for path in ("/library/", "/library/../console.css", f"{self.url}/../../x", "/library//etc/passwd"):
            self.assertEqual(self.harness.visitor().get(path).status, 404, path)

    def test_the_page_has_an_element_for_every_style_that_the_script_would_add(self) -> None:
        script = installed().read_text(encoding="utf-8")
        self.assertEqual(script.count('createElement("style")'), 2)  # a third one would need a name on our page
        wanted = set(re.findall(r'getElementById\("([0-9a-f]{64})"\)', script))
        self.assertEqual(len(wanted), 1)
        for name in (*wanted, GLOBAL_STYLE):
            self.assertIn(f'id="{name}"', self.page)

    def test_the_digest_changes_with_the_script(self) -> None:
        path = Path(self.mktemp())
        found = set()
        for content in (b"one", b"two"):
            path.write_bytes(content)
            found.add(Library(path).digest)
        self.assertEqual(len(found), 2)

    def test_a_missing_package_is_said_in_one_sentence(self) -> None:
        with mock.patch.object(library, "_PACKAGE", "no-such-package"), self.assertRaisesRegex(NoLibrary, "run.txt"):
            installed()

    def test_a_package_without_the_script_is_said_in_one_sentence(self) -> None:
        with mock.patch.object(library, "_FILE", "plotly/nowhere.js"), self.assertRaisesRegex(NoLibrary, "nowhere"):
            installed()

    def test_without_it_the_console_says_why_it_cannot_be_served(self) -> None:
        with mock.patch.object(library, "_PACKAGE", "no-such-package"), self.assertRaisesRegex(CannotServe, "pictures"):
            Harness()
