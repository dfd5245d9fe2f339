"""Policies, modes, users and trust against a server that has all of them; never anything but what is configured."""

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streamforge.adapters.opcua_config import DeviceRow, Mode, NodeRow, OpcUaConfig, Policy, Source, Subscription
from streamforge.adapters.opcua_trust import TrustList
from tests.adapters.opcua_certificates import DER, Pair, keep, pair, pem
from tests.adapters.opcua_peer import Told, cable, running, server
from tests.adapters.opcua_server import APPLICATION
from tests.adapters.test_opcua import consecutive


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    with server(keep(tmp_path_factory.mktemp("pki"), pair(APPLICATION))) as told:
        yield told


def config(port: int, **source: Any) -> OpcUaConfig:
    return OpcUaConfig(
        source=Source(endpoint=f"opc.tcp://127.0.0.1:{port}", timeout_ms=3000, **source),
        subscription=Subscription(publish_ms=100, sampling_ms=20, keep_alive_s=1),
        devices=(DeviceRow(asset_id="b", tags=(NodeRow(param="Counter", at="nsu=urn:plant:boiler;s=Counter"),)),),
    )


def trusting(state: Path) -> TrustList:
    return TrustList(state / "pki")


async def trusted(run: Any, state: Path) -> None:
    """Wait until the server was refused, and trust it."""
    await run.until(lambda: any("is not trusted" in error for error in run.errors), "its refusal")
    ((path, _),) = trusting(state).certificates("rejected")
    trusting(state).trust(path.stem)


def go(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


@pytest.mark.parametrize("mode", [Mode.SIGN, Mode.SIGN_AND_ENCRYPT])
@pytest.mark.parametrize("policy", [policy for policy in Policy if policy is not Policy.NONE])
def test_each_policy_and_mode_reads_once_a_person_trusts_the_server(
    plant: Told, tmp_path: Path, policy: Policy, mode: Mode
) -> None:
    async def main() -> None:
        settings = config(plant.port, security_policy=policy, security_mode=mode, username="gateway", password="secret")
        async with running(settings, tmp_path) as run:
            await trusted(run, tmp_path)
            await run.until(lambda: bool(run.box.values("Counter")), "readings")

    go(main())


def test_a_cut_under_encryption_leaves_no_hole(plant: Told, tmp_path: Path) -> None:
    async def main() -> None:
        async with cable(plant.port) as link, running(config(link.port), tmp_path) as run:
            await trusted(run, tmp_path)
            await run.until(lambda: bool(run.box.values("Counter")), "readings")
            link.cut(hang_up=True)
            await asyncio.sleep(1)
            link.mend()
            seen = len(run.box.values("Counter"))
            await run.until(lambda: len(run.box.values("Counter")) > seen + 30, "what was missed")
            assert consecutive(run.box.values("Counter")) == []
            assert run.box.events("data_gap") == []

    go(main())


def test_new_keys_for_the_channel_interrupt_nothing(plant: Told, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(config(plant.port), tmp_path) as run:
            await trusted(run, tmp_path)
            await run.until(lambda: bool(run.box.values("Counter")), "readings")
            errors = len(run.errors)
            for _ in range(3):
                await run.adapter._reader.link.renew()
                seen = len(run.box.values("Counter"))
                await run.until(lambda n=seen: len(run.box.values("Counter")) > n + 5, "readings")  # type: ignore[misc]
            assert consecutive(run.box.values("Counter")) == []
            assert len(run.errors) == errors

    go(main())


@pytest.fixture
def user(plant: Told) -> Iterator[Pair]:
    """The only one whom the server lets in without a password."""
    made = pair("urn:user")
    plant.tell(users=made[0].public_bytes(DER).hex())
    yield made
    plant.tell(users=None)


def test_a_user_is_named_by_a_certificate(plant: Told, tmp_path: Path, user: Pair) -> None:
    certificate, key = pem(user)

    async def main() -> None:
        async with running(config(plant.port, user_certificate=certificate, user_key=key), tmp_path) as run:
            await trusted(run, tmp_path)
            await run.until(lambda: bool(run.box.values("Counter")), "readings")

    go(main())


def test_a_user_whose_certificate_nobody_knows_or_whose_key_is_another_is_refused_in_words(
    plant: Told, tmp_path: Path, user: Pair
) -> None:
    (known, _), (stranger, strange_key) = pem(user), pem(pair("urn:stranger"))
    said = {
        (stranger, strange_key): "BadUserAccessDenied (user or password is wrong there, or the user's certificate is",
        (known, strange_key): "user_key is not the key of user_certificate",
        ("no certificate", strange_key): "user_certificate is no PEM text",
        (known, "no key"): "user_key is no PEM text",
        pem(pair("urn:user", days=(-10, -1))): "user_certificate has expired on ",
    }

    async def main() -> None:
        for (certificate, key), words in said.items():
            async with running(config(plant.port, user_certificate=certificate, user_key=key), tmp_path) as run:
                if not any(trusting(tmp_path).certificates("trusted")):
                    await trusted(run, tmp_path)
                await run.until(lambda w=words: any(w in error for error in run.errors), words)  # type: ignore[misc]
                assert run.box.values("Counter") == []
        assert plant.tell(sessions=True) == 0

    go(main())


def test_a_wrong_password_is_said_and_tried_again_without_filling_the_server_with_sessions(
    plant: Told, tmp_path: Path
) -> None:
    async def main() -> None:
        async with running(config(plant.port, username="gateway", password="wrong"), tmp_path) as run:
            await trusted(run, tmp_path)
            await run.until(lambda: len(run.errors) > 6, "refusals")
            assert "BadUserAccessDenied" in run.errors[-1] or "BadIdentityTokenRejected" in run.errors[-1]
            assert "user or password is wrong" in run.errors[-1]
            assert plant.tell(sessions=True) == 0

    go(main())


def test_a_server_that_does_not_trust_the_gateway_is_said_with_what_to_do(plant: Told, tmp_path: Path) -> None:
    async def main() -> None:
        async with running(config(plant.port), tmp_path) as run:
            plant.tell(distrust=True)
            await trusted(run, tmp_path)
            await run.until(lambda: "must trust the gateway's own certificate" in run.errors[-1], "its refusal")
            plant.tell(distrust=False)
            await run.until(lambda: bool(run.box.values("Counter")), "readings once it does")

    go(main())


def test_what_the_server_does_not_offer_is_not_replaced_by_less(tmp_path: Path) -> None:
    async def main() -> None:
        with server() as open_one:
            async with running(config(open_one.port), tmp_path) as run:
                await run.until(lambda: len(run.errors) > 1, "a refusal")
                assert "does not offer Basic256Sha256 with SignAndEncrypt, but None/None" in run.errors[0]
                assert run.box.batches == []

    go(main())


def test_a_password_never_goes_over_the_wire_in_clear(tmp_path: Path) -> None:
    async def main() -> None:
        with server() as open_one:
            settings = config(open_one.port, username="gateway", password="secret")
            source = replace(settings.source, security_policy=Policy.NONE, security_mode=Mode.NONE)
            async with running(replace(settings, source=source), tmp_path) as run:
                await run.until(lambda: bool(run.errors), "a refusal")
                assert "clear text" in run.errors[0]

    go(main())


def test_without_a_protected_channel_a_password_goes_to_a_trusted_server_alone(plant: Told, tmp_path: Path) -> None:
    async def main() -> None:
        settings = config(plant.port, username="gateway", password="secret")
        source = replace(settings.source, security_policy=Policy.NONE, security_mode=Mode.NONE)
        async with running(replace(settings, source=source), tmp_path) as run:
            await trusted(run, tmp_path)
            assert run.box.batches == []
            await run.until(lambda: bool(run.box.values("Counter")), "readings")

    go(main())


def test_another_server_in_the_place_of_the_trusted_one_gets_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        with server(keep(tmp_path / "one", pair(APPLICATION))) as first:
            async with running(config(first.port), tmp_path) as run:
                await trusted(run, tmp_path)
                await run.until(lambda: bool(run.box.values("Counter")), "readings")
                first.stop(kill=True)
                seen = len(run.box.values("Counter"))
                with server(keep(tmp_path / "two", pair(APPLICATION)), first.port):
                    await run.until(lambda: sum("is not trusted" in one for one in run.errors) > 3, "its refusal")
                    assert len(run.box.values("Counter")) == seen

    go(main())
