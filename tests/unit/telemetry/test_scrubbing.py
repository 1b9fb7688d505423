"""What may leave the process."""

from __future__ import annotations

import pytest
from reelback_telemetry import scrubbing


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("mongodb://root:pass@db:27017/user", "mongodb://[scrubbed]@db:27017/user"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [scrubbed]"),
        ("token=abc&x=1", "token=[scrubbed]"),
        ('{"password": "hunter2", "bet": 10}', '{"password": "[scrubbed]", "bet": 10}'),
        ("eyJhbGciOi.eyJzdWIi.sig-nature", "[scrubbed]"),
        ("ada.l+x@mail.example.org is taken", "[email] is taken"),
        ("payment@1.4.0 and payment@1.5.0-rc.1 are releases", "payment@1.4.0 and payment@1.5.0-rc.1 are releases"),
        ("card 4111 1111 1111 1111, 5500-0055-5555-5559", "card [card], [card]"),
        ("order 4111111111111112 of 1732880000000", "order 4111111111111112 of 1732880000000"),
        ("deadline exceeded after 5 s", "deadline exceeded after 5 s"),
    ],
)
def test_text(written: str, left: str) -> None:
    assert scrubbing.text(written) == left


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("203.0.113.77 asked", "203.0.113.0 asked"),
        ("10.244.0.17:9092 refused", "10.244.0.0:9092 refused"),
        ("[2001:db8:1:2::7]:80", "[2001:db8:1::]:80"),
        ("127.0.0.1:8081 and ::1", "127.0.0.1:8081 and ::1"),
        ("at 11:30:03 in payment@1.4.0, 999.1.1.1", "at 11:30:03 in payment@1.4.0, 999.1.1.1"),
    ],
)
def test_an_address_keeps_its_network(written: str, left: str) -> None:
    assert scrubbing.anonymised(written) == left


def test_a_tree_loses_what_has_a_secrets_name_and_keeps_its_source() -> None:
    event = {
        "extra": {"password": "hunter2", "items": ["ada@example.org"]},
        "exception": {"values": [{"value": "token=abc", "stacktrace": {"frames": ["password = read()"]}}]},
        "release": "payment@1.4.0",
        "timestamp": 1.5,
    }
    assert scrubbing.tree(event) == {
        "extra": {"password": "[scrubbed]", "items": ["[email]"]},
        "exception": {"values": [{"value": "token=[scrubbed]", "stacktrace": {"frames": ["password = read()"]}}]},
        "release": "payment@1.4.0",
        "timestamp": 1.5,
    }
