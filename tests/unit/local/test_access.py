"""The local stores let in whoever knows the password, and nobody else: not another user of the machine either."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from reelback_common import kafka
from reelback_local.stores import access, redis

from tests.unit.common.broker import PASSWORD


def without(url: str) -> str:
    """The address for nobody."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}:{parts.port}"


def other(url: str) -> str:
    """The address with another password."""
    return url.replace(PASSWORD, "another-password")


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
    su = shutil.which("su")
    if os.geteuid() != 0 or su is None:
        pytest.skip("only root can become another user: the attack is not tried as one")
    tmp_path.chmod(0o777)
    port = urlsplit(redis_url).port
    script = (
        "import socket\n"
        f"s = socket.create_connection(('127.0.0.1', {port}), 5)\n"
        f"s.sendall(b'CONFIG SET dir {tmp_path}\\r\\nCONFIG SET dbfilename theirs\\r\\nSAVE\\r\\n')\n"
        "f = s.makefile('rb')\n"
        "print(*(f.readline()[:7].decode() for _ in range(3)))\n"
    )
    command = [su, "nobody", "-s", "/bin/sh", "-c", 'exec python3 -c "$ATTACK"']
    done = subprocess.run(
        command, env={**os.environ, "ATTACK": script}, capture_output=True, text=True, timeout=20, check=False
    )
    assert done.stdout.split() == ["-NOAUTH"] * 3, done.stderr
    assert not (tmp_path / "theirs").exists()


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


def test_mongodb_answers_no_old_query(mongodb_url: str) -> None:
    """OP_QUERY on a collection, as clients sent it before there were messages."""
    query = b"\x00" * 4 + b"access.it\x00" + b"\x00" * 4 + b"\x01\x00\x00\x00" + b"\x05\x00\x00\x00\x00"
    header = (16 + len(query)).to_bytes(4, "little") + b"\x01\x00\x00\x00" + b"\x00" * 4 + (2004).to_bytes(4, "little")
    parts = urlsplit(mongodb_url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), 5) as raw:
        raw.sendall(header + query)
        answer = raw.recv(4096)
    assert b"only messages are answered" in answer or b"requires authentication" in answer or not answer


def test_kafka_asks_for_the_password(kafka_url: str) -> None:
    assert AdminClient(kafka.properties(kafka_url)).list_topics(timeout=10)
    for url in (without(kafka_url), other(kafka_url)):
        with pytest.raises(KafkaException):
            AdminClient({**kafka.properties(url), "log_level": 0}).list_topics(timeout=2)


@pytest.mark.parametrize("store", ["redis", "mongodb", "kafka"])
def test_no_password_is_on_a_command_line(store: str, request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(f"{store}_url")
    lines = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if os.access(file, os.R_OK)]
    assert lines
    assert not [line for line in lines if PASSWORD.encode() in line]
    assert access.VARIABLE
