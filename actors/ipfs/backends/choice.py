"""Settings become back ends."""

from __future__ import annotations

from pathlib import Path

from ....schemas.ipfs import BackendName
from ..remote.gateways import GatewayFetcher
from ..remote.kubo import KuboFetcher, KuboRpc
from ..remote.sources import BlockFetcher
from ..settings import IpfsSettings
from .backend import Backend
from .embedded.backend import EmbeddedBackend
from .gateway import GatewayBackend
from .kubo.backend import KuboBackend
from .simulation import SimulationBackend

__all__ = ["make_backends"]


def make_backends(settings: IpfsSettings, folder: Path) -> list[Backend]:
    """The back ends that the settings name, the one that answers by default first; none is open yet.

    An embedded node asks the others, in their order, for blocks that it lacks.
    """
    return [_make(name, settings, folder) for name in settings.backend]


def _make(name: BackendName, settings: IpfsSettings, folder: Path) -> Backend:
    match name:
        case "embedded":
            others = [_fetcher(other, settings) for other in settings.backend if other != "embedded"]
            return EmbeddedBackend(folder, settings, others)
        case "kubo":
            return KuboBackend(_rpc(settings), folder / "temp", timeout_s=settings.fetch_timeout_s)
        case "gateway":
            return GatewayBackend(_gateways(settings), folder / "temp")
        case "simulation":
            return SimulationBackend(folder / "simulation", settings)


def _fetcher(name: BackendName, settings: IpfsSettings) -> BlockFetcher:
    if name == "kubo":
        return KuboFetcher(_rpc(settings), timeout_s=settings.fetch_timeout_s)
    return _gateways(settings)


def _gateways(settings: IpfsSettings) -> GatewayFetcher:
    return GatewayFetcher(settings.gateways, timeout_s=settings.fetch_timeout_s)


def _rpc(settings: IpfsSettings) -> KuboRpc:
    secret = settings.kubo_authorization
    return KuboRpc(
        settings.kubo_url,
        authorization=None if secret is None else secret.get_secret_value(),
        connections=settings.kubo_connections,
    )
