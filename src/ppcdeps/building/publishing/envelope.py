"""Statements in signed envelopes: DSSE, with OpenPGP signatures of the key that signs the repository.

Follows the DSSE specification 1.0 (envelope.md, protocol.md) and in-toto's use of it. ``keyid`` is the fingerprint of
the key, ``sig`` the detached signature, in binary, of the pre-authentication encoding: gpgv checks it.
"""

import base64
import binascii
from typing import Any

from ppcdeps.base.signature import verify_signature
from ppcdeps.building.publishing.signing import SigningKey, detached_signature
from ppcdeps.model.documents import DocumentError, parse_json
from ppcdeps.model.errors import RepositoryError
from ppcdeps.model.json_object import JsonObject, WrongValueError

PAYLOAD_TYPE = "application/vnd.in-toto+json"
_MOST_SIGNATURES = 10
"""That are tried of one key: each is a run of gpgv."""


def pre_authentication_encoding(payload_type: str, payload: bytes) -> bytes:
    """What is signed of a payload: PAE of the specification."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def envelope_of(statement: bytes, key: SigningKey) -> dict[str, Any]:
    """A statement in an envelope, signed; the signature is checked. Raises BuildError, RepositoryError."""
    signature = detached_signature(pre_authentication_encoding(PAYLOAD_TYPE, statement), key, "the provenance")
    return {
        "payload": base64.b64encode(statement).decode(),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": key.fingerprint, "sig": base64.b64encode(signature).decode()}],
    }


def statement_in(text: bytes, fingerprint: str, public: bytes, where: str) -> bytes:
    """The statement of an envelope that the key of this fingerprint signed, whose public part is ``public``.

    Raises RepositoryError where it is not an envelope with a statement, or not signed by that key.
    """
    try:
        envelope = JsonObject(parse_json(text))
        kind, payload = envelope.text("payloadType"), _decoded(envelope, "payload")
        if kind != PAYLOAD_TYPE:
            envelope.refuse("payloadType", f"is {kind[:80]!a}, not {PAYLOAD_TYPE}")
        signatures = [
            _decoded(one, "sig")
            for one in envelope.objects("signatures")
            if "keyid" in one and one.text("keyid") == fingerprint
        ]
    except (DocumentError, WrongValueError) as fault:
        raise RepositoryError(f"{where} is not a signed statement: {fault}") from fault
    refused = RepositoryError(f"{where} has no signature of the key {fingerprint[-16:]}")
    for signature in signatures[:_MOST_SIGNATURES]:
        try:
            verify_signature(pre_authentication_encoding(kind, payload), signature, [public], where)
        except RepositoryError as fault:
            refused = fault
        else:
            return payload
    raise refused


def _decoded(envelope: JsonObject, key: str) -> bytes:
    try:
        return base64.b64decode(envelope.text(key), validate=True)
    except (binascii.Error, ValueError) as fault:
        if isinstance(fault, WrongValueError):
            raise
        envelope.refuse(key, "is not base64")
