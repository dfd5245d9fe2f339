"""The session with one server: opened as configured or not at all, and taken up again after the link was cut.

The library's own reconnect, its supervisor and its watchdogs are not used: the one loses what the server kept, the
others give a slow server up. A session outlives its link at the server, and so do its subscriptions.
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from asyncua import Client, ua
from asyncua.crypto import security_policies
from asyncua.crypto.uacrypto import CertProperties
from asyncua.ua.uaerrors import UaError, UaStatusCodeError
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from streamforge.adapters.byte_stream import plain_words
from streamforge.adapters.opcua_config import Mode, Policy, Source
from streamforge.adapters.opcua_feed import MALFORMED, Session
from streamforge.adapters.opcua_guard import bound_the_library
from streamforge.adapters.opcua_trust import Claim, TrustList, Untrusted, now_utc, untimely
from streamforge.errors import NotConnected

CLOSE_SECONDS = 2.0
SESSION = timedelta(minutes=10)
# The parts of a channel's lifetime after which it is renewed.
_RENEW = 0.75
_POLICIES = {
    Policy.NONE: security_policies.SecurityPolicyNone,
    Policy.BASIC256_SHA256: security_policies.SecurityPolicyBasic256Sha256,
    Policy.AES128_SHA256_RSA_OAEP: security_policies.SecurityPolicyAes128Sha256RsaOaep,
    Policy.AES256_SHA256_RSA_PSS: security_policies.SecurityPolicyAes256Sha256RsaPss,
}
_MODES = {
    Mode.NONE: ua.MessageSecurityMode.None_,
    Mode.SIGN: ua.MessageSecurityMode.Sign,
    Mode.SIGN_AND_ENCRYPT: ua.MessageSecurityMode.SignAndEncrypt,
}
_USER = "user or password is wrong there, or the user's certificate is not trusted"
_GATEWAY = "the server must trust the gateway's own certificate"
_HINTS = {
    ua.StatusCodes.BadUserAccessDenied: _USER,
    ua.StatusCodes.BadIdentityTokenRejected: _USER,
    ua.StatusCodes.BadIdentityTokenInvalid: _USER,
    ua.StatusCodes.BadUserSignatureInvalid: _USER,
    ua.StatusCodes.BadSecurityChecksFailed: _GATEWAY,
    ua.StatusCodes.BadCertificateUntrusted: _GATEWAY,
    ua.StatusCodes.BadTooManySessions: "the server has no session left for the gateway",
}
_FAILURES = (UaError, OSError, TimeoutError, InvalidSignature, ValueError)


@contextmanager
def failing(url: str) -> Iterator[None]:
    """Whatever the library raises of a peer that is away or wrong becomes NotConnected with address and reason."""
    try:
        yield
    except NotConnected:
        raise
    except UaStatusCodeError as error:
        hint = _HINTS.get(error.code, "")
        msg = f"{url}: {ua.StatusCode(error.code).name}" + (f" ({hint})" if hint else "")
        raise NotConnected(msg) from error
    except TimeoutError as error:
        msg = f"{url}: no answer"
        raise NotConnected(msg) from error
    except _FAILURES as error:
        msg = f"{url}: {_words(error)}"
        raise NotConnected(msg) from error
    except MALFORMED as error:
        if not _is_raised_by_library(error):
            raise
        msg = f"{url}: an answer that cannot be decoded: {_words(error)}"
        raise NotConnected(msg) from error


def _words(error: Exception) -> str:
    """What a person reads of it; some errors of the library say nothing but their name."""
    return (plain_words(error) if isinstance(error, OSError) else str(error)) or type(error).__name__


def _is_raised_by_library(error: BaseException) -> bool:
    """Whether it comes of what a peer sent; of our own code the same kind of error is a mistake, and ends the unit."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return place is not None and str(place.tb_frame.f_globals.get("__name__", "")).startswith("asyncua")


class Link:
    """One server. `session` is what services are called on; `is_new` says that it does not know us from before."""

    def __init__(self, source: Source, trust: TrustList) -> None:
        bound_the_library()
        self.url = source.url
        self._source = source
        self._trust = trust
        self._client: Client | None = None
        self.application_uri = f"urn:{os.uname().nodename}:streamforge"

    @property
    def session(self) -> Session:
        """The session. Raises NotConnected where there is none."""
        session = self._client.uaclient.session if self._client is not None else None
        if not isinstance(session, Session):
            msg = f"{self.url}: not connected"
            raise NotConnected(msg)
        return session

    @property
    def renew_seconds(self) -> float:
        """How long the channel may be used before it is renewed."""
        return self._client.secure_channel_timeout / 1000 * _RENEW if self._client is not None else 60.0

    async def open(self) -> bool:
        """A link to the server: True where the session of before goes on. Raises NotConnected."""
        with failing(self.url):
            if self._source.security_policy is not Policy.NONE or self._source.username:
                # Before anybody answers: a person brings certificates as root, whose directories are closed to us.
                self._trust.make()
            if self._client is not None and await self._take_up(self._client):
                return True
            await self._forget()
            await self._begin()
        return False

    async def _take_up(self, client: Client) -> bool:
        """A new channel for the session of before; False where the server does not know it any more."""
        client.disconnect_socket()
        try:
            await _open_channel(client)
        except (UaError, OSError, TimeoutError):
            # One that was set up anew does not understand what is encrypted for the one before.
            if await self._is_another(client):
                return False
            raise
        try:
            client.uaclient.session.rebind_authentication_token()
            await self._activate(client)
        except (UaError, InvalidSignature):
            client.disconnect_socket()
            return False
        return True

    async def _is_another(self, client: Client) -> bool:
        """Whether the server has another certificate now than this client speaks with."""
        if self._source.security_policy is Policy.NONE:
            return False
        endpoint = await self._endpoint(self._new_client())
        return bool(first_certificate(endpoint.ServerCertificate or b"") != client.security_policy.peer_certificate)

    async def _begin(self) -> None:
        client = self._new_client()
        if self._source.security_policy is not Policy.NONE:
            await self._secure(client)
        await _open_channel(client)
        self._client = client
        is_active = False
        try:
            await client.create_session()
            await self._guard_password(client)
            await self._activate(client)
            is_active = True
        finally:
            if not is_active:  # or a server that refuses us fills up with sessions
                await self._forget()

    def _new_client(self) -> Client:
        client = Client(self.url, timeout=self._source.timeout_ms / 1000)
        client.uaclient.session = Session(client.uaclient)
        client.name = client.description = "StreamForge"
        client.application_uri = self.application_uri
        client.session_timeout = int(SESSION.total_seconds() * 1000)
        if self._source.username:
            client.set_user(self._source.username)
            client.set_password(self._source.password)
        if self._source.user_certificate:
            self._name_user(client)
        return client

    def _name_user(self, client: Client) -> None:
        """By certificate and key. Raises NotConnected that says which key of the configuration is wrong, and how."""
        part = "user_certificate"
        try:
            certificate = x509.load_pem_x509_certificate(self._source.user_certificate.encode())
            part = "user_key"
            key = load_pem_private_key(self._source.user_key.encode(), None)
        except (ValueError, TypeError) as error:
            msg = f"{self.url}: {part} is no PEM text without a password"
            raise NotConnected(msg) from error
        if reason := untimely(certificate, now_utc()):
            msg = f"{self.url}: user_certificate {reason}"
            raise NotConnected(msg)
        if key.public_key() != certificate.public_key():
            msg = f"{self.url}: user_key is not the key of user_certificate"
            raise NotConnected(msg)
        client.user_certificate, client.user_private_key = certificate, key

    async def _secure(self, client: Client) -> None:
        """Policy and mode as configured; whom we speak with is judged before a channel to it is opened."""
        endpoint = await self._endpoint(client)
        certificate = first_certificate(endpoint.ServerCertificate or b"")
        self._judge(certificate, endpoint)
        own, key = self._trust.own(self.application_uri, os.uname().nodename, now_utc())
        policy, mode = _POLICIES[self._source.security_policy], _MODES[self._source.security_mode]
        theirs = CertProperties(certificate, "der")
        await client.set_security(policy, str(own), str(key), server_certificate=theirs, mode=mode)

    def _judge(self, certificate: bytes, endpoint: ua.EndpointDescription) -> None:
        """Raises NotConnected where whoever shows this certificate is not believed."""
        uri = endpoint.Server.ApplicationUri or ""
        try:
            self._trust.judge(Claim(certificate=certificate, application_uri=uri, host=self._source.host), now_utc())
        except Untrusted as error:
            msg = f"{self.url}: {error}"
            raise NotConnected(msg) from error

    async def endpoints(self) -> list[ua.EndpointDescription]:
        """What the server offers, as it says to anybody. Raises NotConnected."""
        with failing(self.url):
            return list(await self._new_client().connect_and_get_server_endpoints())

    async def _endpoint(self, client: Client) -> ua.EndpointDescription:
        """The server's endpoint of the very policy and mode that are configured."""
        policy, mode = _POLICIES[self._source.security_policy], _MODES[self._source.security_mode]
        endpoints = await client.connect_and_get_server_endpoints()
        for one in endpoints:
            if (one.SecurityPolicyUri, one.SecurityMode) == (policy.URI, mode):
                return one
        wanted = f"{self._source.security_policy} with {self._source.security_mode}"
        msg = f"{self.url}: the server does not offer {wanted}, but {_offered(endpoints)}"
        raise NotConnected(msg)

    async def _guard_password(self, client: Client) -> None:
        """A password goes over the wire encrypted for somebody who is trusted, or not at all. Raises NotConnected."""
        if not self._source.username or self._source.security_mode is Mode.SIGN_AND_ENCRYPT:
            return
        policy = client.server_policy(ua.UserTokenType.UserName).SecurityPolicyUri
        theirs = client.security_policy.peer_certificate
        if not policy or policy == security_policies.SecurityPolicyNone.URI or not theirs:
            msg = f"{self.url}: the server takes passwords in clear text only: use a security_policy"
            raise NotConnected(msg)
        if self._source.security_policy is Policy.NONE:  # for whom it is encrypted nobody has looked at yet
            self._judge(theirs, await self._endpoint(self._new_client()))

    async def _activate(self, client: Client) -> None:
        source = self._source
        await client.activate_session(source.username or None, source.password or None, client.user_certificate)

    async def renew(self) -> None:
        """New keys for the channel. Raises NotConnected."""
        if self._client is not None:
            with failing(self.url):
                await self._client.open_secure_channel(renew=True)
                self._client.uaclient.revolve_security_token()

    async def close(self) -> None:
        """End the session and its subscriptions at the server, if it can be reached."""
        await self._forget()

    async def _forget(self) -> None:
        client, self._client = self._client, None
        if client is None:
            return
        with suppress(*_FAILURES):  # a server that does not answer ends the session by itself
            async with asyncio.timeout(CLOSE_SECONDS):
                await client.uaclient.session.close_session(delete_subscriptions=True)
                await client.close_secure_channel()
        client.disconnect_socket()


async def _open_channel(client: Client) -> None:
    await client.connect_socket()
    is_open = False
    try:
        await client.send_hello()
        await client.open_secure_channel()
        is_open = True
    finally:
        if not is_open:
            client.disconnect_socket()


def _offered(endpoints: list[ua.EndpointDescription]) -> str:
    return ", ".join(sorted({"/".join(offer_of(one)) for one in endpoints})) or "nothing"


def offer_of(endpoint: ua.EndpointDescription) -> tuple[str, str]:
    """Policy and mode of an endpoint, as a configuration names them."""
    uri = endpoint.SecurityPolicyUri or ""
    policies = {theirs.URI: ours.value for ours, theirs in _POLICIES.items()}
    modes = {theirs: ours.value for ours, theirs in _MODES.items()}
    return policies.get(uri, uri.rpartition("#")[2]), modes.get(endpoint.SecurityMode, endpoint.SecurityMode.name)


def first_certificate(chain: bytes) -> bytes:
    """The leading certificate of a chain in DER: servers may send the whole."""
    return chain[: int.from_bytes(chain[2:4], "big") + 4]
