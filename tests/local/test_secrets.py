"""What the stack keeps to itself stays in its folder's file and in its processes' environment."""

from __future__ import annotations

import json
import os
import signal

import psutil

from tests.local.stack import Stack, until


def test_no_secret_is_on_a_command_line_in_a_log_or_in_what_the_command_says(stack: Stack) -> None:
    secrets = json.loads((stack.home.folder / "secrets.json").read_text())
    assert {"REDIS_PASSWORD", "MONGODB_PASSWORD", "KAFKA_PASSWORD", "JWT_SECRET"} <= secrets.keys()
    assert len(set(secrets.values())) == len(secrets)

    # A client that loses its store says so, with the address.
    killed = {name: process for name, process in stack.processes().items() if name in ("redis", "mongodb", "kafka")}
    for process in killed.values():
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)

    def back() -> bool:
        now = stack.processes()
        return all(process.state == "ready" for process in now.values()) and all(
            now[name].pid != before.pid for name, before in killed.items()
        )

    until(back, "all stores are back", 60)
    until(lambda: "librdkafka" in stack.home.log("analytics").read_text(), "analytics has said that its broker is gone")
    said = {str(file): file.read_text(errors="replace") for file in stack.home.log("gateway").parent.iterdir()}
    said |= {"status": stack.run("status").stdout, "supervisor": stack.ask("GET", "/status").text}
    said |= {"command lines": "\n".join(" ".join(it.info["cmdline"] or []) for it in psutil.process_iter(["cmdline"]))}
    assert "redis" in said["command lines"]
    found = [(where, name) for where, text in said.items() for name, secret in secrets.items() if secret in text]
    assert found == []
