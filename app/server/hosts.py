"""Under which names the studio may be asked. Knows no server: the loading page asks it before any library is there."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def host_name(address: str) -> str:
    """The name in a Host header or in the part of a URL after `//`, without its port; empty where there is none."""
    try:
        return (urlsplit(f"//{address}").hostname or "").rstrip(".")
    except ValueError:
        return ""


class Hosts:
    """The names under which the studio may be asked: this machine's own, the address it listens on, and those added."""

    def __init__(self, bound: str, added: Iterable[str] = ()) -> None:
        """bound: the address listened on. added: more names; `*.example.org` stands for every name that ends so."""
        self._bound = bound.strip("[]").lower()
        self._added = {name.strip().lower() for name in added}

    def add(self, name: str) -> None:
        """Believe one more name."""
        self._added.add(name.lower())

    def admits(self, address: str) -> bool:
        """Whether a request with this Host header is answered.

        Where the studio listens on every network, any number will do: an address that a foreign page was given for its
        own name (DNS rebinding) still comes with that name.
        """
        name = host_name(address)
        if name in _LOOPBACK or name == self._bound or self.trusts(address):
            return True
        return self._bound in ("0.0.0.0", "::") and _is_number(name)

    def trusts(self, address: str) -> bool:
        """Whether somebody added this name: only then a proxy's word for it is believed."""
        name = host_name(address)
        return any(name == own or (own.startswith("*.") and name.endswith(own[1:])) for own in self._added)


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def unknown_host(address: str) -> tuple[str, str]:
    """The refusal of a Host header that is not admitted: its code, and words for a person."""
    message = (
        f"This studio does not go by the name “{host_name(address) or address}”. Where that is its name, "
        "start it with --allowed-host and the name."
    )
    return "unknown_host", message
