"""The locked jars."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from reelback_local.stores import jars

WRONG = '[[dependencies]]\ngroupId = "org.slf4j"\nartifactId = "slf4j-api"\nversion = "2.0.17"\nsha256 = "00"\n'


@pytest.mark.parametrize(
    ("lock", "known"),
    [
        (jars.MONGO, {"h2", "mongo-java-server-core", "mongo-java-server-h2-backend"}),
        (jars.KAFKA, {"kafka_2.13", "kafka-clients", "scala-library", "slf4j-simple"}),
    ],
)
def test_a_lock_pins_every_jar_and_names_no_address(lock: Path, known: set[str]) -> None:
    text = lock.read_text()
    locked = tomllib.loads(text)["dependencies"]
    assert known <= {jar["artifactId"] for jar in locked}
    assert all(len(jar["sha256"]) == 64 for jar in locked)
    assert "://" not in text


def test_a_second_time_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    first = jars.class_path(jars.KAFKA)
    monkeypatch.setattr(jars, "_download", lambda *_: pytest.fail("downloaded again"))
    assert jars.class_path(jars.KAFKA) == first
    assert all(jar.is_file() for jar in first)


def test_a_jar_that_is_not_the_locked_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("M2_REPO", str(tmp_path / "maven"))
    other = tmp_path / "maven" / "org" / "slf4j" / "slf4j-api" / "2.0.17" / "slf4j-api-2.0.17.jar"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"something else")
    lock = tmp_path / "lock.toml"
    lock.write_text(WRONG)
    with pytest.raises(jars.JarError, match=r"slf4j-api-2.0.17.jar is not the locked one"):
        jars.class_path(lock)
    assert other.exists()
    assert list((tmp_path / "reelback" / "jars").iterdir()) == []
