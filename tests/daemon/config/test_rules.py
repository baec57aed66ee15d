"""Wrong `[[rule]]` tables: every mistake named at its line, none twice, none invented."""

import re
import shutil
from pathlib import Path

import pytest

from parkwatch.daemon.config.load import Loaded, load, load_sources
from parkwatch.daemon.config.model import Config
from parkwatch.daemon.config.rule_tables import KINDS
from parkwatch.daemon.config.sources import Source
from parkwatch.daemon.config.words import spoken

HERE = Path(__file__).parent
PARK = (HERE / "rules_park.toml").read_text("utf-8")
ENV = {"WORK_URL": "json://127.0.0.1:9/"}


def loaded(rules: str, park: str = PARK) -> Loaded:
    """The park with rules in a file of their own, so that their lines are theirs."""
    return load_sources([Source("park.toml", park), Source("rules.toml", rules)], HERE, ENV)


def codes(rules: str) -> list[str]:
    return [problem.code for problem in loaded(rules).problems]


def test_every_mistake_is_named_at_its_line_in_one_run(tmp_path: Path) -> None:
    for name in ("rules_park.toml", "rule_mistakes.toml"):
        shutil.copy(HERE / name, tmp_path)
    text = (HERE / "rule_mistakes.toml").read_text("utf-8")
    expected = [
        (number, code)
        for number, line in enumerate(text.splitlines(), 1)
        for code in re.findall(r"CFG-\d+", line.partition(" # ")[2])
    ]
    found = load(tmp_path, ENV)
    assert [(p.line, p.code) for p in found.problems] == expected
    assert {Path(p.file).name for p in found.problems} == {"rule_mistakes.toml"}
    assert {code for _, code in expected} >= {f"CFG-{n}" for n in (127, 128, 129, *range(133, 139))}
    for problem in found.problems:
        for told in (problem.message, problem.why, problem.fix):
            assert spoken(told, "zh")
            assert spoken(told, "en")


RATE = '[[rule]]\nkind = "rate"\npoint = "huadong/panel-1/h2s-1"\ngrade = "yellow"\n'


def test_a_key_of_another_kind_is_told_whose_it_is() -> None:
    (problem,) = loaded(f'{RATE}limit = 1\nolder = "5m"\n').problems
    assert (problem.code, problem.line) == ("CFG-127", 6)
    assert 'kind = "age"' in problem.fix
    (problem,) = loaded(f'{RATE}limit = 1\nwindwo = "5m"\n').problems
    assert problem.code == "CFG-103"
    assert "window" in problem.fix


def test_an_expression_is_refused_with_its_column() -> None:
    rule = (
        '[[rule]]\nkind = "expression"\npoint = "huadong/panel-1/h2s-1"\ngrade = "yellow"\n'
        'names = { a = "huadong/panel-1/h2s-1" }\nexpression = "a > 5 %LEL"\n'
    )
    (problem,) = loaded(rule).problems
    assert (problem.code, problem.line) == ("CFG-128", 6)
    assert "column 3:" in problem.message


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ('kind = "exposure"\npoint = "huadong/panel-1/co-1"\naverage = "stel"\nlimit = 26',
         "LINT-036"),
        ('kind = "age"\npoint = "huadong/panel-1/co-1"\nolder = "1h"\n'
         'names = { a = "huadong/panel-1/co-1" }', "LINT-034"),
    ],
)  # fmt: skip
def test_what_is_doubtful_is_a_warning(rule: str, code: str) -> None:
    found = loaded(f'[[rule]]\n{rule}\ngrade = "yellow"\n')
    assert [(p.code, p.level) for p in found.problems] == [(code, "warning")]


def test_a_level_may_be_armed_and_shadow_but_never_twice() -> None:
    rule = f"{RATE}limit = "
    assert codes(f"{rule}1\n{rule}2\nshadow = true\n") == []
    assert codes(f"{rule}1\n{rule}2\n") == ["CFG-124"]


def test_a_wrong_point_is_reported_once_and_hides_no_other_rule() -> None:
    park = PARK.replace('gas = "CO", reg', 'gas = "COO", reg')
    rule = '[[rule]]\nkind = "exposure"\naverage = "twa"\ngrade = "yellow"\npoint = '
    found = loaded(f'{rule}"huadong/panel-1/co-1"\n{rule}"huadong/panel-1/h2s-1"\n', park)
    assert [p.code for p in found.problems] == ["CFG-116", "CFG-134"]


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ('side = "up"\nlimit = -1', ["CFG-106"]),  # Of a wrong side nothing is concluded.
        ('window = "1s"\nlimit = 1e9', ["CFG-106"]),
        ('limit = 1\nenable = "("\nlevel = 9', ["CFG-128", "CFG-106"]),
        ('limit = 1\nenable = "a"\nnames = { a = 3 }', ["CFG-106"]),
        ('limit = 1\nkind = ["rate"]', ["CFG-102"]),
    ],
)
def test_one_mistake_hides_no_other_and_makes_none(more: str, found: list[str]) -> None:
    assert codes(f"{RATE}{more}\n") == found


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (", al1 = 50, al2 = 100", "", "CFG-134"),
        ('"VOC-1", ', '"VOC-1", unit = "pmm", ', "CFG-104"),
        ('"VOC-1", ', '"VOC-1", range = [9, 1], ', "CFG-115"),
    ],
)
def test_a_wrong_point_is_not_reported_of_its_trend_too(old: str, new: str, code: str) -> None:
    rule = RATE.replace("rate", "trend").replace("h2s-1", "voc-1") + 'within = "5m"\n'
    assert [p.code for p in loaded(rule, PARK.replace(old, new)).problems] == [code]


def test_the_schema_shows_every_kind() -> None:
    rules = Config.model_json_schema(by_alias=True)["$defs"]
    shown = {d["properties"]["kind"]["const"] for d in rules.values() if "level" in d["properties"]}
    assert shown == set(KINDS)
