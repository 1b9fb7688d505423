"""What players type stays where it belongs: it is looked for in all that telemetry keeps, and in all logs."""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import time
from collections.abc import Iterator

import httpx2
import redis
from reelback_local.stores import access

from tests.local.stack import Player, Stack

CARD = "4111111111111111"
PASSWORD = f"correct-horse-{secrets.token_hex(6)}"
EMAIL = f"grace-{secrets.token_hex(6)}@mail.example"
TOKEN = f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ{secrets.token_hex(8)}.c2lnbmF0dXJl{secrets.token_hex(8)}"
STREET = f"Privet Drive {secrets.token_hex(6)}"
ADDRESS = "203.0.113.77"
TYPED = {"card": CARD, "password": PASSWORD, "email": EMAIL, "token": TOKEN, "street": STREET, "address": ADDRESS}


def stored(stack: Stack) -> Iterator[bytes]:
    """All that minisentry keeps, spans unpacked."""
    port = stack.processes()["redis-telemetry"].port
    password = stack.home.password("redis-telemetry")
    with redis.Redis(host="127.0.0.1", port=port or 0, username=access.USER, password=password) as store:
        for key in store.scan_iter(count=1000):
            yield key
            match store.type(key):
                case b"string":
                    values = [store.get(key) or b""]
                case b"hash":
                    values = [part for pair in store.hgetall(key).items() for part in pair]
                case b"zset":
                    values = [*store.zrange(key, 0, -1)]
                case _:
                    values = [*store.smembers(key)]
            for value in values:
                yield value
                yield from unpacked(value)


def unpacked(value: bytes) -> Iterator[bytes]:
    """The messages of spans within a stored trace."""
    for line in value.splitlines() if b'"otlp"' in value else ():
        for packed in json.loads(line).get("otlp", ()):
            try:
                yield base64.b64decode(packed)
            except binascii.Error:
                continue


def type_everywhere(stack: Stack, player: Player, tester: Player) -> None:
    """Put all of it into every field, header and path that takes text."""
    url = f"{stack.url('gateway')}/api/v1"
    account = {"email": EMAIL, "password": PASSWORD, "display_name": STREET}
    token = {"Authorization": f"Bearer {TOKEN}"}
    signed_in = {"Authorization": player.authorization}
    with httpx2.Client(timeout=10, headers={"X-Forwarded-For": ADDRESS}) as http:
        assert http.post(f"{url}/users", json=account).status_code == 201
        assert http.post(f"{url}/users", json=account).status_code == 409
        assert http.post(f"{url}/sessions", json={"email": EMAIL, "password": PASSWORD + "x"}).status_code == 401
        assert http.get(f"{url}/wallet", headers=token).status_code == 401
        for typed in TYPED.values():
            http.post(f"{url}/users", json={"email": typed, "password": typed, "display_name": typed * 20})
            http.post(f"{url}/sessions", json={"email": typed, "password": typed})
            http.post(f"{url}/sessions", json={"password": typed, typed: typed})
            http.post(f"{url}/deposits", json={"request_id": typed, "amount": typed}, headers=signed_in)
            http.post(f"{url}/deposits", json={"request_id": typed, "amount": 10}, headers=signed_in)
            http.post(f"{url}/spins", json={"request_id": typed, "bet": 5}, headers=signed_in)
            http.post(f"{url}/profile/email", json={"code": typed[:32]}, headers=signed_in)
            http.put(f"{url}/preferences", json={"email": typed, "phone": typed}, headers=signed_in)
            http.get(f"{url}/transfers/{typed}", headers=signed_in)
            http.get(f"{url}/wallet/entries", params={"limit": typed, typed: typed}, headers=signed_in)
            http.get(f"{url}/{typed}/{typed}", headers=signed_in)
            http.get(
                f"{url}/paytable",
                headers={
                    "User-Agent": typed,
                    "baggage": f"user={typed}",
                    "Cookie": f"session={typed}",
                    "Referer": typed,
                },
            )
    tester.traced("POST", "game/debug/error/value", amount=CARD)


def test_what_is_typed_is_neither_in_minisentry_nor_in_a_log(stack: Stack, player: Player, tester: Player) -> None:
    type_everywhere(stack, player, tester)
    time.sleep(3)  # longer than spans, logs and errors wait to be sent

    places = {"a log": [file.read_bytes() for file in stack.home.log("gateway").parent.iterdir()]}
    places["minisentry"] = list(stored(stack))
    assert len(places["minisentry"]) > 1000
    found = {
        (kind, place, part[max(0, at - 80) : at + 80])
        for place, parts in places.items()
        for part in parts
        for kind, typed in TYPED.items()
        if (at := part.find(typed.encode())) >= 0
    }
    assert found == set()
