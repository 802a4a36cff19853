"""Options as they come from a configuration file."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

from attrs import fields
from twisted.trial.unittest import SynchronousTestCase

from clients.option_values import read_options
from clients.sputnik_options import Options


class OptionsTests(SynchronousTestCase):
    """What a configuration says of a Sputnik client."""

    def test_texts_are_understood(self) -> None:
        options = read_options(
            Options,
            {"tickers": "btc/huf, BTC/USD", "fee": "0.01", "deadline": "7.5", "ca_certs_dir": "/certs", "rate": "5"},
        )
        self.assertEqual(options.tickers, ("BTC/HUF", "BTC/USD"))
        self.assertEqual((options.fee, options.deadline, options.rate), (Decimal("0.01"), 7.5, 5.0))
        self.assertEqual(options.ca_certs_dir, Path("/certs"))

    def test_everything_has_a_default(self) -> None:
        options = read_options(Options, {})
        self.assertEqual((options.tickers, options.fee, options.tls_minimum), ((), Decimal(0), "1.2"))

    def test_an_unknown_option_is_refused_with_its_nearest_relative(self) -> None:
        error = self.assertRaises(ValueError, read_options, Options, {"deadlin": "1"})
        self.assertEqual(str(error), "option deadlin is not known; do you mean deadline?")

    def test_values_out_of_range_are_refused_by_name(self) -> None:
        for name, value in (
            ("deadline", "0"),
            ("ping_interval", "-1"),
            ("rate", "inf"),
            ("fee", "1"),
            ("fee", "-0.1"),
            ("fee", "nan"),
        ):
            error = self.assertRaises(ValueError, read_options, Options, {name: value})
            self.assertIn(name, str(error))

    def test_what_is_no_number_is_refused_by_name(self) -> None:
        for name in ("deadline", "fee"):
            error = self.assertRaises(ValueError, read_options, Options, {name: "soon"})
            self.assertIn(name, str(error))
            self.assertIn("soon", str(error))

    def test_every_option_is_documented_with_its_default(self) -> None:
        text = (Path(__file__).parents[2] / "docs" / "sputnik.md").read_text()
        documented = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", text, re.MULTILINE))
        self.assertEqual(list(documented), [attribute.name for attribute in fields(Options)])
        for name, default in documented.items():
            if re.fullmatch(r"[\d.]+", default):
                self.assertEqual(float(default), float(getattr(Options(), name)), name)

    def test_the_second_factor_does_not_print(self) -> None:
        self.assertNotIn("JBSWY3DPEHPK3PXP", repr(read_options(Options, {"totp_secret": "JBSWY3DPEHPK3PXP"})))
