"""A wallet worked out anew from its entries, and compared. No I/O."""

from __future__ import annotations

from reelback_payment.wallet import Entry, Wallet


class Audit:
    """Adds up a wallet's entries, which are told in their order; `differences` are lines without the player."""

    def __init__(self) -> None:
        self.entries = 0
        self.money_in = 0
        self.money_out = 0
        self.differences: list[str] = []
        self._last = 0
        self._running = 0
        self._requests: set[str] = set()

    def add(self, entry: Entry) -> None:
        """Hold the next entry against those before it."""
        self._number(entry.sequence)
        if entry.request_id in self._requests:
            self._differ(f"entry {entry.sequence}: request {entry.request_id} has moved money before")
        self._requests.add(entry.request_id)
        if entry.balance_after != (expected := self._running + entry.amount):
            self._differ(f"entry {entry.sequence}: balance after it: expected {expected}, found {entry.balance_after}")
        self._running = entry.balance_after
        self.entries += 1
        self.money_in += max(entry.amount, 0)
        self.money_out -= min(entry.amount, 0)

    def close(self, wallet: Wallet) -> None:
        """Hold the wallet against all of its entries."""
        if wallet.sequence < self._last:
            self._differ(f"sequence: expected {self._last}, found {wallet.sequence}")
        else:
            self._number(wallet.sequence + 1)
        if wallet.balance != (expected := self.money_in - self.money_out):
            self._differ(f"balance: expected {expected}, found {wallet.balance}")

    def _number(self, sequence: int) -> None:
        """The next entry has this number, or the numbers end before it."""
        if sequence <= self._last:
            self._differ(f"entry {sequence}: its number is used twice")
        elif sequence > self._last + 1:
            missing = f"{self._last + 1} to {sequence - 1}" if sequence > self._last + 2 else f"{sequence - 1}"
            self._differ(f"entry {missing}: expected, found none")
        self._last = sequence

    def _differ(self, line: str) -> None:
        self.differences.append(line)
