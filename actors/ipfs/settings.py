"""What the ipfs actor may be told: which back ends answer, and where they are. Read from the environment.

    CIDBUS_IPFS_BACKEND=embedded,kubo   the first answers, and asks the rest for blocks that it lacks
    CIDBUS_IPFS_KUBO_URL=http://127.0.0.1:5001

Each field is `CIDBUS_IPFS_` and its name in capitals; lists are separated by commas.
"""

from __future__ import annotations

from typing import Annotated, Any, get_args
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from ...schemas.ipfs import BackendName
from ..settings import ActorSettings

__all__ = ["IpfsSettings"]

Listed = Annotated[tuple[str, ...], NoDecode]


class IpfsSettings(ActorSettings):
    """Every setting, with the default that a newcomer wants: an embedded node that asks nobody."""

    model_config = SettingsConfigDict(env_prefix="CIDBUS_IPFS_", frozen=True, extra="forbid")

    backend: Annotated[tuple[BackendName, ...], NoDecode] = ("embedded",)

    kubo_url: str = "http://127.0.0.1:5001"
    kubo_authorization: SecretStr | None = None  # the whole value of the Authorization header
    kubo_connections: Annotated[int, Field(ge=1, le=1000)] = 32

    gateways: Annotated[
        Listed, Field(validate_default=True)
    ] = ()  # origins of trustless gateways: scheme, host and port
    routers: Listed = ()  # base URLs of delegated routing endpoints
    fetch_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    max_fetches: Annotated[int, Field(ge=1, le=1024)] = 32  # blocks asked of others at once

    dnslink: bool = False  # whether names may be looked up in the DNS
    dns_servers: Listed = ()  # addresses, `host` or `host:port`; the system's own if there are none
    announce: bool = True  # whether other nodes of the cluster are told what is added and pinned
    addresses: Listed = ()  # multiaddrs by which others reach this node's gateway
    republish_every_s: Annotated[float, Field(ge=1)] = 4 * 3600.0

    simulation_seed: str = "cidbus"

    @property
    def is_simulation(self) -> bool:
        return self.backend == ("simulation",)

    @field_validator("backend", "gateways", "routers", "dns_servers", "addresses", mode="before")
    @classmethod
    def _split(cls, given: Any) -> Any:
        if not isinstance(given, str):
            return given
        return tuple(part.strip() for part in given.split(",") if part.strip())

    @field_validator("kubo_url", "gateways", "routers")
    @classmethod
    def _urls(cls, given: Any) -> Any:
        for url in (given,) if isinstance(given, str) else given:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(f"{url!r} is not an http or https URL")
        return given

    @field_validator("backend")
    @classmethod
    def _stand_together(cls, names: tuple[BackendName, ...]) -> tuple[BackendName, ...]:
        if not names or len(set(names)) != len(names):
            raise ValueError(f"name each of {', '.join(get_args(BackendName))} at most once")
        if "simulation" in names and names != ("simulation",):
            raise ValueError("simulation stands alone: nothing real may be mixed with it")
        return names

    @field_validator("gateways")
    @classmethod
    def _needed(cls, gateways: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if "gateway" in info.data.get("backend", ()) and not gateways:
            raise ValueError("the gateway back end needs at least one")
        return gateways
