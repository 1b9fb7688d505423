"""Alerts as the back office lists them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import pytest
from grpc import StatusCode
from reelback.v1 import analytics_pb2
from reelback.v1.analytics_pb2_grpc import AnalyticsStub
from reelback.v1.events_pb2 import AlertRaised
from reelback_analytics.rules import Finding
from reelback_common.client import Channel

from tests.unit.analytics.conftest import Instance

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
FINDING = Finding("velocity", AlertRaised.WARNING, "200 rounds in one minute, more than 120")


async def page(channel: Channel, **request: Any) -> tuple[list[str], str]:
    answer = await AnalyticsStub(channel).ListAlerts(analytics_pb2.ListAlertsRequest(**request))
    return [alert.alert_id for alert in answer.alerts], answer.next


async def test_alerts_are_listed_in_pages_the_newest_first(analytics: Instance, channel: Channel) -> None:
    for number in range(5):
        await analytics.alerts.add(FINDING, f"p{number}", NOON + timedelta(minutes=number // 2))
    ids = [f"velocity/p{number}/2026-03-01" for number in (4, 3, 2, 1, 0)]
    first, cursor = await page(channel, limit=3)
    second, last = await page(channel, limit=3, cursor=cursor)
    assert ([*first, *second], last) == (ids, "")
    (alert,) = (await AnalyticsStub(channel).ListAlerts(analytics_pb2.ListAlertsRequest(limit=1))).alerts
    assert (alert.player_id, alert.raised.rule, alert.raised.detail) == ("p4", FINDING.rule, FINDING.detail)
    assert alert.raised_at.ToDatetime(UTC) == NOON + timedelta(minutes=2)


async def test_alerts_from_before_they_were_listed_are_listed(analytics: Instance, channel: Channel) -> None:
    await analytics.alerts.add(FINDING, "p", NOON)
    await analytics.database["alerts"].update_many({}, {"$unset": {"place": ""}})
    await analytics.alerts.prepare()
    assert await page(channel, cursor="9") == (["velocity/p/2026-03-01"], "")


@pytest.mark.parametrize("limit", [-1, 101])
async def test_bad_pages_are_refused(channel: Channel, limit: int) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await page(channel, limit=limit)
    assert caught.value.code() is StatusCode.INVALID_ARGUMENT
