"""What the agent is told by whoever starts it: its arguments and its environment, read once.

mayfly_agent --listen-fd N        on a socket that is inherited and listens already (the local mode)
mayfly_agent --listen HOST:PORT   in a pod; MAYFLY_PUBLIC_KEY says whose calls to trust, MAYFLY_INSTANCE_UID who it is,
                                  MAYFLY_POOL_LIFETIME, if set, for how many seconds to wait to be specialised

MAYFLY_STANDBY, if set, is the file that describes the standby to start (`standby.py`).
"""

from __future__ import annotations

from .permits import Permits
from .signatures import PublicKey
from .standby import Description

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

USAGE = "usage: mayfly_agent --listen-fd N | --listen HOST:PORT"
FUNCTION_VARIABLE = "FUNCTION_ENVIRONMENT_"
"""What the names of variables begin with that come from Secrets and ConfigMaps: they are the function's, not ours."""


class SettingsError(Exception):
    """The agent cannot start like this; the message says why."""


class Settings:
    """`descriptor` of the listening socket, or the `address` on which to listen and the `permits` demanded there.

    `variables`: the function's, from Secrets and ConfigMaps. `standby`: what a standby is, if there shall be one.
    `lifetime`: for how many seconds to wait to be specialised, None for ever.
    """

    __slots__ = ("address", "descriptor", "lifetime", "permits", "standby", "variables")

    def __init__(
        self,
        *,
        descriptor: int | None = None,
        address: tuple[str, int] | None = None,
        permits: Permits | None = None,
        variables: dict[str, str] | None = None,
        standby: Description | None = None,
        lifetime: int | None = None,
    ) -> None:
        self.descriptor = descriptor
        self.address = address
        self.permits = permits
        self.standby = standby
        self.lifetime = lifetime
        self.variables = variables or {}


def read(arguments: list[str], environment: Mapping[str, str]) -> Settings:
    """The settings, from the arguments after the program's name. Raises SettingsError."""
    standby = _standby(environment.get("MAYFLY_STANDBY", ""))
    match arguments:
        case ["--listen-fd", number] if number.isdecimal():
            return Settings(descriptor=int(number), standby=standby)
        case ["--listen", address]:
            return Settings(
                address=_address(address),
                permits=_permits(environment),
                standby=standby,
                lifetime=_lifetime(environment.get("MAYFLY_POOL_LIFETIME", "")),
                variables={
                    name.removeprefix(FUNCTION_VARIABLE): value
                    for name, value in environment.items()
                    if name.startswith(FUNCTION_VARIABLE) and name != FUNCTION_VARIABLE
                },
            )
        case _:
            raise SettingsError(USAGE)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise SettingsError(f"{text!r} is no HOST:PORT\n{USAGE}")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _permits(environment: Mapping[str, str]) -> Permits:
    uid = environment.get("MAYFLY_INSTANCE_UID", "")
    if not uid:
        raise SettingsError("MAYFLY_INSTANCE_UID should say which instance this is: set it to the pod's uid")
    try:
        return Permits(PublicKey(environment.get("MAYFLY_PUBLIC_KEY", "")), uid=uid)
    except ValueError as error:
        raise SettingsError(f"MAYFLY_PUBLIC_KEY should be the gateway's public key: {error}") from None


def _standby(path: str) -> Description | None:
    if not path:
        return None
    try:
        with open(path, encoding="utf-8") as file:
            return Description(file.read())
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(f"MAYFLY_STANDBY should be a file that describes a standby: {error!r}") from None


def _lifetime(text: str) -> int | None:
    if not text:
        return None
    if not text.isdecimal() or not 0 < int(text) <= 604_800:
        raise SettingsError(f"MAYFLY_POOL_LIFETIME should be from 1 to 604800 seconds, and is {text!r}")
    return int(text)
