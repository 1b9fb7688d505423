"""The local stores let in whoever knows the password, and nobody else: not another user of the machine either."""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import bson
import psutil
import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from reelback_common import kafka
from reelback_local.stores import redis

from tests.unit.common.broker import PASSWORD
from tests.unit.common.kafka_parts import new_name
from tests.unit.local import stranger

SECRET = "what-only-the-owner-reads"

BROKEN = struct.pack("<iiii", -1, 0, 0, 0)
"""A header that MongoDB's servers close the connection at."""


def without(url: str) -> str:
    """The address for nobody."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port}"


def port(url: str) -> int:
    """Where the store listens."""
    return urlsplit(url).port or 0


def other(url: str) -> str:
    """The address with another password."""
    return url.replace(PASSWORD, "another-password")


def message(command: dict[str, object]) -> bytes:
    """A command as MongoDB's clients send it: OP_MSG."""
    body = struct.pack("<IB", 0, 0) + bson.encode(command)
    return struct.pack("<iiii", 16 + len(body), 1, 0, 2013) + body


def old_query(collection: str, query: dict[str, object]) -> bytes:
    """A query as clients sent it before there were messages: OP_QUERY."""
    body = struct.pack("<I", 0) + collection.encode() + b"\x00" + struct.pack("<ii", 0, 1) + bson.encode(query)
    return struct.pack("<iiii", 16 + len(body), 1, 0, 2004) + body


@pytest.fixture
def mine(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        yield client


def test_redis_asks_for_the_password(redis_url: str, mine: Redis) -> None:
    assert mine.ping()
    with Redis.from_url(without(redis_url)) as nobody, pytest.raises(AuthenticationError):
        nobody.ping()
    with Redis.from_url(other(redis_url)) as nobody, pytest.raises(AuthenticationError):
        nobody.ping()


@pytest.mark.parametrize(
    "command",
    [
        *("CONFIG SET dir /tmp", "CONFIG SET dbfilename x", "CONFIG GET dir", "SAVE", "BGSAVE", "BGREWRITEAOF"),
        *("FLUSHALL", "FLUSHDB", "KEYS *", "DEBUG SLEEP 0", "SHUTDOWN NOSAVE", "REPLICAOF 127.0.0.1 1", "MONITOR"),
        *("MODULE LIST", "ACL LIST", "CLIENT LIST", "SLOWLOG GET", "MIGRATE 127.0.0.1 1 k 0 1", "SWAPDB 0 1"),
    ],
)
def test_the_user_of_redis_works_with_data_and_not_with_the_server(mine: Redis, command: str) -> None:
    with pytest.raises(NoPermissionError):
        mine.execute_command(*command.split())  # type: ignore[no-untyped-call]
    mine.set("access", 1, ex=5)
    assert mine.eval("return redis.call('GET', KEYS[1])", 1, "access") == b"1"
    with pytest.raises(ResponseError):
        mine.eval("return redis.call('CONFIG', 'SET', 'dir', '/tmp')", 0)


def test_another_user_of_the_machine_writes_no_file_through_redis(redis_url: str, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    commands = (f"CONFIG SET dir {tmp_path}", "CONFIG SET dbfilename theirs", "SAVE", "GET access", "QUIT")
    answer = stranger.send(port(redis_url), "".join(f"{command}\r\n" for command in commands).encode())
    assert [line[:7] for line in answer.split(b"\r\n")] == [b"-NOAUTH"] * 4 + [b"+OK", b""]
    assert not (tmp_path / "theirs").exists()


def test_another_user_of_the_machine_reads_nothing_from_mongodb(mongodb_url: str) -> None:
    with MongoClient[dict[str, object]](mongodb_url) as mine:
        mine["access"]["it"].insert_one({"secret": SECRET})
    found = stranger.send(port(mongodb_url), message({"find": "it", "$db": "access"}) + BROKEN)
    assert bson.decode(found[21:])["code"] == 13
    for name in ("serverStatus", "listDatabases"):
        assert b"connections" not in stranger.send(port(mongodb_url), old_query("admin.$cmd", {name: 1}) + BROKEN)
    for payload in ("n,,n=reelback,r=x", 7):  # as text or a number, and not as bytes
        found = stranger.send(port(mongodb_url), message({"saslStart": 1, "payload": payload, "$db": "admin"}) + BROKEN)
        assert bson.decode(found[21:])["code"] == 18
    found = stranger.send(port(mongodb_url), old_query("access.it", {}) + BROKEN)
    assert SECRET.encode() not in found


def test_another_user_of_the_machine_learns_from_kafka_which_versions_it_speaks_and_no_topic(kafka_url: str) -> None:
    topic = new_name("secret")
    kafka.create_topics(kafka_url, [topic])
    versions, topics = struct.pack(">hhih", 18, 0, 1, -1), struct.pack(">hhihi", 3, 1, 2, -1, -1)
    answer = stranger.send(port(kafka_url), b"".join(struct.pack(">i", len(it)) + it for it in (versions, topics)))
    length, correlation = struct.unpack(">ii", answer[:8])
    assert (correlation, len(answer)) == (1, 4 + length), "it has answered more than the first question"
    assert topic.encode() not in answer


def test_another_user_of_the_machine_finds_no_password(
    redis_url: str, mongodb_url: str, kafka_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ports = {port(url) for url in (redis_url, mongodb_url, kafka_url)}
    stores = {
        it.pid
        for it in psutil.net_connections("tcp")
        if it.status == psutil.CONN_LISTEN and it.laddr and it.laddr.port in ports
    }
    assert len(stores) == 3
    assert [stranger.run(f"cat /proc/{pid}/environ").stdout for pid in stores] == [b""] * 3
    folder = tmp_path_factory.getbasetemp()
    files = [*folder.glob("redis[0-9]/redis.conf"), *folder.glob("kafka[0-9]/server.properties")]
    assert len(files) == 2
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_the_configuration_of_redis_is_its_owners_and_has_no_password(tmp_path: Path) -> None:
    text = redis.configuration("127.0.0.1", 1, tmp_path, PASSWORD)
    assert "user default off" in text
    assert PASSWORD not in text


def test_mongodb_asks_for_the_password(mongodb_url: str) -> None:
    with MongoClient[dict[str, object]](mongodb_url) as mine:
        assert mine["access"]["it"].insert_one({"_id": os.urandom(4)}).acknowledged
        names = set(mine.list_database_names())
    with MongoClient[dict[str, object]](without(mongodb_url)) as nobody:
        for attempt in (nobody.list_database_names, nobody["access"]["it"].find_one):
            with pytest.raises(OperationFailure) as caught:
                attempt()
            assert caught.value.code == 13
        with pytest.raises(OperationFailure):
            nobody.drop_database("access")
    with MongoClient[dict[str, object]](other(mongodb_url)) as nobody, pytest.raises(OperationFailure) as caught:
        nobody.list_database_names()
    assert caught.value.code == 18
    with MongoClient[dict[str, object]](mongodb_url) as mine:
        assert set(mine.list_database_names()) == names


def test_kafka_asks_for_the_password(kafka_url: str) -> None:
    assert AdminClient(kafka.properties(kafka_url)).list_topics(timeout=10)
    for url in (without(kafka_url), other(kafka_url)):
        with pytest.raises(KafkaException):
            AdminClient({**kafka.properties(url), "log_level": 0}).list_topics(timeout=2)


@pytest.mark.parametrize("store", ["redis", "mongodb", "kafka"])
def test_no_password_is_on_a_command_line(store: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(f"{store}_url")
    lines = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if os.access(file, os.R_OK)]
    assert [line for line in lines if f"reelback_local.stores.{store}".encode() in line or store.encode() in line]
    assert not [line for line in lines if PASSWORD.encode() in line]
