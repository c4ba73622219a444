"""The traffic that a command line names: a generator with its parameters, or a file.

``burst:low=20,high=1000,every=5m,lasting=20s`` · ``requests.csv`` · ``access.log``
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from function.formats import durations
from tuning import log_times, traffic
from tuning.traffic import Traffic, TrafficError

_SECOND = 10**9  # nanoseconds
_LONGEST = 86_400  # seconds; a simulated day takes minutes already
_KINDS: Mapping[str, tuple[Callable[..., Traffic], Mapping[str, str]]] = {
    "constant": (traffic.constant, {"rate": "100", "for": "10m"}),
    "step": (traffic.step, {"low": "20", "high": "500", "at": "2m", "for": "10m"}),
    "diurnal": (traffic.diurnal, {"low": "5", "high": "500", "period": "1h", "for": "1h"}),
    "burst": (
        traffic.burst,
        {"low": "20", "high": "1000", "every": "5m", "lasting": "20s", "for": "15m"},
    ),
    "flash-crowd": (
        traffic.flash_crowd,
        {"low": "20", "high": "1000", "at": "2m", "rise": "10s", "fall": "1m", "for": "15m"},
    ),
}
_RATES = ("rate", "low", "high")


def help_text() -> str:
    """Every generator with its defaults, one a line."""
    return "\n".join(
        f"  {kind}:" + ",".join(f"{name}={value}" for name, value in parameters.items())
        for kind, (_, parameters) in _KINDS.items()
    )


def read(spec: str) -> Traffic:
    """Make the traffic; raises TrafficError."""
    kind, _, rest = spec.partition(":")
    if kind in _KINDS:
        return _generated(kind, rest)
    path = Path(spec)
    if path.suffix == ".csv":
        return traffic.read_csv(path)
    if not path.exists():
        raise TrafficError(
            f"{spec} is neither a file nor one of {', '.join(_KINDS)}: write, for example,\n"
            + help_text()
        )
    return log_times.read(path)


def _generated(kind: str, rest: str) -> Traffic:
    make, defaults = _KINDS[kind]
    given = dict(_pair(kind, part) for part in rest.split(",") if part)
    for name in given:
        if name not in defaults:
            raise TrafficError(f"{kind} knows no {name}: it has {', '.join(defaults)}")
    return make(**dict(_argument(name, text) for name, text in {**defaults, **given}.items()))


def _argument(name: str, text: str) -> tuple[str, float | int]:
    """The generator's parameter: a rate keeps its name, a time says that it is in seconds."""
    if name in _RATES:
        return name, _rate(name, text)
    return "duration_s" if name == "for" else f"{name}_s", _time(name, text)


def _pair(kind: str, part: str) -> tuple[str, str]:
    name, equals, value = part.partition("=")
    if not equals:
        raise TrafficError(f"{kind}: {part!r} has no value: write {name}=...")
    return name.strip(), value.strip()


def _rate(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1
    if not 0 <= value <= 100_000:
        raise TrafficError(f"{name} is {text}: want a number a second, from 0 to 100000")
    return value


def _time(name: str, text: str) -> int:
    try:
        value = durations.duration(text) / _SECOND
    except ValueError as error:
        raise TrafficError(f"{name}: {error}") from None
    if value != int(value) or not 1 <= value <= _LONGEST:
        raise TrafficError(f"{name} is {text}: want whole seconds, from 1s to 1d")
    return int(value)
