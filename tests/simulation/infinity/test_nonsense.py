"""Whatever a client sends, the venue answers with one of its own refusals: it never fails."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ilp.simulation.infinity.errors import ApiError, StatusError
from ilp.simulation.infinity.parameters import Parameters
from tests.simulation.infinity.test_calls import PATHS, CallCase

PLAUSIBLE: dict[str, list[str]] = {
    "accountId": ["302", "301"],
    "fromAccountId": ["302"],
    "toAccountId": ["301"],
    "instrumentId": ["ETH-SPOT", "WBTC-2023-12-29"],
    "instrumentIds": ["ETH-SPOT"],
    "fixedRateInstrumentIds": ["WBTC-2023-12-29"],
    "floatRateInstrumentId": ["ETH-SPOT"],
    "tokenId": ["1", "5"],
    "quantity": ["1", "0.5"],
    "rate": ["0.02", "0.01"],
    "side": ["0", "1"],
    "orderType": ["1", "2"],
    "passive": ["0", "1"],
    "clientOrderId": ["a", "b"],
    "clientOrderIds": ["a"],
    "orderId": ["700001"],
    "orderIds": ["700001"],
    "start": ["20231201", "00010101", "99991231"],
    "end": ["20231221", "99991231", "00010101"],
    "interval": ["900000", "86400000", "604800000", "99999999999999000"],
    "limit": ["1", "100"],
    "startId": ["1", "999999"],
    "startBlockId": ["4911207"],
    "type": ["8"],
    "daysToInclude": ["30"],
    "minBidNAskSize": ["0"],
    "orderQty": ["1"],
    "blockChainId": ["1"],
    "chainId": ["1", "11155111"],
    "pending": ["True"],
    "done": ["True"],
    "name": ["x"],
    "requestIds": ["9001"],
    "fullYieldCurve": ["True", "False"],
    "addr": ["0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"],
    "nonceHash": ["0x00"],
    "signature": ["0x00"],
    "refreshToken": ["x"],
}
NAMES = st.sampled_from(sorted(PLAUSIBLE))
ODD = ("None", "1e-05", "1e400", "1e30", "-0", "-1", "NaN", "inf", "9" * 22, "0x00", "ETH-2020-01-31", "303", "4000")
TEXTS = st.one_of(st.sampled_from(ODD), st.text(max_size=12), st.integers(-(10**30), 10**30).map(str))
VALUES: Any = st.one_of(
    TEXTS,
    st.integers(-(10**20), 10**20),
    st.none(),
    st.booleans(),
    st.lists(TEXTS, max_size=3),
    st.dictionaries(TEXTS, TEXTS, max_size=2),
)


@st.composite
def queries(draw: Any) -> dict[str, list[str]]:
    """Mostly what makes sense, so that calls get far."""
    found = {name: [draw(st.sampled_from(values))] for name, values in PLAUSIBLE.items() if draw(st.integers(0, 3))}
    return found | draw(st.dictionaries(NAMES, st.lists(TEXTS, max_size=2), max_size=2))


class NonsenseTests(CallCase):
    @settings(max_examples=400, deadline=None)
    @given(
        st.sampled_from(sorted(PATHS)),
        queries(),
        st.one_of(st.none(), st.dictionaries(NAMES, VALUES, max_size=8), st.lists(VALUES, max_size=3)),
    )
    def test_every_call_answers_or_refuses(self, call: tuple[str, str], query: dict[str, list[str]], body: Any) -> None:
        method, path = call
        if path == "/logout":
            return
        try:
            answer = self.venue.gateway.serve(method, path, self.tokens["alice"], Parameters(query, body))
        except (ApiError, StatusError):
            return
        assert isinstance(answer, dict)

    @settings(max_examples=200, deadline=None)
    @given(
        st.fixed_dictionaries(
            {},
            optional={
                "accountId": st.sampled_from([302, "302", 301, None, "None", 302.0, True]),
                "instrumentId": st.sampled_from(["ETH-SPOT", "WBTC-2023-12-29", "", None, 5]),
                "side": st.sampled_from([0, 1, "0", "1", 2, None, True, 0.5]),
                "orderType": st.sampled_from([1, 2, "2", 3, None]),
                "quantity": st.one_of(VALUES, st.sampled_from(["1", "0.5", 1, 2.5])),
                "rate": st.one_of(VALUES, st.sampled_from(["0.02", "0.05", 0.05])),
                "clientOrderId": st.one_of(TEXTS, st.sampled_from(["a", "b", "c", "d"])),
                "passive": st.sampled_from([0, 1, "0", None, True, 7]),
            },
        ),
        st.booleans(),
    )
    def test_every_order_is_taken_or_refused_and_money_is_conserved(self, body: dict[str, Any], fixed: bool) -> None:
        path = f"/private/create_{'fixed' if fixed else 'floating'}_order"
        try:
            answer = self.venue.gateway.serve("POST", path, self.tokens["alice"], Parameters(body=body))
        except ApiError:
            return
        assert answer["order"]["status"] in (1, 10, 12, 13)
        core = self.world.core
        assert all(core.owed(name) == core.had(name) for name in (*core.tokens, "ETH-SPOT", "WBTC-2023-12-29"))
