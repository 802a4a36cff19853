"""Pools of many venues: every way to join the holdings of an asset is bounded, and the certificate checks it."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

import numpy as np
from attrs import evolve

from benchmarks.optimizer import market
from ilp.pool import optimizer
from ilp.pool.answer import answer_document
from ilp.pool.bound import Bounds, Branch, Status
from ilp.pool.certificate import Invalid, verify
from ilp.pool.curves import lanes
from ilp.pool.document import Pool, Trade, parse_pool
from ilp.pool.feasible import feasible
from ilp.pool.network import Joined, Network
from ilp.pool.optimizer import solve
from ilp.pool.proof import Proof, Split
from ilp.pool.relaxation import Relaxation
from ilp.pool.valuation import column
from tests.pool.cases import NumberTestCase

Answer = dict[str, Any]


def network_of(pool: Pool) -> Network:
    """The pool's network, which there has to be."""
    found = lanes(pool)
    network = Network.find(pool, found, Bounds(pool, found))
    assert network is not None
    return network


def free_branch(pool: Pool) -> Branch:
    """Nothing is decided."""
    return Branch(Status.FREE if lane.grid else Status.OFF for lane in lanes(pool))


class FindTests(NumberTestCase):
    """Where there is a network."""

    def test_it_is_the_coins_of_all_venues_each_with_what_only_it_trades_with(self) -> None:
        pool = parse_pool(market(Random(1), 6, 5, True))
        network = network_of(pool)
        coins = [n for n, holding in enumerate(pool.holdings) if holding.asset == "BTC"]
        self.assertEqual([territory[0] for territory in network.territories], coins)
        beside = {territory[1] for territory in network.territories if len(territory) > 1}
        trades = {(move.venue, move.quote) for move in pool.moves if isinstance(move, Trade)}
        traded = {n for n, h in enumerate(pool.holdings) if (h.venue, h.asset) in trades}
        self.assertEqual(beside, traded - {pool.holding("v0", "USD")})

    def test_there_is_none_where_transfers_charge_by_amount(self) -> None:
        document = market(Random(1), 6, 5, True)
        for move in document["moves"]:
            if move["kind"] == "transfer" and move["from"][1] == "BTC":
                move["fee"] = [move["fee"][0], 0.001]
        pool = parse_pool(document)
        found = lanes(pool)
        self.assertIsNone(Network.find(pool, found, Bounds(pool, found)))

    def test_there_is_none_in_small_pools(self) -> None:
        pool = parse_pool(market(Random(1), 4, 5, True))
        found = lanes(pool)
        self.assertIsNone(Network.find(pool, found, Bounds(pool, found)))


class BoundTests(NumberTestCase):
    """What is said of a way to join holds for every plan that joins them so."""

    def plans(self, pool: Pool, rng: Random, count: int) -> list[dict[int, float]]:
        """Random plans, made real ones."""
        every = [(n, lane) for n, lane in enumerate(lanes(pool)) if lane.grid]
        found = []
        for _ in range(count):
            some = rng.sample(every, rng.randint(1, 12))
            amounts = {n: lane.low + rng.random() ** 3 * (lane.high - lane.low) for n, lane in some}
            found.append(feasible(pool, lanes(pool), amounts))
        return found

    def way_of(self, network: Network, pool: Pool, plan: dict[int, float]) -> list[int]:
        """The sets, as bits, that a plan joins."""
        places = [territory[0] for territory in network.territories]
        sets = [1 << n for n in range(len(places))]
        for number in plan:
            lane = lanes(pool)[number]
            if number in network.inside:
                ends = [next(s for s in sets if s >> places.index(p) & 1) for p in (lane.leaves, lane.arrives)]
                if ends[0] != ends[1]:
                    sets = [s for s in sets if s not in ends] + [ends[0] | ends[1]]
        return sorted(sets)

    def test_no_plan_loses_less_than_the_bound_of_its_way(self) -> None:
        for seed in range(12):
            rng = Random(seed)
            pool = parse_pool(market(rng, 5, 5, seed % 2 == 0))
            network, found = network_of(pool), lanes(pool)
            bounds = Bounds(pool, found)
            relaxation = Relaxation(pool, found, bounds)
            free = free_branch(pool)
            for duals in (bounds.resting, relaxation.solve(free).duals):
                trial = network.price(duals, free)
                for plan in self.plans(pool, rng, 40):
                    made = column(pool, found, plan)
                    loss = made.costs + made.risk + made.deviation
                    way = network.way(self.way_of(network, pool, plan))
                    self.assertGreaterEqual(loss, trial.losses[way] - 1e-9 * (1 + made.magnitude))

    def test_it_holds_where_a_payout_uses_more_than_it_moves(self) -> None:
        for seed in range(6):
            document = market(Random(seed), 6, 5, True)
            coins = {"kind": "payout", "venue": "v1", "asset": "BTC", "fee": [1e-4, 0.01], "min": 0.001}
            document["moves"].append(coins)
            solution = solve(parse_pool(document))
            self.assertFalse(solution.exhausted, f"seed {seed}")
            verify(document, answer_document(parse_pool(document), solution))

    def test_the_convex_problem_of_a_way_proves_what_it_finds(self) -> None:
        for seed in range(8):
            pool = parse_pool(market(Random(seed), 6, 5, seed % 2 == 0))
            network, free = network_of(pool), free_branch(pool)
            for way in (0, 7, 100, 202):
                relaxed = network.solve(free, way)
                trial = network.price(relaxed.duals, free)
                own = relaxed.priced.loss(network.apart(free, way))
                joined = len(network.territories) - len(network.sets(way))
                charge = min(lanes(pool)[n].fixed for n in network.inside)
                self.assert_near(float(trial.losses[way]), own + joined * charge, 1e-7 * (1 + abs(own)))

    def test_a_part_is_known_to_lose_no_less_than_its_branch_and_no_more_than_pricing_all_of_it_says(self) -> None:
        pool = parse_pool(market(Random(3), 6, 5, True))
        network, free = network_of(pool), free_branch(pool)
        duals = network.solve(free, 0).duals
        joined = network.tightened(Joined(), free, duals)
        near, rises, enough = 1e-12 * abs(joined.loss), [], float(np.median(joined.by_way))
        for number, lane in enumerate(lanes(pool)):
            for state in (Status.ON, Status.OFF) if lane.grid and number not in network.inside else ():
                part = free.changed({number: state})
                known = network.known(joined, part)
                self.assertTrue((known.by_way >= joined.by_way - near).all())
                again = network.price(known.trials[0].duals, part).losses
                self.assertTrue((known.by_way <= again + near).all())
                rises.append(float((known.by_way - joined.by_way).max()))
                some = joined.by_way < enough
                cut = network.known(joined, part, enough).by_way
                self.assertTrue((cut == np.where(some, known.by_way, joined.by_way)).all())
        self.assertGreater(max(rises), near)

    def test_a_part_gets_the_best_slope_of_a_holding_that_only_the_decided_move_leads_to(self) -> None:
        pool = parse_pool(market(Random(3), 6, 5, True))
        network, free = network_of(pool), free_branch(pool)
        duals = network.solve(free, 0).duals
        joined, penalty, moved = network.tightened(Joined(), free, duals), pool.valuation.deviation_penalty, 0
        near = 1e-12 * abs(joined.loss)
        for number, lane in enumerate(lanes(pool)):
            place = lane.arrives
            if not lane.grid or place < 0 or pool.holdings[place].asset in ("BTC", "USD"):
                continue
            other = next(n for n, each in enumerate(lanes(pool)) if each.leaves == place)
            for part in (
                free.changed({number: Status.OFF, other: Status.OFF}),
                free.changed({number: Status.ON, other: 0}),
            ):
                known = network.known(joined, part).trials[0].duals
                loss = network.price(known, part).losses
                moved += bool((loss > network.price(duals, part).losses + near).all())
                for slope in np.linspace(-13 * penalty, 4 * penalty, 60):
                    slopes = duals.slopes.copy()
                    slopes[place] = slope
                    tried = network.price(evolve(duals, slopes=slopes), part).losses
                    self.assertTrue((tried <= loss + near).all())
        self.assertGreater(moved, 1)

    def test_what_is_needed_bounds_as_much_as_all_of_it(self) -> None:
        pool = parse_pool(market(Random(3), 6, 5, True))
        network, free = network_of(pool), free_branch(pool)
        joined = Joined()
        for way in (0, 5, 50, 0, 5, 50):
            relaxed = network.solve(free, way)
            joined = network.tightened(joined, free, relaxed.duals)
        for enough in (joined.loss, np.inf):
            needed = joined.needed(enough)
            self.assertLessEqual(len(needed.trials), 3)
            self.assertEqual(needed.loss, joined.loss)


class PlanTests(NumberTestCase):
    """Lanes for what has to be moved."""

    def test_a_plan_moves_what_the_flows_do_with_a_lane_less_than_holdings(self) -> None:
        for seed in range(8):
            pool = parse_pool(market(Random(seed), 6, 5, True))
            network, found = network_of(pool), lanes(pool)
            relaxed = network.solve(free_branch(pool), 0)
            for plan, short in network.plan(relaxed.flows, 0):
                if short == np.inf:
                    continue
                self.assertLess(sum(number in network.inside for number in plan), len(network.territories))
                moved = np.zeros(len(pool.holdings))
                for number in range(len(found)):
                    change = plan.get(number, 0.0) - float(relaxed.flows[number])
                    moved[found[number].leaves] -= change
                    if found[number].arrives >= 0:
                        moved[found[number].arrives] += change
                self.assertLess(float(np.abs(moved).max()), 1e-9 * float(relaxed.flows.sum()))

    def test_who_gives_less_than_a_lane_moves_passes_on_what_another_one_gives(self) -> None:
        document = market(Random(2), 6, 5, False)
        for move in document["moves"]:
            if move["kind"] == "transfer" and move["from"][1] == "BTC":
                move["min"] = 1.0
        coins = [holding for holding in document["holdings"] if holding["asset"] == "BTC"]
        for holding in coins:
            holding.update(total=50.0, available=50.0)
        for little_room in (False, True):
            coins[1]["available"] = 2.0 if little_room else 50.0
            pool = parse_pool(document)
            network, found = network_of(pool), lanes(pool)
            ends = {(found[n].leaves, found[n].arrives): n for n in network.inside}
            taker, small, giver = (territory[0] for territory in network.territories[:3])
            flows, worth = np.zeros(len(found)), pool.marks["BTC"]
            flows[ends[small, taker]], flows[ends[giver, taker]] = 0.5 * worth, 10 * worth
            plan, short = network.plan(flows, 0)[0]
            if little_room:
                self.assertEqual(set(plan), {ends[small, taker], ends[giver, taker]})
                self.assert_near(short, 0.5 * worth, 1e-6 * worth)
            else:
                self.assertEqual(set(plan), {ends[giver, small], ends[small, taker]})
                self.assert_near(plan[ends[small, taker]], 10.5 * worth, 1e-6 * worth)
                self.assertEqual(short, 0.0)


class SearchTests(NumberTestCase):
    """Whole pools."""

    def test_pools_of_many_venues_are_solved_to_the_end(self) -> None:
        for seed in range(12):
            pool = parse_pool(market(Random(seed), 6 + 2 * (seed % 2), 5, seed % 4 < 2))
            solution = solve(pool)
            self.assertFalse(solution.exhausted, f"seed {seed}")
            self.assertLess(solution.branches, 150, f"seed {seed}")

    def test_lanes_that_are_on_for_sure_are_decided_without_solving_in_between(self) -> None:
        solution = solve(parse_pool(market(Random(3), 8, 5, True)))
        self.assertFalse(solution.exhausted)
        self.assertLess(solution.branches, splits(solution.proof))

    def test_a_way_that_no_plan_was_found_for_is_left_for_others_that_may_lose_as_little(self) -> None:
        solution = solve(parse_pool(market(Random(1000444), 8, 20, True)))
        self.assertFalse(solution.exhausted)
        self.assertLess(solution.branches, 50)

    def test_a_holding_that_sells_all_it_has_passes_nothing_on(self) -> None:
        solution = solve(parse_pool(market(Random(2000126), 8, 20, True)))
        self.assertFalse(solution.exhausted)
        self.assertLess(solution.branches, 50)

    def test_amounts_are_made_exact_where_only_tolerances_are_left(self) -> None:
        solution = solve(parse_pool(market(Random(1000147), 8, 20, True)))
        gap = solution.bound - solution.optimized.value
        self.assertLess(gap, 1e-11 * (1 + solution.optimized.magnitude))

    def test_it_finds_what_the_search_over_lanes_finds(self) -> None:
        compared = 0
        for seed in range(20, 40):
            pool = evolve(parse_pool(market(Random(seed), 5, 5, True)), quotes=())
            self.patch(optimizer, "_MANY_LANES", 0)
            whole = solve(pool)
            self.patch(optimizer, "_MANY_LANES", 10**6)
            by_lane = solve(pool)
            if not by_lane.exhausted:
                self.assert_near(whole.optimized.value, by_lane.optimized.value, 2e-9 * (1 + whole.optimized.magnitude))
                compared += 1
            self.assertLessEqual(by_lane.optimized.value, whole.bound + 1e-9 * (1 + whole.optimized.magnitude))
        self.assertGreater(compared, 10)

    def test_a_budget_that_is_used_up_is_told_and_checked(self) -> None:
        told = 0
        for seed in range(6):
            document = market(Random(seed), 6, 5, True)
            pool = parse_pool(document)
            full = solve(pool)
            for budget in (1, 4):
                cut = solve(pool, budget)
                self.assertLessEqual(cut.branches, budget)
                self.assertGreaterEqual(cut.bound, full.optimized.value - 1e-9 * (1 + full.optimized.magnitude))
                verify(document, answer_document(pool, cut))
                told += cut.exhausted
        self.assertGreater(told, 3)


def splits(proof: Proof) -> int:
    """How often a proof divides."""
    return 1 + splits(proof.on) + splits(proof.off) if isinstance(proof, Split) else 0


def networks(node: Answer) -> list[Answer]:
    """The leaves of a proof that bound ways to join."""
    if "on" in node:
        return networks(node["on"]) + networks(node["off"])
    return [node] if "network" in node else []


def each_leaf(change: Callable[[Answer], None]) -> Callable[[Answer], None]:
    def apply(answer: Answer) -> None:
        for found in networks(answer["proof"]):
            change(found)

    return apply


def each_trial(name: str, change: Callable[[Any], Any]) -> Callable[[Answer], None]:
    def apply(answer: Answer) -> None:
        for found in networks(answer["proof"]):
            for duals in found["duals"]:
                duals[name] = change(duals[name])

    return apply


TAMPERED: dict[str, Callable[[Answer], None]] = {
    "no network": each_leaf(lambda leaf: leaf.update(network=[])),
    "no network at all": each_leaf(lambda leaf: leaf.pop("network")),
    "a territory fewer": each_leaf(lambda leaf: leaf["network"].pop()),
    "every territory the same": each_leaf(
        lambda leaf: leaf.update(network=[leaf["network"][0]] * len(leaf["network"]))
    ),
    "a territory that does not exist": each_leaf(lambda leaf: leaf["network"][0].append(99)),
    "no duals": each_leaf(lambda leaf: leaf.update(duals=[])),
    "prices of nothing": each_trial("prices", lambda prices: [0.0 for _ in prices]),
    "prices that are no numbers": each_trial("prices", lambda prices: [float("nan") for _ in prices]),
    "prices without end": each_trial("prices", lambda prices: [float("inf") for _ in prices]),
    "a price too few": each_trial("prices", lambda prices: prices[1:]),
    "premiums out of the air": each_trial("premiums", lambda rows: [[p + 1e3 for p in row] for row in rows]),
    "premiums that are no rents": each_trial("gives", lambda gives: [not each for each in gives]),
    "premiums of a territory too few": each_trial("premiums", lambda rows: rows[1:]),
    "slopes beside moved": each_trial("beside", lambda rows: [[s - 1.0 for s in row] for row in rows]),
    "totals moved": each_trial("totals", lambda totals: [t * 2 + 1 for t in totals]),
    "rents out of the air": each_trial("rents", lambda rents: [r + 1e3 for r in rents]),
}


class TamperedTests(NumberTestCase):
    """An answer whose proof bounds ways to join, changed in every way that could matter."""

    def setUp(self) -> None:
        self.document = market(Random(11), 6, 5, True)
        pool = parse_pool(self.document)
        self.answer: Answer = json.loads(json.dumps(answer_document(pool, solve(pool))))

    def test_the_answer_itself_is_accepted(self) -> None:
        verify(self.document, self.answer)
        self.assertTrue(networks(self.answer["proof"]))
        self.assertFalse(self.answer["exhausted"])

    def test_every_tampered_answer_is_rejected(self) -> None:
        for name, change in TAMPERED.items():
            answer = deepcopy(self.answer)
            change(answer)
            with self.assertRaises(Invalid, msg=name):
                verify(self.document, answer)
