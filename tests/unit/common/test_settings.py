"""The environment: read once, refused by name."""

from __future__ import annotations

import pytest
from reelback_common import settings

VARIABLES = {"PORT": "1", "METRICS_PORT": "2"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)


def test_an_empty_variable_is_an_unset_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SENTRY_DSN", "REELBACK_FAULTS", "DRAIN_SECONDS"):
        monkeypatch.setenv(name, "")
    loaded = settings.load(settings.ServiceSettings)
    assert (loaded.host, loaded.port, loaded.sentry_dsn) == ("127.0.0.1", 1, "")
    assert (loaded.reelback_faults, loaded.drain_seconds) == ({}, 0)


def test_faults_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REELBACK_FAULTS", '{"payment.charge.error_rate": 0.25}')
    assert settings.load(settings.ServiceSettings).reelback_faults == {"payment.charge.error_rate": 0.25}


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("PORT", "", "PORT: Field required"),
        ("PORT", "80800", "PORT: Input should be less than or equal to 65535"),
        ("METRICS_PORT", "http", "METRICS_PORT: Input should be a valid integer"),
        ("DRAIN_SECONDS", "-1", "DRAIN_SECONDS: Input should be greater than or equal to 0"),
        ("LOG_LEVEL", "LOUD", "LOG_LEVEL: Input should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'"),
        ("SENTRY_DSN", "not a url", "SENTRY_DSN: "),
        ("REELBACK_FAULTS", "{", "REELBACK_FAULTS: not valid JSON"),
        ("REELBACK_FAULTS", '{"payment.charge.errors": 1}', "REELBACK_FAULTS: Value error, unknown fault"),
        ("REELBACK_FAULTS", '{"payment.charge.error_rate": 25}', "payment.charge.error_rate must be between 0 and 1"),
    ],
)
def test_a_bad_variable_is_one_line_with_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, line: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        settings.load(settings.ServiceSettings)
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.startswith(f"{name}: ")
    assert said.count("\n") == 1
