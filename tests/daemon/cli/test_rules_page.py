"""The rule page: every rule and every test on it runs as it stands."""

import re
from pathlib import Path

import pytest

from parkwatch.daemon.cli.main import main
from parkwatch.daemon.config.rule_tables import KINDS

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "rules.md"


def blocks(kind: str) -> list[str]:
    text = PAGE.read_text("utf-8")
    return re.findall(rf"^```toml {kind}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page's park and tests as files."""
    monkeypatch.setenv("WECOM_BOT", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=x")
    park = "\n".join([*blocks("park"), *blocks("rule")])
    (tmp_path / "park.toml").write_text(park, "utf-8")
    (tmp_path / "tests.toml").write_text("schema = 1\n" + "\n".join(blocks("test")), "utf-8")
    return tmp_path


def test_the_rules_of_the_page_are_clean(page: Path) -> None:
    assert main(["check", str(page / "park.toml")]) == 0


def test_the_tests_of_the_page_pass(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["rules", "test", str(page / "tests.toml")])
    told = capsys.readouterr().out
    assert code == 0, told
    count = "".join(blocks("test")).count("[[test]]")
    assert f"{count} 通过 ok, 0 失败 failed" in told


def test_the_page_has_an_example_of_every_kind() -> None:
    text = PAGE.read_text("utf-8")
    rules = "".join(blocks("rule"))
    assert [k for k in KINDS if f"`{k}`" not in text] == []
    assert [k for k in KINDS if k != "limit" and f'kind = "{k}"' not in rules] == []
