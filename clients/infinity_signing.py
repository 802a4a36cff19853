"""EIP-712 documents: their hash, signature and signer, and the document that a simulated Infinity asks to sign.  Pure.

`digest = keccak256(0x19 01 ‖ hashStruct(domain) ‖ hashStruct(message))`, see https://eips.ethereum.org/EIPS/eip-712.
The venue does not publish what it asks to sign, so any valid document is accepted, and more liberally than some signers
do: whole numbers as JSON numbers or as texts (decimal or 0x), `bytes` and `bytesN` as hexadecimal texts, nested structs,
arrays.  secp256k1 is libsecp256k1's (coincurve), Keccak is pycryptodome's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from coincurve import PrivateKey, PublicKey
from Crypto.Hash import keccak as _keccak

__all__ = [
    "address_of",
    "checksum_address",
    "decode_key",
    "digest",
    "login_document",
    "read_document",
    "recover",
    "sign",
]

_ADDRESS = re.compile(r"0[xX][0-9a-fA-F]{40}")
_ARRAY = re.compile(r"(.+)\[([0-9]*)\]")
_INTEGER = re.compile(r"(u?)int([0-9]*)")
_BYTES = re.compile(r"bytes([0-9]+)")
_DOMAIN_FIELDS = {
    "name": "string",
    "version": "string",
    "chainId": "uint256",
    "verifyingContract": "address",
    "salt": "bytes32",
}
_DEEPEST = 32  # of nested structs: documents come from outside, and recursion must end

Types = Mapping[str, Sequence[Mapping[str, str]]]


# ----------------------------------------------------------------------------------------------- keys and addresses


def keccak(data: bytes) -> bytes:
    """Keccak-256, which is not NIST's SHA3-256."""
    return _keccak.new(digest_bits=256, data=data).digest()


def decode_key(text: str) -> bytes:
    """The 32 bytes of a private key; `ValueError`, without the key in it, when the text is none."""
    try:
        key = bytes.fromhex(text.strip().removeprefix("0x"))
        if len(key) != 32:
            raise ValueError
        PrivateKey(key)  # between 1 and the order of the curve
    except ValueError:
        raise ValueError("the private key is not 64 hexadecimal digits that make a key; was it copied whole?") from None
    return key


def address_of(key: bytes) -> str:
    """The account's address, `0x` and 40 digits with the checksum of EIP-55."""
    return _address(PrivateKey(key).public_key)


def _address(public: PublicKey) -> str:
    return checksum_address("0x" + keccak(public.format(compressed=False)[1:])[-20:].hex())


def checksum_address(address: str) -> str:
    """*address* with the mixed case of EIP-55; `ValueError` when it is none."""
    if not _ADDRESS.fullmatch(address):
        raise ValueError(f"{address!r} is no address: 0x and 40 hexadecimal digits are wanted")
    digits = address[2:].lower()
    marks = keccak(digits.encode()).hex()
    return "0x" + "".join(d.upper() if int(mark, 16) > 7 else d for d, mark in zip(digits, marks, strict=False))


# ---------------------------------------------------------------------------------------------------------- signing


def sign(document: Mapping[str, Any], key: bytes) -> str:
    """The signature of *document*: `0x`, r, s and v as 130 lower-case digits, v 27 or 28; the same every time (RFC 6979).

    :raise ValueError: the document is no valid EIP-712 document; the message says what is wrong.
    """
    signature = PrivateKey(key).sign_recoverable(digest(document), hasher=None)
    return "0x" + signature[:64].hex() + f"{signature[64] + 27:02x}"


def recover(document: Mapping[str, Any], signature: str) -> str:
    """The address that signed *document*; `ValueError` when *signature* is none, or the document not valid."""
    hashed = digest(document)
    try:
        raw = bytes.fromhex(signature.removeprefix("0x"))
        if len(raw) != 65 or raw[64] not in (0, 1, 27, 28):
            raise ValueError("a signature is 65 bytes, the last of them 27 or 28")
        plain = raw[:64] + bytes([raw[64] % 27])
        return _address(PublicKey.from_signature_and_message(plain, hashed, hasher=None))
    except ValueError as error:
        raise ValueError(f"no signature of that document: {error}") from None


# ---------------------------------------------------------------------------------------------------------- hashing


def read_document(told: Any) -> Mapping[str, Any]:
    """What a venue asks to sign, whether it is a JSON object or a text that holds one; `ValueError` for anything else."""
    document = json.loads(told) if isinstance(told, str) else told
    if not isinstance(document, dict):
        raise ValueError("what is to be signed is no JSON object")
    missing = [name for name in ("types", "primaryType", "domain", "message") if name not in document]
    if missing:
        raise ValueError(f"what is to be signed lacks {', '.join(missing)}")
    return document


def digest(document: Mapping[str, Any]) -> bytes:
    """The 32 bytes that are signed for *document*; `ValueError` when it is not valid."""
    types, primary = _checked_types(document["types"]), document["primaryType"]
    if primary not in types:
        raise ValueError(f"primaryType {primary!r} is not among the types")
    domain = document["domain"]
    if not isinstance(domain, Mapping):
        raise ValueError("the domain is no object")
    if "EIP712Domain" not in types:  # some signers leave it out: it is what the domain has, in the standard's order
        own = [{"name": name, "type": kind} for name, kind in _DOMAIN_FIELDS.items() if name in domain]
        types = {**types, "EIP712Domain": own}
    # A document of the domain alone has no message: EIP-712 signs the domain for both.
    parts = [_hash_struct(types, "EIP712Domain", domain, 0)]
    if primary != "EIP712Domain":
        parts.append(_hash_struct(types, primary, document["message"], 0))
    return keccak(b"\x19\x01" + b"".join(parts))


def _checked_types(types: Any) -> Types:
    """*types* if they are lists of members with `name` and `type`: they come from outside."""
    if isinstance(types, Mapping) and all(
        isinstance(members, list)
        and all(isinstance(one, Mapping) and {str} == {type(one.get("name")), type(one.get("type"))} for one in members)
        for members in types.values()
    ):
        return types
    raise ValueError("the types are no lists of members with name and type")


def encode_type(types: Types, name: str) -> str:
    """`Name(type member,…)`, followed by the structs it refers to in alphabetical order."""
    others = sorted(_referred(types, name, set()) - {name})
    return "".join(
        f"{one}({','.join(member['type'] + ' ' + member['name'] for member in types[one])})" for one in (name, *others)
    )


def _referred(types: Types, name: str, found: set[str]) -> set[str]:
    if name in types and name not in found:
        found.add(name)
        for member in types[name]:
            _referred(types, member["type"].partition("[")[0], found)
    return found


def _hash_struct(types: Types, name: str, value: Any, depth: int) -> bytes:
    if depth > _DEEPEST:
        raise ValueError("what is to be signed is nested too deeply")
    if not isinstance(value, Mapping):
        raise ValueError(f"a {name} is no object")
    parts = [keccak(encode_type(types, name).encode())]
    for member in types[name]:
        field = member["name"]
        if field not in value:
            raise ValueError(f"a {name} lacks {field}")
        parts.append(_encode(types, member["type"], value[field], f"{name}.{field}", depth))
    return keccak(b"".join(parts))


def _encode(types: Types, kind: str, value: Any, where: str, depth: int) -> bytes:
    """The 32 bytes that stand for a member."""
    if array := _ARRAY.fullmatch(kind):
        if not isinstance(value, list | tuple) or (array[2] and len(value) != int(array[2])):
            raise ValueError(f"{where} is no {kind}")
        return keccak(b"".join(_encode(types, array[1], one, where, depth + 1) for one in value))
    if kind in types:
        return _hash_struct(types, kind, value, depth + 1)
    if kind == "string" and isinstance(value, str):
        return keccak(value.encode())
    if kind == "bool" and isinstance(value, bool):
        return int(value).to_bytes(32, "big")
    if kind == "address" and isinstance(value, str) and _ADDRESS.fullmatch(value):
        return bytes.fromhex(value[2:]).rjust(32, b"\0")
    if kind == "bytes":
        return keccak(_bytes(value, where))
    if (fixed := _BYTES.fullmatch(kind)) and 1 <= int(fixed[1]) <= 32:
        raw = _bytes(value, where)
        if len(raw) > int(fixed[1]):
            raise ValueError(f"{where} is no {kind}")
        return raw.ljust(32, b"\0")
    if (integer := _INTEGER.fullmatch(kind)) is not None:
        return _integer(value, signed=not integer[1], bits=int(integer[2] or 256), where=where)
    raise ValueError(f"{where} is no {kind}")


def _bytes(value: Any, where: str) -> bytes:
    try:
        return bytes.fromhex(value.removeprefix("0x"))
    except (AttributeError, ValueError):
        raise ValueError(f"{where} is no hexadecimal text") from None


def _integer(value: Any, *, signed: bool, bits: int, where: str) -> bytes:
    try:
        number = int(value, 0) if isinstance(value, str) else value
    except ValueError:
        number = None
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if signed else (0, 2**bits)
    if isinstance(number, bool) or not isinstance(number, int) or not low <= number < high:
        raise ValueError(f"{where} is no whole number of {bits} bits")
    return (number % 2**256).to_bytes(32, "big")


# ------------------------------------------------------------------------------------------------ the login document


def login_document(address: str, nonce_hash: str, chain_id: int, issued_at: int) -> dict[str, Any]:
    """What the simulated venue asks to sign; the real venue's document is not published.

    :param address: the wallet, `0x` and 40 digits.
    :param issued_at: UNIX seconds.
    """
    domain = ("name", "version", "chainId", "verifyingContract")
    return {
        "types": {
            "EIP712Domain": [{"name": name, "type": _DOMAIN_FIELDS[name]} for name in domain],
            "Login": [
                {"name": "statement", "type": "string"},
                {"name": "wallet", "type": "address"},
                {"name": "nonceHash", "type": "string"},
                {"name": "issuedAt", "type": "uint256"},
            ],
        },
        "primaryType": "Login",
        "domain": {
            "name": "Infinity Exchange",
            "version": "1",
            "chainId": chain_id,
            "verifyingContract": "0x" + "0" * 40,
        },
        "message": {
            "statement": "Sign in to Infinity Exchange",
            "wallet": address,
            "nonceHash": nonce_hash,
            "issuedAt": issued_at,
        },
    }
