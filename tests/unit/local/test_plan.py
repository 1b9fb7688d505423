"""What the stack consists of."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from reelback_local.files import last_line, write
from reelback_local.layout import ports, values
from reelback_local.layout.home import Home
from reelback_local.layout.plan import Plan, Spec, plan
from reelback_local.stores import access

OWN = "https://key@o1.ingest.sentry.example/7"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    it = Home(tmp_path / "home")
    it.create()
    return it


def _first(stack: Plan, service: str) -> Spec:
    return stack.instance(service, service, f"{service}@{stack.version}", {}, stack.ports(service))


def test_a_service_gets_what_the_values_say(home: Home) -> None:
    stack = plan(values.load(), {"REELBACK_PORT_OFFSET": "100"}, home)
    gateway = _first(stack, "gateway")
    assert (gateway.port, gateway.metrics_port) == (8180, 9180)
    assert gateway.needs == {"redis"}
    assert gateway.env["PAYMENT_TARGET"] == f"endpoints:{home.endpoints('payment')}"
    assert gateway.env["REDIS_URL"] == access.url("redis", "127.0.0.1", 6479, home.password("redis"))
    assert gateway.env["SENTRY_RELEASE"] == "gateway@1.4.0"
    assert gateway.env["SENTRY_DSN"] == f"http://{home.secrets(['MINISENTRY_KEY'])['MINISENTRY_KEY']}@127.0.0.1:8191/1"
    assert len(gateway.env["JWT_SECRET"]) >= 32
    assert "JWT_SECRET" not in _first(stack, "payment").env
    assert gateway.env["JWT_SECRET"] not in repr((stack, gateway))
    assert _first(stack, "payment").env["MONGODB_URL"] == access.url(
        "mongodb", "127.0.0.1", 27117, home.password("mongodb")
    )
    assert _first(stack, "payment").env["KAFKA_URL"] == access.url("kafka", "127.0.0.1", 9192, home.password("kafka"))
    assert stack.stores.keys() == {"kafka", "mongodb", "redis", "redis-telemetry"}


def test_mail_goes_to_the_mailbox(home: Home) -> None:
    stack = plan(values.load(), {"REELBACK_PORT_OFFSET": "100"}, home)
    assert _first(stack, "notification").env["SMTP_URL"] == "smtp://127.0.0.1:1125"
    assert _first(stack, "mailbox").env["SMTP_PORT"] == "1125"
    assert "SMTP_PORT" not in _first(stack, "notification").env


def test_mail_goes_to_the_address_given_and_no_mailbox_runs(home: Home) -> None:
    stack = plan(values.load(), {"SMTP_URL": "smtps://mail.example"}, home)
    assert _first(stack, "notification").env["SMTP_URL"] == "smtps://mail.example"
    assert "mailbox" not in stack.services
    assert stack.own_stores == ("smtp",)


def test_a_services_own_variable_is_the_callers_where_it_has_one(home: Home) -> None:
    environ = {"SMS_WEBHOOK_URL": "http://127.0.0.1:9/sms", "PORT": "1"}
    assert plan(values.load(), environ, home).services["notification"].env == {
        "SMS_WEBHOOK_URL": "http://127.0.0.1:9/sms",
        "PUSH_WEBHOOK_URL": "",
        "ALERTS_WEBHOOK_URL": "",
    }


def test_web_gets_its_pages_and_what_they_call_at_the_ports_of_this_stack(home: Home, tmp_path: Path) -> None:
    stack = plan(values.load(), {"REELBACK_PORT_OFFSET": "100"}, home, {"web": tmp_path, "admin": tmp_path / "admin"})
    web = stack.instance("web", "web", "web@1.4.0", stack.services["web"].env, stack.ports("web"))
    assert web.env["GATEWAY_ADDRESS"] == f"127.0.0.1:{stack.ports('gateway')[0]}"
    assert web.env["SITE_FOLDER"] == str(tmp_path)
    key = home.secrets(["MINISENTRY_BROWSER_KEY"])["MINISENTRY_BROWSER_KEY"]
    assert web.env["BROWSER_DSN"] == f"http://{key}@127.0.0.1:8191/2"
    assert f"http://127.0.0.1:{web.port}" in stack.services["gateway"].env["CORS_ORIGINS"]
    assert "BROWSER_DSN" not in _first(stack, "payment").env


def test_admin_is_the_server_of_web_with_other_pages(home: Home, tmp_path: Path) -> None:
    stack = plan(values.load(), {"REELBACK_PORT_OFFSET": "100"}, home, {"admin": tmp_path})
    admin = stack.instance("admin", "admin", "admin@1.4.0", stack.services["admin"].env, stack.ports("admin"))
    assert admin.command[-1] == "reelback_web"
    assert (admin.env["SITE_NAME"], admin.env["SITE_FOLDER"]) == ("admin", str(tmp_path))
    assert admin.env["BROWSER_DSN"].endswith("@127.0.0.1:8191/3")
    assert f"http://127.0.0.1:{admin.port}" in stack.services["gateway"].env["CORS_ORIGINS"]
    assert "web" not in stack.services


def test_minisentry_gets_the_player_of_replays_when_it_is_there(home: Home, tmp_path: Path) -> None:
    for player, expected in ((tmp_path, str(tmp_path)), (None, None)):
        stack = plan(values.load(), {}, home, player=player)
        assert _first(stack, "minisentry").env.get("PLAYER_FOLDER") == expected
        assert "PLAYER_FOLDER" not in _first(stack, "payment").env


def test_without_its_pages_web_stays_out(home: Home) -> None:
    assert {"web", "admin"}.isdisjoint(plan(values.load(), {}, home).services)


def test_what_browsers_report_goes_to_no_sentry_of_ones_own_unless_it_is_said(home: Home, tmp_path: Path) -> None:
    for given, expected in ({"SENTRY_DSN": OWN}, ""), ({"SENTRY_DSN": OWN, "BROWSER_DSN": f"{OWN}8"}, f"{OWN}8"):
        assert _first(plan(values.load(), given, home, {"web": tmp_path}), "web").env["BROWSER_DSN"] == expected


def test_a_sentry_of_ones_own_replaces_minisentry(home: Home) -> None:
    stack = plan(values.load(), {"SENTRY_DSN": OWN, "SENTRY_ENVIRONMENT": "laptop"}, home)
    assert "minisentry" not in stack.services
    assert not stack.minisentry
    payment = _first(stack, "payment")
    assert (payment.env["SENTRY_DSN"], payment.env["SENTRY_ENVIRONMENT"]) == (OWN, "laptop")


def test_a_store_of_ones_own_is_not_started(home: Home) -> None:
    chart = values.load()
    redis = chart.stores["redis"].model_copy(update={"url": "redis://redis.example:6379"})
    environ = {"KAFKA_URL": "kafka://one.example:9093,two.example:9093"}
    stack = plan(chart.model_copy(update={"stores": {**chart.stores, "redis": redis}}), environ, home)
    assert stack.stores.keys() == {"mongodb", "redis-telemetry"}
    assert stack.own_stores == ("kafka", "redis")
    user = _first(stack, "user")
    assert user.env["REDIS_URL"] == "redis://redis.example:6379"
    assert user.env["KAFKA_URL"] == environ["KAFKA_URL"]
    assert user.needs == {"mongodb"}


@pytest.mark.parametrize("offset", ["-1", "many", "40000"])
def test_a_bad_offset_is_refused_by_name(home: Home, offset: str) -> None:
    with pytest.raises(ValueError, match="REELBACK_PORT_OFFSET"):
        plan(values.load(), {"REELBACK_PORT_OFFSET": offset}, home)


def test_a_taken_port_is_told_with_whose_it_is(home: Home) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        chart = values.load()
        game = chart.services["game"].model_copy(update={"port": port})
        stack = plan(
            chart.model_copy(update={"services": {**chart.services, "game": game}}), {"REELBACK_PORT_OFFSET": "0"}, home
        )
        # Other ports of the stack may be taken too: this machine may run one.
        problem = ports.taken(replace(stack, stores={}, services={"game": game}, more_ports={}))
    assert problem is not None
    assert problem.startswith(f"port {port} of game ")
    assert "REELBACK_PORT_OFFSET" in problem


def test_the_ports_beside_those_of_requests_and_metrics_are_the_stacks_too(home: Home) -> None:
    stack = plan(values.load(), {"REELBACK_PORT_OFFSET": "100"}, home)
    assert stack.more_ports == {8191: "minisentry (telemetry)", 9193: "kafka (its own)", 1125: "mailbox (smtp)"}
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        problem = ports.taken(replace(stack, stores={}, services={}, more_ports={port: "kafka (its own)"}))
    assert problem is not None
    assert problem.startswith(f"port {port} of kafka (its own) ")


def test_secrets_are_made_once_and_are_nobody_elses(home: Home) -> None:
    first = home.secrets(["A", "B"])
    assert home.secrets(["B", "C"])["B"] == first["B"]
    assert home.secrets(["A"])["A"] == first["A"]
    assert stat.S_IMODE((home.folder / "secrets.json").stat().st_mode) == 0o600


def test_a_socket_works_however_deep_the_folder_is(tmp_path: Path) -> None:
    deep = Home(tmp_path / ("d" * 120))
    deep.create()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(deep.socket))
        deep.socket.unlink()
    assert deep.socket != Home(tmp_path / ("e" * 120)).socket
    assert Home(Path("/short")).socket == Path("/short/supervisor.sock")


@pytest.mark.parametrize("prepared", ["open to others", "a link"])
def test_a_socket_in_a_folder_that_others_may_write_to_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prepared: str
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / f"reelback-{os.getuid()}"
    if prepared == "a link":
        folder.symlink_to(tmp_path)
    else:
        folder.mkdir()
        folder.chmod(0o777)
    with pytest.raises(PermissionError, match="set REELBACK_HOME to a shorter path"):
        _ = Home(tmp_path / ("d" * 120)).socket


def test_the_last_line_of_a_log_is_the_last_with_something_in_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert last_line(log) == ""
    log.write_bytes(b"x" * 20_000 + b"\nthe end \xff\n\n  \n")
    assert last_line(log) == "the end \ufffd"


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    file = tmp_path / "file"
    write(file, "one")
    with file.open() as old:
        write(file, "two")
        assert old.read() == "one"
    assert file.read_text() == "two"
    assert os.listdir(tmp_path) == ["file"]
