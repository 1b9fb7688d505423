"""One stack of local processes for all tests that leave it as it was."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.local.stack import TESTER, Player, Stack, until

# A shell that runs the tests in its background has them ignore SIGINT, and so would every command started here.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole stack, running."""
    with Stack.running(tmp_path_factory.mktemp("stack")) as it:
        yield it


@pytest.fixture(scope="session")
def tester(stack: Stack) -> Iterator[Player]:
    """A player who may use the debug endpoints."""
    it = Player(stack, TESTER)
    it.post("profile/email", code=until(lambda: stack.code(TESTER), "the first mail"))
    it.sign_in()
    yield it
    it.close()


@pytest.fixture
def player(stack: Stack) -> Iterator[Player]:
    """A player with money."""
    it = Player(stack)
    it.deposit(10_000)
    yield it
    it.close()
