"""The command line: `check` and `replay`, as a user types them."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from local import sample
from tests import servers

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "local" / "sample" / "records.jsonl"
LINE = '10.0.0.1 - - [25/Aug/2021:01:54:36 +0000] "GET /x HTTP/1.1" 404 9'
WORDPRESS = ("--namespace", "demo-project", "--pod", "wordpress-v1-f54f697c5-hdn2z")


def run(*arguments: str | Path, given: bytes | None = None) -> subprocess.CompletedProcess[str]:
    """`python -m function` with these arguments; never a traceback."""
    done = subprocess.run(
        (sys.executable, "-m", "function", *arguments),
        cwd=ROOT,
        env=servers.environment(),
        input=given,
        capture_output=True,
        timeout=60,
        check=False,
    )
    output = subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )
    assert "Traceback" not in output.stderr
    return output


def alerts(output: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(dedent(text))
    return path


class TestCheck:
    def test_of_the_shipped_rules_prints_a_table_and_ends_well(self) -> None:
        done = run("check")
        assert done.returncode == 0
        head, row, total = done.stdout.splitlines()
        assert head.split() == ["alert", "group", "conditions", "tests"]
        assert row.split() == ["404", "Request", "wordpress", "3", "2"]
        assert total.startswith("1 rules, 2 tests in ")
        assert done.stderr == ""

    def test_of_a_wrong_file_prints_every_problem_and_fails(self, tmp_path: Path) -> None:
        path = write(
            tmp_path,
            """\
            groups:
              - name: g
                rules:
                  - alert: A
                    match: [status == 404, pood = x]
            """,
        )
        done = run("check", path)
        assert done.returncode == 1
        assert done.stderr.splitlines() == [
            f'{path}:5: groups[0].rules[0].match[0]: unknown operator "=="; did you mean "="?',
            f"{path}:5: groups[0].rules[0].match[1]: "
            'unknown field "pood"; did you mean "pod"? (record.pood names a key of the record)',
            f"2 problems in {path}",
        ]

    def test_runs_the_rules_own_tests_and_says_what_they_saw(self, tmp_path: Path) -> None:
        path = write(
            tmp_path,
            """\
            groups:
              - name: g
                rules:
                  - alert: A
                    match:
                      - log |= error
                      - any: [pod = a, pod = b]
                    labels: {pod: "{{ pod }}"}
                    tests:
                      - {record: {log: an error, kubernetes: {pod_name: a}}, fires: true}
                      - record: '{"log":"an error","kubernetes":{"pod_name":"b"}}'
                        fires: {pod: b}
                      - {record: {log: fine, kubernetes: {pod_name: a}}, fires: true}
                      - {record: {log: an error, kubernetes: {pod_name: c}}, fires: true}
                      - {record: {log: an error, kubernetes: {pod_name: a}}, fires: false}
                      - {record: {log: an error, kubernetes: {pod_name: a}}, fires: {pod: z}}
                      - {record: 'not json', fires: false}
                      - {record: [{}, {}], fires: false}
            """,
        )
        done = run("check", path)
        assert done.returncode == 1
        assert [line.removeprefix(f"{path}:") for line in done.stderr.splitlines()] == [
            '13: alert "A": does not fire: log |= error does not hold, log is "fine"',
            '14: alert "A": does not fire: none of pod = a | pod = b holds',
            '15: alert "A": fires for the record of this test, which says false',
            '16: alert "A": fires with other labels: pod is "a", not "z"',
            '17: alert "A": the record of this test cannot be read: '
            "the data is not JSON: expecting value at byte 0",
            '18: alert "A": the record of this test must be one record',
        ]

    def test_warns_of_an_expression_that_is_dear(self, tmp_path: Path) -> None:
        path = write(
            tmp_path,
            "groups: [{name: g, rules: [{alert: A, match: ['log =~ x[^y]{0,500}z']}]}]",
        )
        done = run("check", path)
        assert done.returncode == 0
        assert "warning: the repetition in 'log =~ x[^y]{0,500}z'" in done.stderr

    def test_says_that_a_rule_is_disabled(self, tmp_path: Path) -> None:
        path = write(
            tmp_path,
            "groups: [{name: g, rules: [{alert: A, enabled: false, match: [status = 1]}]}]",
        )
        assert "disabled" in run("check", path).stdout


class TestReplay:
    def test_prints_one_json_object_per_alert_with_the_line_it_came_from(self) -> None:
        done = run("replay", SAMPLE)
        assert done.returncode == 0
        found = alerts(done.stdout)
        assert len(found) == len(sample.expected())
        values = sample.values()
        for alert in found:
            assert list(alert) == [
                "line",
                "alert",
                "labels",
                "annotations",
                "startsAt",
                "fingerprint",
            ]
            assert alert["labels"]["pod"].encode() in values[alert["line"] - 1]
        assert done.stderr.splitlines() == [
            "431 records, 133 alerts, 0 unreadable",
            "     133  404 Request",
        ]

    def test_reads_standard_input_and_gzip_as_they_are(self, tmp_path: Path) -> None:
        packed = tmp_path / "records.gz"
        packed.write_bytes(gzip.compress(SAMPLE.read_bytes()))
        plain = run("replay", SAMPLE).stdout
        assert run("replay", packed).stdout == plain
        assert run("replay", given=SAMPLE.read_bytes()).stdout == plain
        assert run("replay", given=packed.read_bytes()).stdout == plain

    def test_reads_plain_log_text_of_a_pod(self) -> None:
        done = run("replay", "--text", *WORDPRESS, given=f"nothing\n\n{LINE}\n".encode())
        [alert] = alerts(done.stdout)
        assert alert["line"] == 3
        assert alert["labels"]["path"] == "/x"

    def test_shows_every_match_of_a_repeated_line(self) -> None:
        done = run("replay", "--text", *WORDPRESS, given=f"{LINE}\n".encode() * 3)
        assert len(alerts(done.stdout)) == 3

    def test_names_the_file_where_there_are_several(self) -> None:
        done = run("replay", SAMPLE, SAMPLE)
        assert {alert["file"] for alert in alerts(done.stdout)} == {str(SAMPLE)}
        assert len(alerts(done.stdout)) == 2 * len(sample.expected())

    def test_prints_lines_for_people_when_asked(self) -> None:
        done = run("replay", "--output", "table", SAMPLE)
        first = done.stdout.splitlines()[0]
        assert 'alertname="404 Request"' in first
        assert "2021-08-25T01:54:" in first

    def test_goes_on_after_what_it_cannot_read_and_counts_it(self) -> None:
        value = sample.values()[1]
        done = run("replay", given=b"\n".join([b"{broken", b"[1]", value, value]))
        assert done.returncode == 0
        assert done.stderr.splitlines()[:2] == [
            "-:1: the data is not JSON: expecting property name enclosed in double quotes "
            "at byte 1",
            "-:2: a log record is a JSON object, not a number",
        ]
        assert "4 records, " in done.stderr
        assert ", 2 unreadable" in done.stderr

    def test_says_which_file_or_rule_it_cannot_use(self, tmp_path: Path) -> None:
        done = run("replay", tmp_path / "none")
        assert done.returncode == 1
        assert f"{tmp_path / 'none'}: cannot be read: No such file or directory" in done.stderr
        done = run("replay", "--rules", write(tmp_path, "groups: []"), SAMPLE)
        assert done.returncode == 1
        assert "groups: is empty" in done.stderr

    def test_says_that_a_gzip_file_is_cut(self, tmp_path: Path) -> None:
        packed = tmp_path / "cut.gz"
        packed.write_bytes(gzip.compress(SAMPLE.read_bytes())[:-2000])
        done = run("replay", packed)
        assert done.returncode == 1
        assert "cut.gz: cannot be read: " in done.stderr

    @pytest.mark.parametrize("at", [0, 20, 500])
    def test_says_that_a_gzip_file_is_damaged(self, at: int, tmp_path: Path) -> None:
        good = bytearray(gzip.compress(SAMPLE.read_bytes()))
        good[10 + at : 14 + at] = b"\xff\xff\xff\xff"
        (tmp_path / "damaged.gz").write_bytes(good)
        done = run("replay", tmp_path / "damaged.gz")
        assert done.returncode == 1
        assert "damaged.gz: cannot be read: " in done.stderr
        assert "Traceback" not in done.stderr

    def test_prints_nothing_that_a_terminal_obeys(self) -> None:
        hostile = "/\x7f\x9b31m\u202e\u2066\u200f\ufeff"
        line = LINE.replace("GET /x", f"GET {hostile}")
        done = run("replay", "--text", *WORDPRESS, given=line.encode())
        assert not {*hostile[1:]} & {*done.stdout, *done.stderr} - {*"31m"}
        assert json.loads(done.stdout)["labels"]["path"] == hostile

    def test_shows_that_a_template_failed(self, tmp_path: Path) -> None:
        rule = "{alert: A, match: [status = 404], labels: {x: '{{ 1 / 0 }}'}}"
        path = write(tmp_path, f"groups: [{{name: g, rules: [{rule}]}}]")
        done = run("replay", "--rules", path, SAMPLE)
        assert (
            ": A: a template failed: x: <error expanding template: division by zero>" in done.stderr
        )

    def test_ends_quietly_when_its_reader_has_seen_enough(self) -> None:
        process = subprocess.Popen(
            (sys.executable, "-m", "function", "replay", *[str(SAMPLE)] * 20),
            cwd=ROOT,
            env=servers.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read().decode()
        process.stderr.close()
        assert process.wait(30) == 0
        assert "Traceback" not in errors
        assert "BrokenPipe" not in errors

    def test_takes_the_same_memory_for_any_amount_of_lines(self) -> None:
        code = (
            "import resource, sys; from function.__main__ import main; main(['replay']); "
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)"
        )

        def peak(copies: int) -> int:
            done = subprocess.run(
                (sys.executable, "-c", code),
                cwd=ROOT,
                env=servers.environment(),
                input=SAMPLE.read_bytes() * copies,
                capture_output=True,
                check=True,
            )
            return int(done.stderr.split()[-1])

        assert peak(40) < peak(1) * 1.15

    def test_posts_nothing_and_imports_nothing_that_could(self) -> None:
        code = (
            "import sys; from function.__main__ import main; main(['replay', sys.argv[1]]); "
            "print([m for m in sys.modules if m in ('requests', 'urllib3', 'flask')], "
            "file=sys.stderr)"
        )
        done = subprocess.run(
            (sys.executable, "-c", code, str(SAMPLE)),
            cwd=ROOT,
            env=servers.environment(),
            capture_output=True,
            check=True,
        )
        assert done.stderr.splitlines()[-1] == b"[]"


@pytest.mark.parametrize("arguments", [(), ("nonsense",), ("replay", "--output", "xml")])
def test_a_wrong_call_says_how_it_is_used(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: python -m function")
