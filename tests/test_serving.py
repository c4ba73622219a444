"""What every server answers, over real sockets: the same, however the process was started.

Flask and ASGI under gunicorn, and ASGI under the server that func's scaffolding starts.
"""

from __future__ import annotations

import json
import select
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from tests import servers
from tests.servers import CLOUDEVENT, Answer, Function, Receiver

HERE = Path(__file__).parent
ARTICLE = (HERE / "records" / "article.json").read_bytes().strip()
LIMIT = 4096  # bytes of a body, for these tests


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with servers.receiver() as running:
        yield running


@pytest.fixture(scope="module", params=servers.SERVERS)
def server(
    request: pytest.FixtureRequest, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Function]:
    with servers.function(
        tmp_path_factory.mktemp("server"),
        server=request.param,
        RULES_FILE=str(HERE / "rules" / "article.yaml"),
        RECEIVER_URL=receiver.url,
        MAX_BODY_BYTES=str(LIMIT),
    ) as running:
        yield running


@pytest.fixture(autouse=True)
def _fresh(receiver: Receiver) -> None:
    """Each test meets a receiver that takes everything and has seen nothing."""
    receiver.answers, receiver.refuse = [Answer()], ()
    receiver.requests.clear()


def exchange(server: Function, *parts: bytes, pause: float = 0.05) -> bytes:
    """Send bytes, in parts with pauses between them, and read until the server closes.

    Only a server that waits for more is told that there is none: to some, that is to leave.
    """
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        if not select.select([connection], [], [], 1)[0]:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
        return answer


def head(*lines: str, path: str = "/") -> bytes:
    """A POST's head with CloudEvent headers, which asks the server to close."""
    event = [f"{name}: {value}" for name, value in servers.event().items()]
    host = ["Host: x", "Connection: close"]
    return "\r\n".join([f"POST {path} HTTP/1.1", *host, *event, *lines, "", ""]).encode()


def kept(body: bytes) -> bytes:
    """A whole request that leaves the connection open."""
    return head(f"Content-Length: {len(body)}").replace(b"Connection: close\r\n", b"") + body


def connections(server: Function) -> int:
    """The open files of the function's processes."""
    pids = [server.process.pid]
    pids += map(int, Path(f"/proc/{pids[0]}/task/{pids[0]}/children").read_text().split())
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)


def problem(response: requests.Response) -> dict[str, object]:
    assert response.headers["content-type"] == "application/problem+json"
    content: dict[str, object] = response.json()
    assert content["status"] == response.status_code
    return content


class TestAcknowledgement:
    def test_a_record_without_a_match_gets_204_and_nothing_else(self, server: Function) -> None:
        response = server.post(b'{"log": "hello"}')
        assert response.status_code == 204
        assert response.content == b""
        assert "content-type" not in response.headers
        assert "content-length" not in response.headers

    def test_a_match_gets_204_when_the_receiver_has_the_alert(
        self, server: Function, receiver: Receiver
    ) -> None:
        assert server.post(ARTICLE).status_code == 204
        assert receiver.bodies[0]["alerts"][0]["fingerprint"] == "abb0504a1d693137"

    @pytest.mark.parametrize(
        "content_type",
        [None, "application/json", "text/plain; charset=utf-8", "application/octet-stream"],
    )
    def test_the_content_type_may_be_missing_or_one_that_json_comes_under(
        self, server: Function, receiver: Receiver, content_type: str | None
    ) -> None:
        more = {"content-type": content_type} if content_type else {}
        assert server.post(ARTICLE, headers={**servers.event(), **more}).status_code == 204
        assert len(receiver.requests) == 1

    def test_structured_and_batched_mode_are_read_too(
        self, server: Function, receiver: Receiver
    ) -> None:
        event = {"specversion": "1.0", "id": "1", "source": "/s", "type": "t"}
        event["data"] = json.loads(ARTICLE)
        another = {**event, "id": "2"}
        structured = {"content-type": "application/cloudevents+json; charset=utf-8"}
        batched = {"content-type": "application/cloudevents-batch+json"}
        assert server.post(json.dumps(event), headers=structured).status_code == 204
        assert server.post(json.dumps([another]), headers=batched).status_code == 204
        assert len(receiver.requests) == 2

    def test_a_person_gets_the_alerts_as_sent(self, server: Function, receiver: Receiver) -> None:
        prefer = servers.event(prefer="return=representation")
        response = server.post(ARTICLE, headers=prefer)
        assert response.status_code == 200
        assert response.json()["alerts"] == receiver.bodies[0]["alerts"]

    def test_plain_records_have_their_own_path(self, server: Function, receiver: Receiver) -> None:
        assert server.post(ARTICLE, "/records", headers={}).status_code == 204
        assert len(receiver.requests) == 1

    def test_dapr_may_ask_for_the_records_path_first(self, server: Function) -> None:
        assert requests.options(f"{server.url}/records", timeout=5).status_code == 200


class TestRefusal:
    @pytest.mark.parametrize(
        ("body", "headers", "status", "detail"),
        [
            (b"{}", {}, 400, "no ce-* headers"),
            (b"{}", {"ce-id": "1"}, 400, "ce-specversion is missing"),
            (b"{", CLOUDEVENT, 400, "the data is not JSON"),
            (b"", CLOUDEVENT, 400, "the event carries no data"),
            (b"3", CLOUDEVENT, 400, "not a number"),
            (b"x" * (LIMIT + 1), CLOUDEVENT, 413, "the body is over 4096 bytes (MAX_BODY_BYTES)"),
            (b"{}", {"content-type": "application/x-www-form-urlencoded"}, 415, "curl's default"),
            (b"{}", {"content-type": "application/cloudevents+avro"}, 415, "is not read here"),
        ],
    )
    def test_of_what_cannot_be_read_is_final_and_says_why(
        self, server: Function, body: bytes, headers: dict[str, str], status: int, detail: str
    ) -> None:
        response = server.post(body, headers=headers)
        assert response.status_code == status
        assert detail in str(problem(response)["detail"])

    def test_of_a_refused_alert_is_422(self, server: Function, receiver: Receiver) -> None:
        receiver.answers = [Answer(400)]
        response = server.post(ARTICLE)
        assert response.status_code == 422
        assert str(problem(response)["detail"]).endswith(f"answered 400: {servers.NO.decode()}")

    @pytest.mark.parametrize("answer", [Answer(500), Answer(401), Answer(drop=True)])
    def test_while_the_receiver_is_away_is_503_with_a_time_to_come_back(
        self, server: Function, receiver: Receiver, answer: Answer
    ) -> None:
        receiver.answers = [answer]
        response = server.post(ARTICLE)
        assert response.status_code == 503
        assert 5 <= int(response.headers["retry-after"]) <= 10

    # Not /health/liveness: under func its own server answers there, whatever the method.
    @pytest.mark.parametrize("path", ["/nope", "/metrics", "/metrics/x", "/records//"])
    def test_of_a_post_to_another_path_is_405_never_404_which_kafkasource_retries(
        self, server: Function, path: str
    ) -> None:
        response = server.post(ARTICLE, path)
        assert response.status_code == 405
        problem(response)

    @pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "PROPFIND"])
    def test_of_another_method_is_405_and_names_the_right_ones(
        self, server: Function, method: str
    ) -> None:
        response = requests.request(method, f"{server.url}/", timeout=5)
        assert response.status_code == 405
        assert "POST" in response.headers["allow"]

    def test_of_a_method_that_nobody_knows_is_no_status_that_comes_again(
        self, server: Function
    ) -> None:
        assert requests.request("BREW", f"{server.url}/", timeout=5).status_code in (400, 405)

    @pytest.mark.parametrize(
        ("method", "path", "status", "reason"),
        [
            ("POST", "/nope", 405, "path"),
            ("PUT", "/", 405, "method"),
            ("GET", "/nope", 404, "path"),
            ("POST", "/", 413, "body_size"),
        ],
    )
    def test_is_counted_and_logged_by_status_and_reason(
        self, server: Function, method: str, path: str, status: int, reason: str
    ) -> None:
        count = f'logs_handler_requests_refused_total{{reason="{reason}",status="{status}"}} '

        def counted() -> float:
            page = requests.get(f"{server.url}/metrics", timeout=5).text
            return float(page.partition(count)[2].partition("\n")[0] or 0)

        before = counted()
        body = b"x" * (LIMIT + 1) if method == "POST" else None
        headers = {**CLOUDEVENT, "ce-id": f"{method} {path}"}
        answer = requests.request(method, server.url + path, data=body, headers=headers, timeout=5)
        assert answer.status_code == status
        assert counted() == before + 1
        lines = [line for line in server.events() if line["event"] == "request_refused"]
        assert (status, reason) in {(line["status"], line["reason"]) for line in lines}

    def test_names_the_kafka_record_in_the_log(self, server: Function) -> None:
        time.sleep(1)  # after another refusal of this kind
        server.post(b"{broken", headers=CLOUDEVENT)
        refused = [line for line in server.events() if line["event"] == "request_refused"]
        assert refused[-1]["event_id"] == "partition:0/offset:564"
        assert refused[-1]["status"] == 400


class TestTheWire:
    def test_a_request_of_kafkasource_byte_for_byte_is_taken(
        self, server: Function, receiver: Receiver
    ) -> None:
        request = (
            b"POST / HTTP/1.1\r\n"
            b"user-agent: Vert.x-WebClient/4.5.27\r\nPrefer: reply\r\nKn-Namespace: default\r\n"
            b"ce-specversion: 1.0\r\nce-id: partition:0/offset:564\r\n"
            b"ce-source: /apis/v1/namespaces/default/kafkasources/logs#fluentbit\r\n"
            b"ce-type: dev.knative.kafka.event\r\nce-subject: partition:0#564\r\n"
            b"ce-time: 2026-08-07T10:15:30.123Z\r\nce-knativekafkapartition: 0\r\n"
            b"ce-knativekafkaoffset: 564\r\ncontent-length: %d\r\n"
            b"host: handler.default.svc.cluster.local\r\n\r\n%b"
        )
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(request % (len(ARTICLE), ARTICLE))
            assert connection.recv(65_536).startswith(b"HTTP/1.1 204 ")
        assert len(receiver.requests) == 1

    def test_a_tombstone_has_no_body_and_no_length(self, server: Function) -> None:
        assert b"the event carries no data" in exchange(server, head())

    def test_a_chunked_body_is_read_whole(self, server: Function, receiver: Receiver) -> None:
        chunks = [ARTICLE[:100], ARTICLE[100:]]
        body = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks)
        answer = exchange(server, head("Transfer-Encoding: chunked"), body, b"0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 204 ")
        assert len(receiver.requests) == 1

    def test_a_chunked_body_over_the_limit_is_refused_not_cut(self, server: Function) -> None:
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (LIMIT + 1, b"{}\n" + b" " * (LIMIT - 2))
        answer = exchange(server, head("Transfer-Encoding: chunked"), body)
        assert answer.startswith(b"HTTP/1.1 413 ")

    def test_a_body_that_ends_early_is_not_taken_for_the_whole(
        self, server: Function, receiver: Receiver
    ) -> None:
        lines = ARTICLE + b"\n" + ARTICLE
        answer = exchange(server, head(f"Content-Length: {len(lines) + 9}"), lines)
        assert not answer.startswith(b"HTTP/1.1 2")
        assert receiver.requests == []

    def test_a_broken_chunk_is_refused_without_a_traceback(self, server: Function) -> None:
        answer = exchange(server, head("Transfer-Encoding: chunked"), b"zz\r\n{}\r\n0\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert "traceback" not in server.log.lower()

    @pytest.mark.parametrize("protocol", ["h2c", "TLS/1.0"])
    def test_an_offer_to_go_on_in_another_protocol_is_ignored(
        self, server: Function, receiver: Receiver, protocol: str
    ) -> None:
        """Java's HttpClient and curl --http2 offer h2c; the body may come behind the head."""
        offer = (f"Upgrade: {protocol}", "Connection: Upgrade")
        answer = exchange(server, head(f"Content-Length: {len(ARTICLE)}", *offer), ARTICLE)
        assert answer.startswith(b"HTTP/1.1 204 ")
        assert answer.count(b"HTTP/1.1") == 1
        assert len(receiver.requests) == 1

    def test_what_such_an_offer_is_followed_by_is_no_request_of_its_own(
        self, server: Function
    ) -> None:
        inner = b"GET /health/liveness HTTP/1.1\r\nhost: x\r\n\r\n"
        offer = ("Upgrade: h2c", "Connection: Upgrade")
        answer = exchange(server, head(f"Content-Length: {len(inner)}", *offer), inner)
        assert answer.count(b"HTTP/1.1") == 1
        assert answer.startswith(b"HTTP/1.1 400 ")

    def test_connect_is_refused(self, server: Function) -> None:
        answer = exchange(server, b"CONNECT x:1 HTTP/1.1\r\nhost: x:1\r\nconnection: close\r\n\r\n")
        assert answer.split()[1] in (b"400", b"404", b"405")

    def test_a_client_may_wait_for_100_continue(self, server: Function) -> None:
        request = head("Content-Length: 2", "Expect: 100-continue")
        answer = exchange(server, request, b"{}")
        interim, _, final = answer.partition(b"\r\n\r\n")
        assert interim.startswith(b"HTTP/1.1 100 ")
        assert final.startswith(b"HTTP/1.1 204 ")

    def test_one_connection_carries_many_requests(self, server: Function) -> None:
        answer = exchange(server, kept(b"{}"), kept(b"{}"), head("Content-Length: 2") + b"{}")
        assert answer.count(b"HTTP/1.1 204 ") == 3

    def test_requests_may_be_sent_before_the_last_one_is_answered(
        self, server: Function, receiver: Receiver
    ) -> None:
        last = head(f"Content-Length: {len(ARTICLE)}") + ARTICLE
        answer = exchange(server, kept(ARTICLE) + kept(b"{") + last)
        statuses = [line.split()[1] for line in answer.splitlines() if line.startswith(b"HTTP/")]
        assert statuses == [b"204", b"400", b"204"]
        assert len(receiver.requests) == 2

    def test_a_body_may_come_slowly_while_others_are_served(
        self, server: Function, receiver: Receiver
    ) -> None:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as slow:
            slow.sendall(head(f"Content-Length: {len(ARTICLE)}"))
            for start in range(0, len(ARTICLE), 200):
                slow.sendall(ARTICLE[start : start + 200])
                assert server.post(b"{}").status_code == 204
            assert slow.recv(65_536).startswith(b"HTTP/1.1 204 ")
        assert len(receiver.requests) == 1

    def test_a_client_that_leaves_in_the_middle_of_its_body_leaves_nothing_behind(
        self, server: Function, receiver: Receiver
    ) -> None:
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as leaving:
                leaving.sendall(head("Content-Length: 1000") + ARTICLE[:300])
        assert server.post(ARTICLE).status_code == 204
        assert len(receiver.requests) == 1
        assert "traceback" not in server.log.lower()

    def test_a_client_that_leaves_while_it_waits_does_not_take_its_alert_along(
        self, server: Function, receiver: Receiver
    ) -> None:
        receiver.answers = [Answer(delay=0.2)]
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as leaving:
            leaving.sendall(head(f"Content-Length: {len(ARTICLE)}") + ARTICLE)
            servers.wait_until(lambda: receiver.requests)
        assert server.post(ARTICLE).status_code == 204
        assert "traceback" not in server.log.lower()

    def test_headers_of_enormous_size_are_refused_and_not_retried(self, server: Function) -> None:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            with suppress(ConnectionError):  # it need not read on after it has seen too much
                connection.sendall(head("X-Padding: " + "x" * 200_000))
            with suppress(ConnectionError):
                answer = connection.recv(65_536)
                assert answer == b"" or answer.split()[1] in (b"400", b"431")
        assert server.post(b"{}").status_code == 204

    @pytest.mark.parametrize("head_of", ["POST /nope", "PUT /", "GET /metrics", "POST /"])
    def test_after_a_body_that_nobody_wants_the_next_request_is_answered(
        self, server: Function, head_of: str
    ) -> None:
        many = b"3\r\nabc\r\n" * 2000 + b"0\r\n\r\n"
        first = f"{head_of} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        answer = exchange(server, first + many + head("Content-Length: 2") + b"{}", pause=0.3)
        assert answer.count(b"HTTP/1.1 ") == 2
        assert b"HTTP/1.1 204 " in answer

    def test_clients_that_leave_in_the_middle_of_a_large_body_leave_no_connection_behind(
        self, server: Function
    ) -> None:
        before = connections(server)
        for path in ["/", "/nope"] * 10:
            with socket.create_connection(("127.0.0.1", server.port), timeout=10) as leaving:
                leaving.sendall(head("Content-Length: 3000000", path=path) + b"x" * 600_000)
        servers.wait_until(lambda: connections(server) <= before + 2)

    @pytest.mark.parametrize("path", ["//", "/records/", "/?query=1"])
    def test_a_slash_or_a_query_more_changes_nothing(
        self, server: Function, receiver: Receiver, path: str
    ) -> None:
        assert exchange(
            server, head(f"Content-Length: {len(ARTICLE)}", path=path) + ARTICLE
        ).startswith(b"HTTP/1.1 204 ")
        assert len(receiver.requests) == 1

    def test_a_header_that_comes_twice_is_one_with_a_comma(self, server: Function) -> None:
        body = b"Content-Length: 2\r\nprefer: reply\r\nPrefer: return=representation"
        answer = exchange(server, head(body.decode()) + b"{}")
        assert answer.startswith(b"HTTP/1.1 200 ")

    def test_an_idle_connection_outlives_funcs_own_five_seconds(self, server: Function) -> None:
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(kept(b"{}"))
            assert connection.recv(65_536).startswith(b"HTTP/1.1 204 ")
            time.sleep(5.5)
            connection.sendall(kept(b"{}"))
            assert connection.recv(65_536).startswith(b"HTTP/1.1 204 ")


class TestPages:
    @pytest.mark.parametrize("path", ["/health/liveness", "/health/readiness"])
    def test_the_probes_say_ok(self, server: Function, path: str) -> None:
        assert requests.get(server.url + path, timeout=5).text == "OK\n"

    def test_readiness_does_not_depend_on_the_receiver(
        self, server: Function, receiver: Receiver
    ) -> None:
        receiver.answers = [Answer(500)]
        assert requests.get(f"{server.url}/health/readiness", timeout=5).status_code == 200
        assert receiver.requests == []

    def test_the_front_page_says_what_this_is_without_the_receivers_path(
        self, server: Function
    ) -> None:
        page = requests.get(f"{server.url}/", timeout=5)
        assert page.headers["content-type"] == "text/plain; charset=utf-8"
        assert "1 from " in page.text
        assert "notification-manager at http://127.0.0.1:" in page.text
        assert "/api/v2" not in page.text

    def test_head_and_unknown_pages_are_answered_as_http_says(self, server: Function) -> None:
        assert requests.head(f"{server.url}/", timeout=5).status_code == 200
        assert requests.get(f"{server.url}/nope", timeout=5).status_code == 404
