"""The rules of an account."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from reelback_user import passwords
from reelback_user.accounts import Invalid, check_password, clean_name, normalise_email


@pytest.mark.parametrize(
    "email",
    ["ada@example.com", " Ada@Example.COM ", "ADA@EXAMPLE.COM\n", "\uff21da@example.com"],  # full-width A
)
def test_an_address_has_one_form(email: str) -> None:
    assert normalise_email(email) == "ada@example.com"


@pytest.mark.parametrize(
    "email",
    [
        *("", "ada", "@example.com", "ada@", "ada@example", "a b@example.com", "a@b@example.com", "ada@.com"),
        *("a@x..com", "x" * 65 + "@example.com", "ada@" + "x" * 250 + ".com"),
        *("a\x00b@example.com", "a\u202eb@example.com", "a\u200db@example.com", "=?utf-8?q?chief?=@example.com"),
    ],
)
def test_what_is_no_address_is_refused_and_not_repeated(email: str) -> None:
    with pytest.raises(Invalid, match=r"^email: must be an address like name@example.com$"):
        normalise_email(email)


@pytest.mark.parametrize("length", [0, 7, 129])
def test_passwords_have_bounds(length: int) -> None:
    with pytest.raises(Invalid, match=r"^password: must have 8 to 128 characters$"):
        check_password("x" * length)
    check_password("x" * 8)
    check_password("\N{SNOWMAN}" * 128)


@pytest.mark.parametrize("name", ["", "   ", "x" * 41, "a\nb", "a\u202eb"])
def test_names_are_short_and_printable(name: str) -> None:
    with pytest.raises(Invalid, match=r"^display_name: "):
        clean_name(name)
    assert clean_name(" Ada L. ") == "Ada L."


async def test_passwords_are_salted_argon2id() -> None:
    first, second = await passwords.hashed("correct horse"), await passwords.hashed("correct horse")
    assert first != second
    assert first.startswith("$argon2id$v=19$m=7168,t=5,p=1$")
    assert await passwords.matches(first, "correct horse")
    assert not await passwords.matches(first, "correct horsf")
    assert not await passwords.matches(None, "nobody has this password")


async def test_hashing_leaves_the_event_loop_free() -> None:
    works: list[Coroutine[Any, Any, Any]] = [
        passwords.hashed("correct horse"),
        passwords.matches(None, "correct horse"),
    ]
    for work in works:
        task = asyncio.create_task(work)
        await asyncio.sleep(0)
        assert not task.done()  # on the loop it would be over within this one turn
        await task
