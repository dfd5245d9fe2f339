"""The chiller as an OPC UA server: anonymous sessions are refused, every message is signed and encrypted."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any

from asyncua import Server, ua
from asyncua.common.instantiate_util import instantiate
from asyncua.crypto.cert_gen import dump_private_key_as_pem, generate_self_signed_app_certificate
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.user_managers import UserManager
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from streamforge.sim.chiller import LOW_PRESSURE_BAR, is_short_of_refrigerant, values
from streamforge.sim.faults import Troubles
from streamforge.sim.image import Value

NAMESPACE, APPLICATION = "urn:streamforge:sim:chiller", "urn:streamforge:sim:server"
USER, HOST = "gateway", "localhost"
CERTIFICATE_FILE, KEY_FILE = "certificate.der", "key.pem"
DAYS = 365
EVERY_SECONDS = 0.5
SEVERITY = 700
BAD_VALUE, CUT, FROZEN = "bad value", "cut link", "frozen"
ROTATION = (BAD_VALUE, CUT, FROZEN)
_KINDS = {bool: ua.VariantType.Boolean, int: ua.VariantType.Int64, float: ua.VariantType.Double}


@dataclass(frozen=True, slots=True, kw_only=True)
class _OneUser(UserManager):  # type: ignore[misc] # the library has no types
    """Who has the password, and nobody else."""

    password: str

    def get_user(self, _server: Any, username: str | None = None, password: str | None = None, **_: Any) -> Any:
        """Who it is; None = nobody."""
        return User(role=UserRole.User) if (username, password) == (USER, self.password) else None


def make_certificate(directory: Path) -> Path:
    """The server's own, made where there is none yet; the path of the certificate. Raises OSError."""
    certificate, key = directory / CERTIFICATE_FILE, directory / KEY_FILE
    if not certificate.exists():
        private = rsa.generate_private_key(65537, 2048)
        names = [x509.UniformResourceIdentifier(APPLICATION), x509.DNSName(HOST)]
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        made = generate_self_signed_app_certificate(
            private, "simulated chiller", {"organizationName": "StreamForge"}, names, extended=purposes, days=DAYS
        )
        directory.mkdir(parents=True, exist_ok=True)
        key.touch(mode=0o600)
        key.write_bytes(dump_private_key_as_pem(private))
        certificate.write_bytes(made.public_bytes(Encoding.DER))
    return certificate


class OpcUaServer:
    """Serves until its task is cancelled."""

    def __init__(self, url: str, directory: Path, password: str, troubles: Troubles, seed: int) -> None:
        logging.getLogger("asyncua").setLevel(logging.CRITICAL)
        self._url, self._directory = url, directory
        self._troubles, self._seed = troubles, seed
        self._server = Server(user_manager=_OneUser(password=password))
        self._nodes: dict[str, Any] = {}
        self._shown: dict[str, Value] = {}
        self._started, self._was_cut, self._was_short = time(), False, False

    async def start(self) -> None:
        """Listen. Raises OSError where the address cannot be had."""
        certificate = make_certificate(self._directory)
        server = self._server
        server.iserver.bind_condition_methods = True
        await server.init()
        await server.set_application_uri(APPLICATION)
        server.set_endpoint(self._url)
        server.set_security_policy([ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt])
        server.set_identity_tokens([ua.UserNameIdentityToken])
        await server.load_certificate(str(certificate))
        await server.load_private_key(str(self._directory / KEY_FILE))
        await self._make_nodes(await server.register_namespace(NAMESPACE))
        await server.start()

    async def _make_nodes(self, index: int) -> None:
        machine = await self._server.nodes.objects.add_object(ua.NodeId("Chiller", index), f"{index}:Chiller")
        folders: dict[str, Any] = {"": machine}
        for path, value in values(time(), self._started, self._seed).items():
            group, _, name = path.rpartition(".")
            if group not in folders:
                folders[group] = await machine.add_object(ua.NodeId(group, index), f"{index}:{group}")
            variant = ua.Variant(value, _KINDS.get(type(value), ua.VariantType.String))
            self._nodes[path] = await folders[group].add_variable(ua.NodeId(path, index), f"{index}:{name}", variant)
        kind = self._server.get_node(ua.NodeId(ua.ObjectIds.ExclusiveLevelAlarmType))
        self._alarm = await self._server.get_event_generator(kind)
        self._condition = (await instantiate(machine, kind, bname=f"{index}:LowRefrigerant"))[0]

    async def run(self) -> None:
        """Values move, the alarm comes and goes, and with faults the link is cut now and then."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            now = time()
            trouble = self._troubles.now(now)
            if trouble == CUT and not self._was_cut:
                self._cut()
            self._was_cut = trouble == CUT
            if trouble != FROZEN:
                await self._show(now, is_bad=trouble == BAD_VALUE)
            if is_short_of_refrigerant(now) != self._was_short:
                self._was_short = not self._was_short
                await self._say_alarm(is_active=self._was_short)

    async def stop(self) -> None:
        """Let the sessions go."""
        await self._server.stop()

    def _cut(self) -> None:
        for client in list(self._server.bserver.clients):
            client.transport.abort()

    async def _show(self, now: float, *, is_bad: bool) -> None:
        moment = datetime.now(UTC).replace(tzinfo=None)  # the library's times
        for path, value in values(now, self._started, self._seed).items():
            bad = is_bad and path == "Water.Flow"
            if value == self._shown.get(path) and not bad:
                continue
            self._shown[path] = float("nan") if bad else value
            status = ua.StatusCode(ua.StatusCodes.BadSensorFailure if bad else ua.StatusCodes.Good)
            variant = ua.Variant(value, _KINDS.get(type(value), ua.VariantType.String))
            data = ua.DataValue(Value=variant, StatusCode=status, SourceTimestamp=moment)
            await self._nodes[path].write_value(data)

    async def _say_alarm(self, *, is_active: bool) -> None:
        event = self._alarm.event
        event.Message = ua.LocalizedText(f"suction pressure below {LOW_PRESSURE_BAR} bar")
        event.Severity, event.ConditionName, event.SourceName = SEVERITY, "LowRefrigerant", "Refrigerant"
        event.NodeId, event.BranchId, event.Retain = self._condition.nodeid, ua.NodeId(), is_active
        for path, value in (("ActiveState/Id", is_active), ("AckedState/Id", True)):
            event.add_property(path, value, ua.VariantType.Boolean)
        await self._alarm.trigger()
