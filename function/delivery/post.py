"""One HTTP POST and the beginning of its answer, by one deadline whatever the other side does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from function.delivery.secrets import hiding
from function.receivers import Answer, Reason, Request, Unavailable

if TYPE_CHECKING:
    from urllib3 import HTTPConnectionPool

    from function.delivery.connection import Deadline

ANSWER_LIMIT = 64 * 1024  # bytes read of an answer; all receivers answer far less


class Poster:
    """Posts to one URL over a kept connection, one request at a time."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._hide = hiding(url)
        self._prepared: _Prepared | None = None

    def post(self, request: Request, deadline: float) -> Answer | Unavailable:
        """Send a request, by a deadline on the monotonic clock; raises nothing but bugs."""
        try:
            from requests import RequestException  # deferred: cold start
            from urllib3.exceptions import HTTPError
        except OSError as error:  # no file descriptor is left, say
            return _unreachable(error)
        try:
            return self._exchange(request, deadline)
        except (HTTPError, RequestException, OSError) as error:
            return _unreachable(error)

    def close(self) -> None:
        """Close the connection."""
        if self._prepared is not None:
            self._prepared.pool.close()

    def _exchange(self, request: Request, deadline: float) -> Answer:
        prepared = self._prepared = self._prepared or _prepared(self._url)
        prepared.deadline.at = deadline
        response = prepared.pool.urlopen(
            "POST",
            prepared.target,
            request.body,
            {**prepared.headers, **request.headers},
            retries=False,
            redirect=False,
            timeout=max(0.001, deadline - time.monotonic()),
            preload_content=False,
        )
        try:
            body = response.read(ANSWER_LIMIT)
            is_cut = len(body) >= ANSWER_LIMIT
            return Answer(response.status, response.headers, body, is_cut, self._hide)
        finally:
            response.close()  # closes the connection only where the answer goes on


class _Prepared(NamedTuple):
    """A POST without its body, what sends it, and by when.

    requests makes it, once: it takes longer to prepare a POST than urllib3 to send it.
    """

    pool: HTTPConnectionPool
    target: str
    headers: dict[str, str]
    deadline: Deadline


def _prepared(url: str) -> _Prepared:
    import requests
    from requests.adapters import HTTPAdapter
    from requests.structures import CaseInsensitiveDict

    from function.delivery.connection import Deadline, connections

    class Adapter(HTTPAdapter):
        def pool(self, post: requests.PreparedRequest) -> HTTPConnectionPool:
            pool: HTTPConnectionPool = self.get_connection_with_tls_context(post, verify=True)  # type: ignore[assignment] # its stubs are wrong
            self.cert_verify(pool, url, verify=True, cert=None)  # type: ignore[no-untyped-call]
            return pool

    session = requests.Session()
    session.headers = CaseInsensitiveDict({"user-agent": "logs-handler"})
    session.trust_env = False  # no proxy and no netrc between pods of one cluster
    post = session.prepare_request(requests.Request("POST", url))
    headers = {name: value for name, value in post.headers.items() if name != "Content-Length"}
    pool = Adapter(pool_connections=1, pool_maxsize=1).pool(post)
    deadline = Deadline()
    pool.ConnectionCls = connections(deadline, secure=pool.scheme == "https")
    return _Prepared(pool, post.path_url, headers, deadline)


def _unreachable(error: BaseException) -> Unavailable:
    """What an error on the way means; its texts repeat the URL, a secret, but the innermost's."""
    while inner := error.__cause__ or (None if error.__suppress_context__ else error.__context__):
        error = inner
    if isinstance(error, TimeoutError):
        return Unavailable(Reason.TIMEOUT, "no answer in time")
    strerror = getattr(error, "strerror", None)
    why = strerror if isinstance(strerror, str) else type(error).__name__
    return Unavailable(Reason.CONNECTION, f"no answer: {why}", passing=True)
