"""A CloudEvent on its way from Kafka to the sink, its attributes in the order of writing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

# CloudEvents' Java SDK writes the context attributes in this order, in HTTP and in Kafka alike.
_ORDER = ("specversion", "id", "source", "type", "datacontenttype", "dataschema", "subject", "time")


@dataclass(frozen=True, slots=True)
class Event:
    """A CloudEvent: the specification's context attributes, the extensions, the data's bytes.

    `traces` are W3C trace headers of the record; they travel beside the event, not in it.
    """

    attributes: Mapping[str, str]
    extensions: Mapping[str, str]
    data: bytes | None = None
    traces: tuple[tuple[str, str], ...] = field(default=())

    def with_extensions(self, more: Mapping[str, str]) -> Event:
        """The same event with more extensions; a name that is there already gets the new value."""
        return replace(self, extensions={**self.extensions, **more})

    def headers(self, prefix: str) -> Iterator[tuple[str, str]]:
        """The headers of the binary content mode: `prefix` is `ce-` in HTTP and `ce_` in Kafka."""
        for name in _ORDER:
            if name in self.attributes:
                header = "content-type" if name == "datacontenttype" else prefix + name
                yield header, self.attributes[name]
        for name, value in self.extensions.items():
            yield prefix + name, value


CONTEXT_ATTRIBUTES = frozenset(_ORDER)
