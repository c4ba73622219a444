"""What an access log line says: one HTTP request and its answer."""

from __future__ import annotations

from typing import NamedTuple


class AccessLog(NamedTuple):  # made for every record: a frozen dataclass takes four times as long
    """One request as a web server logged it.

    ``path`` is what the client asked for, without the query and not percent-decoded: the path of
    an absolute URI, ``*`` of ``OPTIONS *``, ``host:port`` of CONNECT. ``query`` has no question
    mark. ``method``, ``path`` and ``protocol`` are empty where the client sent no request line,
    ``protocol`` also under HTTP/0.9. A field logged as ``-`` is empty; ``status`` and ``bytes``
    are None then. A ``status`` of 0 is Envoy's: the client was gone before there was an answer.
    """

    method: str
    path: str
    query: str
    status: int | None
    protocol: str
    client: str
    user: str
    user_agent: str
    referer: str
    bytes: int | None
