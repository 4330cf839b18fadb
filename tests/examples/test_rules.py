# SPDX-License-Identifier: Apache-2.0
"""examples/prometheus: promtool takes the configuration, and the rules do what their tests say; weaker ones do not."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from apache.config import PROJECT

EXAMPLE = PROJECT / "examples/prometheus"
RULES = (EXAMPLE / "rules.yml").read_text()
RULE = re.compile(r"^      - (record|alert): (\S+)\n", re.MULTILINE)
ALERTS = [name for kind, name in RULE.findall(RULES) if kind == "alert"]
NAMES = [name for _, name in RULE.findall(RULES)]
LIMIT = re.compile(r"(>=?|==) ([\d.]+)$", re.MULTILINE)


def promtool(*words: object, cwd: Path = EXAMPLE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *map(str, words)], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", [("check", "rules", "rules.yml"), ("check", "config", "prometheus.yml"),
                                     ("test", "rules", "rules_test.yml")], ids=" ".join)
def test_promtool_is_content(command: tuple[str, ...]) -> None:
    done = promtool(*command)
    assert done.returncode == 0 and "SUCCESS" in done.stdout and not done.stderr, done.stdout + done.stderr


def test_the_targets_of_a_fleet_are_found() -> None:
    done = promtool("check", "service-discovery", "--timeout=3s", "prometheus.yml", "sluice-fleet")
    assert done.returncode == 0
    assert done.stdout.count('"discoveredLabels"') == 3 and '"site": "north"' in done.stdout


@pytest.mark.parametrize("name", NAMES)
def test_a_rule_that_is_missing_is_missed(tmp_path: Path, name: str) -> None:
    assert not passes(tmp_path, without(name))


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_without_one_of_its_limits_is_noticed(tmp_path: Path, name: str) -> None:
    rule = text_of(name)
    limits = list(LIMIT.finditer(rule))
    assert limits
    for limit in limits:
        loose = rule[: limit.start()] + ">= 0" + rule[limit.end() :]
        assert not passes(tmp_path, RULES.replace(rule, loose)), limit[0]


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_that_does_not_wait_is_noticed(tmp_path: Path, name: str) -> None:
    rule = text_of(name)
    hasty, changed = re.subn(r"\bfor: \d+m", "for: 0m", rule)
    assert changed == 1
    assert not passes(tmp_path, RULES.replace(rule, hasty))


def text_of(name: str) -> str:
    """The rule, up to the next."""
    (start,) = [match.start() for match in RULE.finditer(RULES) if match[2] == name]
    following = [match.start() for match in RULE.finditer(RULES) if match.start() > start]
    return RULES[start : min(following, default=len(RULES))]


def without(name: str) -> str:
    """The rules with this one under another name."""
    rule = text_of(name)
    return RULES.replace(rule, rule.replace(name, name + "_gone", 1))


def passes(folder: Path, rules: str) -> bool:
    """Whether the tests of the rules pass on others. What cannot be read as rules is no answer."""
    (folder / "rules.yml").write_text(rules)
    shutil.copy(EXAMPLE / "rules_test.yml", folder)
    done = promtool("test", "rules", "rules_test.yml", cwd=folder)
    assert not re.search(r"^\s*rules.yml: ", done.stderr, re.MULTILINE), done.stderr
    return done.returncode == 0
