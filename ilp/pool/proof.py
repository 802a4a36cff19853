"""The proof of a bound: a tree of branches, divided by whether lanes are on, with duals where a branch is done."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from ilp.pool.bound import Duals
from ilp.pool.network import Trial

__all__ = ["Closed", "Divided", "Proof", "Split", "is_proof_document", "proof_document"]


@frozen(eq=False)
class Closed:
    """A branch that is done: *duals* prove its bound."""

    duals: Duals


@frozen(eq=False)
class Divided:
    """A branch that is done: for each way to join *territories*, one of the *trials* proves its bound.

    :ivar gives: by territory, whether its holding pays its premiums as a rent too (`ilp.pool.network`).
    """

    territories: tuple[tuple[int, ...], ...]
    gives: tuple[bool, ...]
    trials: tuple[Trial, ...]


@frozen(eq=False)
class Split:
    """A branch divided by whether some of *lanes*, each a move and a direction, are on."""

    lanes: tuple[tuple[int, str], ...]
    on: Proof
    off: Proof


Proof = Closed | Divided | Split


def proof_document(proof: Proof) -> dict[str, Any]:
    """The proof as an answer carries it, see docs/optimizer.md."""
    if isinstance(proof, Split):
        lanes = [list(lane) for lane in proof.lanes]
        return {"lanes": lanes, "on": proof_document(proof.on), "off": proof_document(proof.off)}
    if isinstance(proof, Divided):
        return {
            "network": [list(territory) for territory in proof.territories],
            "duals": [_trial_document(trial) | {"gives": list(proof.gives)} for trial in proof.trials],
        }
    return _duals_document(proof.duals) | {"credits": list(proof.duals.credits)}


def is_proof_document(document: object) -> bool:
    """Whether it has the form of today; answers in old journals have proofs of the forms of their day."""
    if not isinstance(document, dict):
        return False
    if document.keys() == {"lanes", "on", "off"}:
        return is_proof_document(document["on"]) and is_proof_document(document["off"])
    return document.keys() in ({"network", "duals"}, {"slopes", "rents", "totals", "credits"})


def _duals_document(duals: Duals) -> dict[str, Any]:
    return {name: getattr(duals, name).tolist() for name in ("slopes", "rents", "totals")}


def _trial_document(trial: Trial) -> dict[str, Any]:
    found = {name: getattr(trial, name).tolist() for name in ("prices", "premiums", "beside")}
    return _duals_document(trial.duals) | found
