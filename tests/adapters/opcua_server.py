"""An OPC UA server in a process of its own, told over its standard input what to do: one line of JSON an order.

It is made with the library that the adapter uses, so it proves little about what other servers do.
`python -m tests.adapters.opcua_server PORT OTHERS [PKI]` prints "ready"; each order is answered with "ok". So
many OTHERS, namespaces, come before its own.
"""

import asyncio
import json
import logging
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from asyncua import Server, ua
from asyncua.common.instantiate_util import instantiate
from asyncua.common.utils import ServiceError
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.user_managers import UserManager

NAMESPACE = "urn:plant:boiler"
APPLICATION = "urn:plant:boiler:server"
TICK_SECONDS = 0.05


KNOWN = ("gateway", "secret")
OFFERED = ("NoSecurity", "Basic256Sha256_", "Aes128Sha256RsaOaep_", "Aes256Sha256RsaPss_")
VALUES = {
    "Counter": ua.Variant(0, ua.VariantType.Int64),
    "PT101": ua.Variant(7.5),
    "Burner": ua.Variant(Value=False),
    "Text": ua.Variant("idle"),
    "List": ua.Variant([1.5, 2.5]),
    "Spare": ua.Variant(1.0),
}


class Users(UserManager):  # type: ignore[misc] # the library's types are not used
    """One user with a password; others are let in without a name, or with the one certificate that is `only`."""

    only: bytes | None = None

    def get_user(
        self,
        _server: Any,
        username: str | None = None,
        password: str | None = None,
        certificate: bytes | None = None,
    ) -> Any:
        """Who it is; None = nobody."""
        is_known = self.only in {None, certificate} if username is None else (username, password) == KNOWN
        return User(role=UserRole.User) if is_known else None


async def refuse(_certificate: Any, _description: Any) -> None:
    """No client's certificate is believed."""
    raise ServiceError(ua.StatusCodes.BadCertificateUntrusted)


class Plant:
    """The server with its nodes, by name."""

    def __init__(self, port: int, others: int) -> None:
        self.users = Users()
        self.server = Server(user_manager=self.users)
        self.port = port
        self.others = others
        self.nodes: dict[str, Any] = {}
        self.counter = 0
        self.is_counting = True
        self.alarm: Any = None

    async def start(self, pki: Path | None) -> None:
        """Serve."""
        self.server.iserver.bind_condition_methods = True
        await self.server.init()
        await self.server.set_application_uri(APPLICATION)
        self.server.set_endpoint(f"opc.tcp://127.0.0.1:{self.port}/plant/")
        policies = [ua.SecurityPolicyType.NoSecurity]
        if pki is not None:
            policies = [one for one in ua.SecurityPolicyType if one.name.startswith(OFFERED)]
            await self.server.load_certificate(str(pki / "certificate.der"))
            await self.server.load_private_key(str(pki / "key.pem"))
        self.server.set_security_policy(policies)
        for number in range(self.others):
            await self.server.register_namespace(f"urn:something:else:{number}")
        index = await self.server.register_namespace(NAMESPACE)
        plant = self.nodes["Plant"] = await self.server.nodes.objects.add_object(
            ua.NodeId("Plant", index), f"{index}:Plant"
        )
        for name, value in VALUES.items():
            self.nodes[name] = await plant.add_variable(ua.NodeId(name, index), f"{index}:{name}", value)
        await self.server.start()

    async def count(self) -> None:
        """The counter goes up by one, and never leaves one out."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            if self.is_counting:
                self.counter += 1
                await self.nodes["Counter"].write_value(self.counter, ua.VariantType.Int64)

    async def obey(self, order: dict[str, Any]) -> Any:
        """One order."""
        match order:
            case {"write": name, "value": value}:
                status = ua.StatusCode(order.get("status", 0))
                moment = None if order.get("timeless") else datetime.utcnow()  # noqa: DTZ003 - the library's times
                data = ua.DataValue(Value=ua.Variant(value), StatusCode=status, SourceTimestamp=moment)
                await self.nodes[name].write_value(data)
            case {"count": is_counting}:
                self.is_counting = is_counting
                return self.counter
            case {"add": name}:
                plant = self.nodes["Plant"]
                index = plant.nodeid.NamespaceIndex
                self.nodes[name] = await plant.add_variable(ua.NodeId(name, index), f"{index}:{name}", 1.0)
                if not order.get("quiet"):
                    changes = await self.server.get_event_generator(ua.ObjectIds.GeneralModelChangeEventType)
                    await changes.trigger()
            case {"delete": name}:
                await self.delete(name)
            case {"forget": True}:
                service = self.server.iserver.subscription_service
                await service.delete_subscriptions(list(service.subscriptions))
            case {"distrust": is_distrusted}:
                self.server.iserver.certificate_validator = refuse if is_distrusted else None
            case _:
                return await self.obey_rarely(order)
        return "ok"

    async def obey_rarely(self, order: dict[str, Any]) -> Any:
        """What few tests ask for."""
        match order:
            case {"sessions": True}:
                return len(self.server.iserver._external_sessions)
            case {"unit": name, "text": text}:
                unit = ua.EUInformation(DisplayName=ua.LocalizedText(text))
                await self.nodes[name].add_property(ua.NodeId(f"{name}.unit", 1), "0:EngineeringUnits", unit)
            case {"users": certificate}:
                self.users.only = bytes.fromhex(certificate) if certificate else None
            case {"alarm": state}:
                await self.say_alarm(**state)
        return "ok"

    async def delete(self, name: str) -> None:
        """Whoever monitors the node is told, which the library's server forgets."""
        node = self.nodes.pop(name)
        await node.write_value(ua.DataValue(StatusCode=ua.StatusCode(ua.StatusCodes.BadNodeIdUnknown)))
        await self.server.delete_nodes([node])
        changes = await self.server.get_event_generator(ua.ObjectIds.GeneralModelChangeEventType)
        await changes.trigger()

    async def say_alarm(self, *, active: bool, acked: bool, severity: int = 700, retain: bool | None = None) -> None:
        """The one alarm condition in this state."""
        if self.alarm is None:
            kind = self.server.get_node(ua.NodeId(ua.ObjectIds.ExclusiveLevelAlarmType))
            plant = self.nodes["Plant"]
            self.alarm = await self.server.get_event_generator(kind)
            (self.condition,) = (await instantiate(plant, kind, bname=f"{plant.nodeid.NamespaceIndex}:TooHot"))[:1]
        event = self.alarm.event
        event.Message = ua.LocalizedText("drum too hot")
        event.Severity = severity
        event.ConditionName = "TooHot"
        event.SourceName = "Drum"
        event.NodeId = self.condition.nodeid
        event.BranchId = ua.NodeId()
        event.Retain = (active or not acked) if retain is None else retain
        for path, value in (("ActiveState/Id", active), ("AckedState/Id", acked)):
            event.add_property(path, value, ua.VariantType.Boolean)
        await self.alarm.trigger()


async def main() -> None:
    """Serve until standard input ends."""
    plant = Plant(int(sys.argv[1]), int(sys.argv[2]))
    await plant.start(Path(sys.argv[3]) if len(sys.argv) > 3 else None)
    counting = asyncio.create_task(plant.count())
    print("ready", flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await plant.obey(json.loads(line))), flush=True)
    counting.cancel()
    await plant.server.stop()


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(main())
