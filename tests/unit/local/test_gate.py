"""Signing in to the stand-in for mongod."""

from __future__ import annotations

from typing import Any

import pytest
from reelback_local.stores.access import USER
from reelback_local.stores.gate import AUTHENTICATION_FAILED, UNAUTHORIZED, Gate
from scramp import ScramClient

PASSWORD = "the-password"


@pytest.fixture
def gate() -> Gate:
    return Gate(PASSWORD)


def ask(gate: Gate, connection: str, command: str, payload: bytes = b"") -> dict[str, Any]:
    """The gate's own answer; empty when the command may go on."""
    return dict(gate.answer(connection, command, payload) or {})


def sign_in(gate: Gate, connection: str, password: str = PASSWORD, user: str = USER) -> dict[str, Any]:
    """The last answer."""
    client = ScramClient(["SCRAM-SHA-256"], user, password)
    first = ask(gate, connection, "saslStart", client.get_client_first().encode())
    if not first["ok"]:
        return first
    client.set_server_first(first["payload"].decode())
    last = ask(gate, connection, "saslContinue", client.get_client_final().encode())
    if last["ok"]:
        client.set_server_final(last["payload"].decode())  # the server, too, has shown that it knows the password
    return last


def test_a_connection_may_do_nothing_until_it_has_signed_in_and_others_not_because_of_it(gate: Gate) -> None:
    assert ask(gate, "a", "find")["code"] == UNAUTHORIZED
    assert ask(gate, "a", "hello") == {}
    assert sign_in(gate, "a")["done"] is True
    assert ask(gate, "a", "find") == {}
    assert ask(gate, "b", "find")["code"] == UNAUTHORIZED


def test_what_a_connection_had_goes_when_it_closes(gate: Gate) -> None:
    sign_in(gate, "a")
    gate.close("a")
    assert ask(gate, "a", "find")["code"] == UNAUTHORIZED
    client = ScramClient(["SCRAM-SHA-256"], USER, PASSWORD)
    client.set_server_first(ask(gate, "b", "saslStart", client.get_client_first().encode())["payload"].decode())
    gate.close("b")
    assert ask(gate, "b", "saslContinue", client.get_client_final().encode())["code"] == AUTHENTICATION_FAILED


def test_neither_another_password_nor_another_name_gets_in(gate: Gate) -> None:
    for wrong in ({"password": "another"}, {"user": "root"}):
        assert sign_in(gate, "a", **wrong)["code"] == AUTHENTICATION_FAILED
        assert ask(gate, "a", "find")["code"] == UNAUTHORIZED
    assert sign_in(gate, "a")["done"] is True


def test_who_was_in_and_fails_to_sign_in_again_is_out(gate: Gate) -> None:
    sign_in(gate, "a")
    sign_in(gate, "a", "another")
    assert ask(gate, "a", "find")["code"] == UNAUTHORIZED


def test_what_one_said_cannot_be_said_again_by_another(gate: Gate) -> None:
    client = ScramClient(["SCRAM-SHA-256"], USER, PASSWORD)
    first = client.get_client_first().encode()
    client.set_server_first(ask(gate, "a", "saslStart", first)["payload"].decode())
    last = client.get_client_final().encode()
    assert ask(gate, "a", "saslContinue", last)["ok"]
    assert ask(gate, "b", "saslStart", first)["ok"]
    assert ask(gate, "b", "saslContinue", last)["code"] == AUTHENTICATION_FAILED
    assert ask(gate, "b", "find")["code"] == UNAUTHORIZED


@pytest.mark.parametrize("payload", [b"", b"\xff\xfe", b"n,,", b"n,,n=reelback", b"a" * 100_000])
@pytest.mark.parametrize("command", ["saslStart", "saslContinue"])
def test_what_is_no_sign_in_is_refused_as_a_failed_one(gate: Gate, command: str, payload: bytes) -> None:
    assert ask(gate, "a", command, payload)["code"] == AUTHENTICATION_FAILED
    assert ask(gate, "a", "find")["code"] == UNAUTHORIZED
