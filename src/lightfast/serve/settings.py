"""How a server runs: where it listens, who it is for, and how much of anything one request may bring."""

from __future__ import annotations

import getpass
import ipaddress
from dataclasses import dataclass, field

from lightfast.base.errors import SettingsError

MOST_WORKERS = 64
_MEGABYTE = 2**20
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True)
class Limits:
    """What one request, one address and one session may take.

    Attributes:
        file_bytes: of one uploaded picture.
        request_bytes: of a whole upload.
        text_bytes: of every other request.
        pictures: uploaded in one request.
        pixels: of one picture; larger ones are refused before they are decoded.
        requests_a_second, burst: of one address, on average and at once, by one process.
        logins_a_minute: of one address, and for one name.
        session_days: until a browser has to log in again.
    """

    file_bytes: int = 64 * _MEGABYTE
    request_bytes: int = 512 * _MEGABYTE
    text_bytes: int = 4 * _MEGABYTE
    pictures: int = 256
    pixels: int = 150_000_000
    requests_a_second: float = 2_000.0
    burst: int = 5_000
    logins_a_minute: int = 10
    session_days: int = 14


def login_name() -> str:
    """What this machine calls the person who started the program."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "owner"


@dataclass(frozen=True)
class ServeSettings:
    """Settings of one server.

    Attributes:
        host, port: where it listens.
        local_user: on loopback without a proxy, as long as nobody has a password, everyone is this
            administrator.
        model: the run that predicts; None: the library's promoted model.
        device: where it computes: auto, cpu or cuda. The exported file runs on the CPU.
        https: whether browsers reach it through https only, by a proxy: cookies are then never sent without.
        hosts: names that browsers may call it by, beside those of loopback; empty off loopback: any.
        workers: processes that answer at the same address, see `serve_by_workers`.
        work: whether this process works on jobs, or only takes orders for another one.
        limits: see `Limits`.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    local_user: str = field(default_factory=login_name)
    model: str | None = None
    device: str = "cpu"
    https: bool = False
    hosts: tuple[str, ...] = ()
    workers: int = 1
    work: bool = True
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        if not 0 <= self.port < 2**16:
            raise SettingsError(f"`port` {self.port}", expected="0 to 65535")
        if not 1 <= self.workers <= MOST_WORKERS:
            raise SettingsError(f"`workers` {self.workers}", expected=f"1 to {MOST_WORKERS}")
        if not self.local_user.strip():
            raise SettingsError("`local_user`", expected="a name", got="nothing")

    @property
    def on_loopback(self) -> bool:
        """Whether only programs of this machine reach the server."""
        if self.host in _LOOPBACK_NAMES:
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def only_here(self) -> bool:
        """Whether nothing says that people of other machines come: `https` and `hosts` speak of a proxy,
        whose visitors all seem to come from this machine.
        """
        return self.on_loopback and not self.https and not self.hosts

    @property
    def known_hosts(self) -> frozenset[str] | None:
        """Names without a port that a request may call the server by; None: any. On loopback a page of
        another site that points its name at this machine (DNS rebinding) is refused by it.
        """
        if self.on_loopback:
            return frozenset((*_LOOPBACK_NAMES, self.host, *self.hosts))
        return frozenset((*self.hosts, self.host)) if self.hosts else None
