"""One Kafka broker as a value: its server.properties and its command line. docs/kafka.md says why each line."""

import os
from dataclasses import dataclass
from pathlib import Path

from streamforge.gateway.principals import SUPER_USERS
from streamforge.gateway.topics import INDEX_BYTES, MEBIBYTE, SEGMENT_BYTES

LIBS = Path("/usr/lib/streamforge/kafka/libs")
# 128 MiB holds ten minutes of full load with half of it free; SerialGC has the smallest overhead on two cores.
HEAP_START, HEAP_MOST = "32m", "128m"
# A full collection leaves a fifth of the heap free instead of two fifths: 58 instead of 79 MiB after ten minutes, and a
# young collection of 6 ms every 7 s at 20,000 readings/s.
HEAP_LEAST_FREE_PERCENT = 20
# C1 alone: with C2 the process grows from 180 to 224 MB and needs 40 % more CPU until it serves.
COMPILER = "-XX:TieredStopAtLevel=1"
# What lies beside the heap, seen 12, 55 and 24 MB at most.
CODE_CACHE, METASPACE, DIRECT_MEMORY = "24m", "80m", "32m"
THREAD_STACK = "256k"
# Every malloc arena of glibc may keep 64 MB of address space and some of it resident; 85 threads would open many.
MALLOC_ARENAS = "2"
# Its default of 128 MiB does not start in this heap.
CLEANER_BUFFER_BYTES = 4 * 1024 * 1024
LARGEST_RECORD_BATCH_BYTES = 2 * 1024 * 1024
LARGEST_REQUEST_BYTES = 8 * 1024 * 1024
# First ack 5-7 s after kill -9; the defaults (9000/2000) need 12-15 s, because the old session must end first.
SESSION_MS, HEARTBEAT_MS = 3000, 1000
# Three files that Kafka writes and fsyncs by the clock although nothing happened, two syncs each, and on a slow card
# every alarm of those seconds waits for them. A leader without followers does not need high watermarks (by default
# every 5 s, 35,000 flushes a day): what its log holds is its high watermark. Nor log starts where whole segments go:
# the first file says where the log starts. From the recovery points on a log is read again after a kill or a cut: at
# 5,000 readings/s 84 MB of raw and clean, five minutes after the last one.
WATERMARKS_MS = LOG_STARTS_MS = 3_600_000
RECOVERY_POINTS_MS = 300_000
NEVER_MINUTES = 2147483647
# Its defaults, 1 GiB and 100 MiB, have no place in a disk budget. Until a snapshot, 20 MiB of it at most, nothing goes.
METADATA_SEGMENT_BYTES, METADATA_RETENTION_BYTES = 8 * MEBIBYTE, 16 * MEBIBYTE
# An append that waits for the disk, as the first of a segment does, holds its thread, and so does each that waits
# behind it: with two, readings waited for seconds on a slow card. Eight take 1 MB more than two.
IO_THREADS = 8
SYSTEM_PROPERTIES = {
    # Quiet: INFO prints 112 kB at every start, most of it the configuration.
    "org.slf4j.simpleLogger.defaultLogLevel": "warn",
    "org.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer": "info",
    # The journal has the time; level first, so that the supervisor can give the line its priority.
    "org.slf4j.simpleLogger.showThreadName": "false",
    # log4j's interface is linked, its implementation left out; it would complain of that.
    "log4j.provider": "org.apache.logging.log4j.simple.internal.SimpleProvider",
}

_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}
listeners=CLIENT://127.0.0.1:{client_port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=CLIENT://127.0.0.1:{client_port}
listener.security.protocol.map=CLIENT:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=CLIENT
log.dirs={data}

sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
sasl.mechanism.controller.protocol=PLAIN
listener.name.client.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.controller.sasl.enabled.mechanisms=PLAIN
config.providers=dir
config.providers.dir.class=org.apache.kafka.common.config.provider.DirectoryConfigProvider
config.providers.dir.param.allowed.paths={credentials}
listener.name.client.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule \
required username="kafka" password="{password}";
listener.name.controller.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule \
required username="kafka" password="{password}" user_kafka="{password}";
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users={super_users}
allow.everyone.if.no.acl.found=false

log.cleaner.dedupe.buffer.size={cleaner_buffer}
log.cleaner.threads=1
num.network.threads=2
num.io.threads={io_threads}
num.recovery.threads.per.data.dir=2
socket.request.max.bytes={largest_request}
message.max.bytes={largest_batch}

log.retention.ms=-1
offsets.retention.minutes={never_minutes}
log.message.timestamp.type=LogAppendTime

log.segment.bytes={segment}
log.index.size.max.bytes={index}
log.segment.delete.delay.ms=1000
log.retention.check.interval.ms=5000

metadata.log.segment.bytes={metadata_segment}
metadata.max.retention.bytes={metadata_retention}
metadata.max.idle.interval.ms=0
replica.high.watermark.checkpoint.interval.ms={watermarks_ms}
log.flush.start.offset.checkpoint.interval.ms={log_starts_ms}
log.flush.offset.checkpoint.interval.ms={recovery_points_ms}
broker.session.timeout.ms={session_ms}
broker.heartbeat.interval.ms={heartbeat_ms}

auto.create.topics.enable=false
num.partitions=1
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where one broker lives.

    `data` holds its log directories; `credentials` the file `password_name` with the password of the principal
    `kafka`, without a newline; `work` takes server.properties (a tmpfs on the appliance). `archive` is the class
    archive (AppCDS), used when it exists.
    """

    data: Path
    credentials: Path
    work: Path
    libs: Path = LIBS
    archive: Path = LIBS.parent / "kafka.jsa"
    password_name: str = "kafka-password"  # noqa: S105 - the name of a file
    client_port: int = 9092
    controller_port: int = 9093

    @property
    def bootstrap(self) -> str:
        """Where clients connect."""
        return f"127.0.0.1:{self.client_port}"

    @property
    def properties_file(self) -> Path:
        """The server.properties that the command lines name."""
        return self.work / "server.properties"

    def properties(self) -> str:
        """The text of server.properties; passwords stand in it as references into the credentials directory."""
        return _PROPERTIES.format(
            client_port=self.client_port,
            controller_port=self.controller_port,
            data=self.data,
            credentials=self.credentials,
            password=f"${{dir:{self.credentials}:{self.password_name}}}",
            super_users=";".join(f"User:{name}" for name in SUPER_USERS),
            cleaner_buffer=CLEANER_BUFFER_BYTES,
            io_threads=IO_THREADS,
            largest_request=LARGEST_REQUEST_BYTES,
            largest_batch=LARGEST_RECORD_BATCH_BYTES,
            never_minutes=NEVER_MINUTES,
            segment=SEGMENT_BYTES,
            metadata_segment=METADATA_SEGMENT_BYTES,
            metadata_retention=METADATA_RETENTION_BYTES,
            index=INDEX_BYTES,
            watermarks_ms=WATERMARKS_MS,
            log_starts_ms=LOG_STARTS_MS,
            recovery_points_ms=RECOVERY_POINTS_MS,
            session_ms=SESSION_MS,
            heartbeat_ms=HEARTBEAT_MS,
        )

    def write_properties(self) -> None:
        """Put server.properties where the command lines expect it."""
        self.work.mkdir(parents=True, exist_ok=True)
        self.properties_file.write_text(self.properties())

    def java(self, *, flags: tuple[str, ...] = ()) -> list[str]:
        """`java` with the limits and the class path, up to the main class.

        The jars stand one by one and sorted: the class archive is valid for one order only, and that of `libs/*` is
        the directory's.
        """
        jars = ":".join(str(jar) for jar in sorted(self.libs.glob("*.jar")))
        properties = [f"-D{name}={value}" for name, value in SYSTEM_PROPERTIES.items()]
        return [
            "java", *flags, "-XX:+UseSerialGC", f"-Xms{HEAP_START}", f"-Xmx{HEAP_MOST}",
            f"-XX:MinHeapFreeRatio={HEAP_LEAST_FREE_PERCENT}", COMPILER,
            f"-XX:ReservedCodeCacheSize={CODE_CACHE}", f"-XX:MaxMetaspaceSize={METASPACE}",
            f"-XX:MaxDirectMemorySize={DIRECT_MEMORY}", f"-Xss{THREAD_STACK}", "-XX:+ExitOnOutOfMemoryError",
            "-XX:-UsePerfData", *properties, "-cp", jars,
        ]  # fmt: skip

    def command(self, *, write_archive: bool = False) -> list[str]:
        """The command line of the broker; with `write_archive` it writes the class archive when it is told to stop."""
        flags: tuple[str, ...] = ()
        if write_archive:
            flags = (f"-XX:ArchiveClassesAtExit={self.archive}",)
        elif self.archive.exists():
            flags = (f"-XX:SharedArchiveFile={self.archive}",)
        return [*self.java(flags=flags), "kafka.Kafka", str(self.properties_file)]

    def environment(self) -> dict[str, str]:
        """The environment of the JVM."""
        return os.environ | {"MALLOC_ARENA_MAX": MALLOC_ARENAS}
