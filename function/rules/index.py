"""Which rules match a record, found by lookups instead of by trying every rule.

Rules are kept by the namespace that they ask for; those of one namespace, and those that name
none, form a bucket each. In a bucket every rule is found by one of its matchers, its anchor: by an
equality through a dictionary, by a regular expression or a contained text through one `re2.Set` for
all rules of the bucket, which reads a text once however many patterns it holds. Only rules whose
anchor holds have their other matchers tested. So a thousand rules cost about what ten do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from operator import itemgetter

from function.records import LogRecord
from function.rules import patterns
from function.rules.fields import Field
from function.rules.matchers import Condition, Matcher
from function.rules.patterns import PatternError, Patterns
from function.rules.rule import Rule

# Fields with few values: an equality on one of them finds too many rules to be a good anchor.
_COMMON = frozenset({"status", "method", "protocol", "bytes"})

_ANCHORS = frozenset({"=", "=~", "|="})

Entry = tuple[int, Rule, tuple[Condition, ...]]  # place in the file, rule, what is left to test


class Index:
    """Finds the rules that match a record."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        by_namespace: dict[str, list[Entry]] = defaultdict(list)
        anywhere: list[Entry] = []
        for place, rule in enumerate(rules):
            own = next((each for each in rule.match if _names_namespace(each)), None)
            entry = (place, rule, tuple(each for each in rule.match if each is not own))
            if isinstance(own, Matcher):
                by_namespace[own.value].append(entry)
            else:
                anywhere.append(entry)
        self._by_namespace = {name: _Bucket(entries) for name, entries in by_namespace.items()}
        self._anywhere = _Bucket(anywhere)

    def matching(self, record: LogRecord) -> list[Rule]:
        """The rules all of whose matchers hold, in the order of the file."""
        own = self._by_namespace.get(record.namespace)
        found = self._anywhere.matching(record)
        if own is not None:
            found += own.matching(record)
        if len(found) > 1:
            found.sort(key=itemgetter(0))
        return [rule for _, rule in found]


class _Bucket:
    """Rules among which nothing but their anchors tells."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._tried: list[Entry] = []  # rules without an anchor
        values: dict[str, _Values] = {}
        sets: dict[str, _Patterns] = {}
        for entry in entries:
            anchor = _anchor(entry[2])
            if anchor is None:
                self._tried.append(entry)
            elif anchor.operator == "=":
                values.setdefault(anchor.field.name, _Values(anchor.field)).add(anchor, entry)
            else:
                sets.setdefault(anchor.field.name, _Patterns(anchor.field)).add(anchor, entry)
        self._lookups: list[_Values | _Patterns] = [*values.values()]
        for lookup in sets.values():
            if lookup.compile():
                self._lookups.append(lookup)
            else:
                self._tried += lookup.entries
        self._lookups.sort(key=lambda lookup: lookup.field.cost)

    def matching(self, record: LogRecord) -> list[tuple[int, Rule]]:
        found = [(place, rule) for place, rule, rest in self._tried if _all_hold(rest, record)]
        for lookup in self._lookups:
            found += [
                (place, rule)
                for place, rule, rest in lookup.candidates(record)
                if _all_hold(rest, record)
            ]
        return found


class _Values:
    """Rules by the value that they want one field to be equal to."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self._by_value: dict[str, list[Entry]] = defaultdict(list)

    def add(self, anchor: Matcher, entry: Entry) -> None:
        self._by_value[anchor.value].append(_without(anchor, entry))

    def candidates(self, record: LogRecord) -> Sequence[Entry]:
        text = self.field.read(record)
        return () if text is None else self._by_value.get(text, ())


class _Patterns:
    """Rules by a pattern that one field has to match, all tested at once."""

    def __init__(self, field: Field) -> None:
        self.field = field
        self.entries: list[Entry] = []
        self._sources: list[str] = []
        self._rest: list[Entry] = []
        self._patterns: Patterns | None = None

    def add(self, anchor: Matcher, entry: Entry) -> None:
        contained = anchor.operator == "|="
        self._sources.append(f".*{patterns.escape(anchor.value)}.*" if contained else anchor.value)
        self._rest.append(_without(anchor, entry))
        self.entries.append(entry)

    def compile(self) -> bool:
        """Make the set; False where trying each rule is better, or the patterns are too much."""
        if len(self.entries) == 1:
            return False
        try:
            self._patterns = Patterns(self._sources, repeats=self.field.repeats)
        except PatternError:
            return False
        return True

    def candidates(self, record: LogRecord) -> Iterable[Entry]:
        text = self.field.read(record)
        if text is None or self._patterns is None:
            return ()
        return [self._rest[number] for number in self._patterns.matching(text)]


def _without(anchor: Matcher, entry: Entry) -> Entry:
    """An entry of which the anchor need not be tested any more."""
    place, rule, conditions = entry
    return place, rule, tuple(each for each in conditions if each is not anchor)


def _names_namespace(condition: Condition) -> bool:
    return (
        isinstance(condition, Matcher)
        and condition.field.name == "namespace"
        and condition.operator == "="
    )


def _anchor(conditions: Iterable[Condition]) -> Matcher | None:
    """The matcher that finds a rule best: an equality, else a pattern, cheap fields first."""
    usable = [
        each for each in conditions if isinstance(each, Matcher) and each.operator in _ANCHORS
    ]
    return min(usable, key=lambda each: (_rank(each), each.cost), default=None)


def _rank(matcher: Matcher) -> int:
    if matcher.operator == "=":
        return 2 if matcher.field.name in _COMMON else 0
    return 1


def _all_hold(conditions: Sequence[Condition], record: LogRecord) -> bool:
    for condition in conditions:  # noqa: SIM110 - all() takes longer than most conditions
        if not condition.holds(record):
            return False
    return True
