"""Mail of the whole stack, from a registration to the mailbox."""

from __future__ import annotations

import re

from tests.local.stack import Player, Stack, until


def test_mail_goes_to_an_address_once_its_owner_has_the_code(stack: Stack, player: Player) -> None:
    def mails() -> dict[str, str]:
        return {mail["subject"]: stack.text(mail) for mail in stack.mails() if player.email in mail["to"]}

    first = until(mails, "the first mail is there")
    assert list(first) == ["Welcome to Reelback"]
    (code,) = re.findall(r"\b[A-Z2-7]{16}\b", first["Welcome to Reelback"])
    assert player.post("profile/email", code=code)["email_verified"] is True
    player.deposit(2_500)
    until(lambda: "Your deposit of 25.00 EUR has arrived" in mails(), "the mail about money is there")
