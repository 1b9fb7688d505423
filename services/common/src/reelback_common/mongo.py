"""A service's database in MongoDB: every wait has an end, and a write that is acknowledged is on disk."""

from __future__ import annotations

from typing import Any

from pymongo import AsyncMongoClient
from pymongo.asynchronous.database import AsyncDatabase
from reelback_telemetry.mongo import CommandSpans

Document = dict[str, Any]


def connect(url: str, name: str) -> AsyncDatabase[Document]:
    """The database `name`; connecting begins with the first operation. Close it with `database.client.close()`.

    Operations raise PyMongoError within seconds when the server does not answer.
    """
    client: AsyncMongoClient[Document] = AsyncMongoClient(
        url,
        appname=name,
        event_listeners=[CommandSpans()],
        tz_aware=True,
        # Three attempts of a caller fit into the 5 s of a call.
        serverSelectionTimeoutMS=1000,
        connectTimeoutMS=2000,
        socketTimeoutMS=5000,
        waitQueueTimeoutMS=2000,
        w="majority",
        journal=True,
    )
    return client[name]
