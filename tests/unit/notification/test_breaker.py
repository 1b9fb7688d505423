"""When a provider is left alone."""

from reelback_notification.breaker import Breaker
from reelback_notification.delivery import Retries


def test_failures_in_a_row_open_it_and_a_success_closes_it() -> None:
    breaker = Breaker(threshold=3, seconds=10)
    breaker.failed(0)
    breaker.failed(1)
    breaker.worked()
    breaker.failed(2)
    breaker.failed(3)
    assert breaker.closed
    breaker.failed(4)
    assert not breaker.closed
    assert breaker.pause(5) == 9
    assert breaker.pause(14) == 0  # something may be tried
    assert not breaker.closed
    breaker.failed(14)
    assert breaker.pause(15) == 9
    breaker.worked()
    assert breaker.closed
    breaker.failed(30)
    assert breaker.closed


def test_pauses_grow_and_are_never_the_same_for_all() -> None:
    retries = Retries(first=1, longest=60)
    for failed, longest in ((1, 1), (2, 2), (5, 16), (7, 60), (40, 60)):
        pauses = {retries.pause(failed).total_seconds() for _ in range(50)}
        assert max(pauses) <= longest
        assert min(pauses) >= longest / 2
        assert len(pauses) > 10
