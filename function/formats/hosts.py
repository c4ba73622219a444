"""Names of hosts, as DNS could hold them."""

from __future__ import annotations

import re
from ipaddress import ip_address

# An underscore is not allowed in a host's name, and resolvers let it pass.
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_HOST = re.compile(rf"(?:{_LABEL}\.)*(?![0-9]+\.?\Z){_LABEL}\.?", re.IGNORECASE)


def is_host(host: str | None) -> bool:
    """Whether a host may exist: an address, or a name that DNS could hold (RFC 1035 §2.3.4)."""
    if not host or len(host) > 254:
        return False
    try:
        return bool(ip_address(host))
    except ValueError:
        pass
    try:
        name = host if host.isascii() else host.encode("idna").decode()  # its codec is slow to load
    except UnicodeError:
        return False
    return bool(_HOST.fullmatch(name))
