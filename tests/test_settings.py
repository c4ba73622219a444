"""Settings: read from the environment, all problems at once, and never a secret in a message."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from function.errors import SettingsError
from function.settings import SETTINGS, Settings

ROOT = Path(__file__).resolve().parent.parent
SECRET = "https://user:pass@hooks.test:8443/services/T0/B0/secret?token=1"


def problems(**environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ(environ)
    return list(caught.value.problems)


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = Settings.from_environ({})
    assert settings.receiver == "notification-manager"
    assert settings.receiver_timeout == 5
    assert settings.delivery_timeout == 25
    assert settings.max_body_bytes == 2**20
    assert settings.port is None
    assert settings.threads == 66


def test_the_rule_file_is_the_mounted_one_or_that_of_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounted = tmp_path / "rules.yaml"
    monkeypatch.setattr("function.settings.MOUNTED_RULES", mounted)
    assert Settings.from_environ({}).rules_file == ROOT / "function" / "rules.yaml"
    mounted.touch()
    assert Settings.from_environ({}).rules_file == mounted
    assert Settings.from_environ({"RULES_FILE": "mine.yaml"}).rules_file == Path("mine.yaml")


@pytest.mark.parametrize(
    ("environ", "mounted", "lacks"),
    [
        ({"K_SERVICE": "logs-handler"}, False, True),
        ({"K_SERVICE": "logs-handler"}, True, False),
        ({"K_SERVICE": "logs-handler", "RULES_FILE": "mine.yaml"}, False, False),
        ({}, False, False),
    ],
)
def test_in_a_cluster_the_rules_of_the_image_are_worth_a_warning(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    environ: dict[str, str],
    mounted: bool,
    lacks: bool,
) -> None:
    monkeypatch.setattr("function.settings.MOUNTED_RULES", tmp_path / "rules.yaml")
    if mounted:
        (tmp_path / "rules.yaml").touch()
    assert Settings.from_environ(environ).lacks_mounted_rules is lacks


def test_a_variable_that_is_set_to_nothing_counts_as_not_set() -> None:
    assert Settings.from_environ({"THREADS": " "}).threads == 66


def test_every_setting_is_an_attribute_and_every_attribute_a_setting() -> None:
    names = {setting.attribute for setting in SETTINGS}
    assert names == set(Settings.__dataclass_fields__)


def test_durations_and_sizes_are_written_with_units() -> None:
    environ = {"RECEIVER_TIMEOUT": "500ms", "DELIVERY_TIMEOUT": "1m", "MAX_BODY_BYTES": "64KiB"}
    settings = Settings.from_environ(environ)
    assert settings.receiver_timeout == 0.5
    assert settings.delivery_timeout == 60
    assert settings.max_body_bytes == 65_536


@pytest.mark.parametrize(
    ("name", "value", "answer"),
    [
        (
            "RECEIVER",
            "pager",
            "'pager' is not one of notification-manager, alertmanager, slack, cloudevents, reply",
        ),
        ("RECEIVER_URL", "am:9093", "it is not an http:// or https:// URL"),
        ("RECEIVER_URL", "ftp://am/", "it is not an http:// or https:// URL"),
        ("RECEIVER_URL", "http://:80/", "it is not an http:// or https:// URL"),
        ("RECEIVER_URL", "http://a..b/", "it is not an http:// or https:// URL"),
        ("RECEIVER_URL", "http://a b/", "it is not an http:// or https:// URL"),
        ("RECEIVER_URL", "http://-a.b/", "it is not an http:// or https:// URL"),
        ("RECEIVER_URL", "http://[::1/", "it is not an http:// or https:// URL"),
        ("RECEIVER_URL", "http://300.1.1.1/", "it is not an http:// or https:// URL"),
        ("RECEIVER_URL", f"http://{'a' * 64}.b/", "it is not an http:// or https:// URL"),
        ("RECEIVER_URL", f"http://{'a.' * 127}b/", "it is not an http:// or https:// URL"),
        ("RECEIVER_TIMEOUT", "5", "'5' is not a duration: write 25s, 500ms or 1h30m"),
        ("RECEIVER_TIMEOUT", "0s", "it must be longer than 0s"),
        ("DELIVERY_CONCURRENCY", "0", "it must be at least 1"),
        ("THREADS", "many", "'many' is not a whole number"),
        ("MAX_BODY_BYTES", "1MB", "'1MB' is not a size: write 1048576, 512KiB or 1MiB"),
        ("RECORDS_PATH", "records", "'records' is not a path such as /records"),
        ("RECORDS_PATH", "/", "'/' is not a path such as /records"),
        ("LOG_LEVEL", "loud", "'loud' is not one of debug, info, warning, error"),
        ("PORT", "70000", "'70000' is not a port"),
        ("LISTEN_ADDRESS", "8080", "'8080' is not an address such as 127.0.0.1:8080 or [::]:8080"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_what_to_write(
    name: str, value: str, answer: str
) -> None:
    assert problems(**{name: value}) == [f"{name}: {answer}"]


def test_all_problems_are_reported_at_once() -> None:
    found = problems(THREADS="x", RECEIVER="y", LOG_LEVEL="z")
    assert [problem.partition(":")[0] for problem in found] == ["RECEIVER", "LOG_LEVEL", "THREADS"]


def test_a_receiver_without_a_default_address_needs_one() -> None:
    assert problems(RECEIVER="alertmanager") == [
        "RECEIVER_URL: it is needed with RECEIVER=alertmanager"
    ]


def test_a_sink_binding_says_where_cloudevents_go_unless_the_operator_does() -> None:
    bound = {"RECEIVER": "cloudevents", "K_SINK": "http://broker.test/default"}
    assert Settings.from_environ(bound).receiver_url == ("http://broker.test/default",)
    both = Settings.from_environ({**bound, "RECEIVER_URL": "http://mine.test/"})
    assert both.receiver_url == ("http://mine.test/",)
    other = Settings.from_environ({"K_SINK": "http://broker.test/default"})
    assert other.receiver_address.startswith("http://notification-manager")


def test_alerts_that_leave_in_the_reply_need_no_address() -> None:
    assert Settings.from_environ({"RECEIVER": "reply"}).receiver_address == "whoever asks"


def test_several_members_of_a_cluster_are_given_with_commas() -> None:
    urls = "http://am-0:9093/api/v2/alerts, http://am-1:9093/api/v2/alerts"
    settings = Settings.from_environ({"RECEIVER": "alertmanager", "RECEIVER_URL": urls})
    assert settings.receiver_address == "http://am-0:9093, http://am-1:9093"
    assert len(settings.receiver_url) == 2


def test_one_post_may_not_take_longer_than_the_request_waits() -> None:
    assert problems(RECEIVER_TIMEOUT="30s") == [
        "RECEIVER_TIMEOUT: 30s is longer than DELIVERY_TIMEOUT, 25s"
    ]


def test_an_address_of_func_gives_host_and_port() -> None:
    settings = Settings.from_environ({"LISTEN_ADDRESS": "[::]:8080,0.0.0.0:8080"})
    assert settings.listen_address == ("[::]", 8080)


def test_the_receivers_url_is_shown_without_what_may_be_secret() -> None:
    settings = Settings.from_environ({"RECEIVER_URL": SECRET})
    assert settings.receiver_address == "https://hooks.test:8443"
    assert "secret" not in repr(settings)
    assert "pass" not in repr(settings)


@pytest.mark.parametrize(
    "url", [SECRET.replace("https", "htps"), SECRET.replace("8443", "84x3"), "https://u:pass"]
)
def test_a_url_that_cannot_be_used_is_not_repeated(url: str) -> None:
    [problem] = problems(RECEIVER_URL=url)
    assert "secret" not in problem
    assert "pass" not in problem


@given(st.dictionaries(st.sampled_from([s.name for s in SETTINGS]), st.text(max_size=12)))
def test_any_environment_gives_settings_or_a_list_of_problems(environ: dict[str, str]) -> None:
    try:
        Settings.from_environ(environ)
    except SettingsError as error:
        assert error.problems


def test_the_readmes_table_lists_every_setting_with_its_default() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \| (.*?) \|$", readme, re.MULTILINE)
    expected = []
    for setting in SETTINGS:
        default = setting.default.replace(f"{ROOT}/", "")
        expected.append((setting.name, f"`{default}`" if default else "", setting.help))
    assert rows == expected


def test_a_slash_at_the_end_of_the_records_path_means_nothing() -> None:
    assert Settings.from_environ({"RECORDS_PATH": "/logs/"}).records_path == "/logs"
    with pytest.raises(SettingsError, match="'//' is not a path such as /records"):
        Settings.from_environ({"RECORDS_PATH": "//"})


@pytest.mark.parametrize("path", ["/metrics", "/health/liveness", "/health/readiness/"])
def test_the_records_path_is_none_of_the_functions_own(path: str) -> None:
    with pytest.raises(SettingsError, match=r"RECORDS_PATH: .* is a page of the function's own"):
        Settings.from_environ({"RECORDS_PATH": path})
