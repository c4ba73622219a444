"""Settings from environment variables: one table drives the code and the documentation."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from function.errors import SettingsError
from function.formats import durations, hosts

_T = TypeVar("_T")

RECEIVERS = ("notification-manager", "alertmanager", "slack", "cloudevents", "reply")
NOTIFICATION_MANAGER_URL = (  # where KubeSphere installs it
    "http://notification-manager-svc.kubesphere-monitoring-system.svc:19093/api/v2/alerts"
)
SERVERS = ("flask", "asgi")
# Seconds: queue-proxy keeps idle connections for 90, and does not repeat a POST that meets a closed
# one (Go's DefaultTransport, knative/pkg network/transports.go).
KEEP_ALIVE = 95
OWN_PATHS = ("/metrics", "/health/liveness", "/health/readiness")
LOG_LEVELS = ("debug", "info", "warning", "error")


def rules_file(text: str) -> Path:
    """The rule file that RULES_FILE names; where it names none, the mounted one or our own."""
    if text:
        return Path(text)
    return MOUNTED_RULES if os.path.lexists(MOUNTED_RULES) else PACKAGED_RULES


def _receiver(text: str) -> str:
    return _one_of(text, RECEIVERS)


def _server(text: str) -> str:
    return _one_of(text, SERVERS)


def _log_level(text: str) -> str:
    return _one_of(text.lower(), LOG_LEVELS)


def _one_of(text: str, choices: tuple[str, ...]) -> str:
    if text not in choices:
        raise ValueError(f"{text!r} is not one of {', '.join(choices)}")
    return text


def _urls(text: str) -> tuple[str, ...]:
    return tuple(_url(url.strip()) for url in text.split(","))


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = (
            parts.scheme in ("http", "https") and hosts.is_host(parts.hostname) and parts.port != 0
        )
    except ValueError:
        usable = False
    if not usable:
        # Never repeats it: it may be a secret.
        raise ValueError("it is not an http:// or https:// URL")
    return text


def _path(text: str) -> str:
    path = text.removesuffix("/")
    if not path.startswith("/") or path == "/" or not path.isascii() or set(path) & set("<>?# "):
        raise ValueError(f"{text!r} is not a path such as /records")
    if path in OWN_PATHS:
        raise ValueError(f"{path} is a page of the function's own")
    return path


def _seconds(text: str) -> float:
    seconds = durations.duration(text) / 1e9
    if not seconds:
        raise ValueError("it must be longer than 0s")
    return seconds


def _port(text: str) -> int:
    number = _count(text)
    if number > 65_535:
        raise ValueError(f"{text!r} is not a port")
    return number


def _address(text: str) -> tuple[str, int]:
    """The first of a comma-separated list of addresses, as host and port."""
    host, _, port = text.partition(",")[0].strip().rpartition(":")
    if not host:
        raise ValueError(f"{text!r} is not an address such as 127.0.0.1:8080 or [::]:8080")
    return host, _port(port)


def _size(text: str) -> int:
    return _positive(durations.size(text))


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f"{text!r} is not a whole number")
    return _positive(int(text))


def _positive(number: int) -> int:
    if not number:
        raise ValueError("it must be at least 1")
    return number


def _optional(parse: Callable[[str], _T]) -> Callable[[str], _T | None]:
    return lambda text: parse(text) if text else None


@dataclass(frozen=True, slots=True)
class Setting:
    """One environment variable. ``default`` is written as an operator would write it."""

    name: str
    parse: Callable[[str], Any]
    default: str
    help: str

    @property
    def attribute(self) -> str:
        """The attribute of Settings that holds it."""
        return self.name.lower()


MOUNTED_RULES = Path("/etc/logs-handler/rules.yaml")  # the ConfigMap, in a cluster
PACKAGED_RULES = Path(__file__).with_name("rules.yaml")
# eventing/kafkasource.yaml: attempts of KafkaSource, and the seconds of its pauses between them.
_ATTEMPTS, _PAUSES = 37, 666

SETTINGS = (
    Setting(
        "RULES_FILE",
        rules_file,
        "",
        f"the rule file; without it `{MOUNTED_RULES}`, or that of the image where it is absent",
    ),
    Setting(
        "RECEIVER",
        _receiver,
        "notification-manager",
        f"where alerts go: {', '.join(RECEIVERS)}",
    ),
    Setting(
        "RECEIVER_URL",
        _urls,
        NOTIFICATION_MANAGER_URL,
        "the full URL that alerts are posted to, or several, with commas, of one cluster",
    ),
    Setting("K_SERVICE", str, "", "the Service's name in a cluster; Knative sets it"),
    Setting(
        "K_SINK",
        _optional(_urls),
        "",
        "where CloudEvents go without RECEIVER_URL; a SinkBinding sets it",
    ),
    Setting(
        "K_CE_OVERRIDES", str, "", "extension attributes of CloudEvents; a SinkBinding sets it"
    ),
    Setting("RECEIVER_TIMEOUT", _seconds, "5s", "how long one POST to the receiver may take"),
    Setting(
        "DELIVERY_TIMEOUT",
        _seconds,
        "25s",
        "how long a request waits for its alerts; below the Service's timeoutSeconds",
    ),
    Setting("DELIVERY_CONCURRENCY", _count, "8", "POSTs to the receiver at the same time, at most"),
    Setting("DELIVERY_BATCH", _count, "100", "the most alerts that share one POST"),
    Setting("RECORDS_PATH", _path, "/records", "the path that takes plain Fluent Bit JSON"),
    Setting("MAX_BODY_BYTES", _size, "1MiB", "the largest request body that is read"),
    Setting("LOG_LEVEL", _log_level, "info", f"{', '.join(LOG_LEVELS)}"),
    Setting(
        "PORT",
        _optional(_port),
        "",
        "the port to listen on; without it LISTEN_ADDRESS', or 8080. Knative sets it",
    ),
    Setting(
        "LISTEN_ADDRESS",
        _optional(_address),
        "",
        "the address to listen on, such as 127.0.0.1:8080; without it all. func sets it",
    ),
    Setting(
        "SERVER", _server, "flask", "which of the two applications gunicorn serves: flask or asgi"
    ),
    Setting(
        "THREADS",
        _count,
        "66",
        "requests that SERVER=flask serves at once; above containerConcurrency",
    ),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything an operator can set; durations in seconds, sizes in bytes."""

    rules_file: Path
    receiver: str
    receiver_url: tuple[str, ...] = field(repr=False)  # they may carry a password or a token
    k_service: str
    k_sink: tuple[str, ...] | None = field(repr=False)
    k_ce_overrides: str
    receiver_timeout: float
    delivery_timeout: float
    delivery_concurrency: int
    delivery_batch: int
    records_path: str
    max_body_bytes: int
    log_level: str
    port: int | None
    listen_address: tuple[str, int] | None
    server: str
    threads: int

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Settings:
        """Read the settings; raises SettingsError with every problem, each by its name."""
        values: dict[str, Any] = {}
        problems = []
        for setting in SETTINGS:
            text = environ.get(setting.name, "").strip() or setting.default
            try:
                values[setting.attribute] = setting.parse(text)
            except ValueError as error:
                problems.append(f"{setting.name}: {error}")
        binding = values.get("receiver") == "cloudevents" and values.get("k_sink")
        if binding and not environ.get("RECEIVER_URL", "").strip():
            values["receiver_url"] = values["k_sink"]
        problems += _contradictions(values, environ)
        if problems:
            raise SettingsError(problems)
        return cls(**values)

    @property
    def grace(self) -> int:
        """Seconds that requests under way get at SIGTERM: as long as they wait for their alerts."""
        return int(self.delivery_timeout) + 3

    @property
    def remembered(self) -> float:
        """Seconds for which a delivered event may come again: as long as KafkaSource tries it."""
        return max(30 * 60.0, _ATTEMPTS * self.delivery_timeout + _PAUSES)

    @property
    def lacks_mounted_rules(self) -> bool:
        """Whether a pod in a cluster has no rules but those of its image."""
        return bool(self.k_service) and self.rules_file == PACKAGED_RULES

    @property
    def receiver_address(self) -> str:
        """Where alerts go, without what may be secret: scheme, host and port."""
        if self.receiver == "reply":
            return "whoever asks"
        return ", ".join(_address_of(url) for url in self.receiver_url)


def _address_of(url: str) -> str:
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def _contradictions(values: Mapping[str, Any], environ: Mapping[str, str]) -> list[str]:
    """What is wrong with settings that are each right by themselves."""
    problems = []
    receiver = values.get("receiver", RECEIVERS[0])
    given = environ.get("RECEIVER_URL", "").strip() or (
        receiver == "cloudevents" and values.get("k_sink")
    )
    if receiver not in (RECEIVERS[0], "reply") and not given:
        problems.append(f"RECEIVER_URL: it is needed with RECEIVER={receiver}")
    post, wait = values.get("receiver_timeout"), values.get("delivery_timeout")
    if post and wait and post > wait:
        problems.append(f"RECEIVER_TIMEOUT: {post:g}s is longer than DELIVERY_TIMEOUT, {wait:g}s")
    return problems
