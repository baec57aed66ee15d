"""A wrong configuration: every mistake named in one run, each at its line, none invented."""

import re
from pathlib import Path

import pytest

from parkwatch.daemon.cli.init import text
from parkwatch.daemon.config.load import Loaded, load
from parkwatch.daemon.config.words import spoken

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
GOOD = (
    text("gas-panel")
    .replace("file:secrets/work.url", "env:WORK_URL")
    .replace("reg = 40017, scale", 'reg = 40017, type = "u16", scale')
    .replace("reg = 40018, range", 'reg = 40018, type = "u16", sensor = "catalytic", range')
)
ENV = {"WORK_URL": "json://127.0.0.1:9/", "SHORT_KEY": "abcd", "PLAIN": "12345678"}


def loaded(content: str, folder: Path) -> Loaded:
    path = folder / "park.toml"
    path.write_text(content, encoding="utf-8")
    return load(path, ENV)


def test_many_mistakes_are_all_named_at_their_lines_in_one_run() -> None:
    path = HERE / "thirty_mistakes.toml"
    expected = {
        (number, code)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        for code in re.findall(r"CFG-\d+", line.partition(" # ")[2])
    }
    found = load(path, ENV)
    assert {(p.line, p.code) for p in found.errors} == expected
    assert len(expected) >= 30
    assert found.config is None
    assert [p.line for p in found.problems] == sorted(p.line for p in found.problems)
    for problem in found.problems:
        for told in (problem.message, problem.why, problem.fix):
            assert spoken(told, "zh")
            assert spoken(told, "en")


def test_a_good_park_has_nothing_to_say(tmp_path: Path) -> None:
    found = loaded(GOOD, tmp_path)
    assert found.problems == ()
    assert found.config is not None


@pytest.mark.parametrize(
    ("wrong", "right", "near"),
    [
        ("unit_id", "unitid", "unit_id"),
        ('risk = "red"', 'rsik = "red"', "risk"),
        ('role = "operator"', 'role = "operater"', "operator"),
        ('gas = "H2S"', 'gas = "H2SS"', "H2S"),
        ('zone = "tank-a"', 'zone = "tank-aa"', "tank-a"),
        ('red = [["zhangwei"', 'red = [["zhangwie"', "zhangwei"),
        ('channels = ["work"]', 'channels = ["wrok"]', "work"),
        ('template = "modbus-tcp-panel"', 'template = "modbus-panel"', "modbus-tcp-panel"),
    ],
)
def test_a_misspelt_word_is_answered_with_the_right_one(
    wrong: str, right: str, near: str, tmp_path: Path
) -> None:
    assert wrong in GOOD
    found = loaded(GOOD.replace(wrong, right), tmp_path)
    assert any(near in problem.fix for problem in found.errors), found.problems


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('gas = "H2S", reg = 40017', 'gas = "CH4", al1 = 3, reg = 40017', "LINT-031"),
        ('channels = ["work"]', "channels = []", "LINT-013"),
        ('after = "3m"', 'after = "30s"', "LINT-015"),
        ("[zone.tank-a]", '[zone.empty]\nenterprise = "huadong"\nname = "空"\n[zone.tank-a]',
         "LINT-011"),
        ("[[device]]", '[template.idle]\nextends = "esd-readonly"\n[[device]]', "LINT-012"),
        ('reg = 40017, type = "u16"', "reg = 40017", "LINT-032"),
        (', sensor = "catalytic"', "", "LINT-033"),
        ("[[device]]", '[broker.far]\nhost = "192.0.2.1"\n[[device]]', "LINT-014"),
    ],
)  # fmt: skip
def test_what_is_doubtful_is_a_warning_and_no_error(
    old: str, new: str, code: str, tmp_path: Path
) -> None:
    assert old in GOOD
    found = loaded(GOOD.replace(old, new, 1), tmp_path)
    assert code in [problem.code for problem in found.problems]
    assert found.errors == ()


def test_a_gateway_without_a_key_is_a_warning() -> None:
    example = ROOT / "deploy/parkwatch.example.toml"
    env = {"WECOM_BOT": "https://127.0.0.1/", "MQTT_PASSWORD": "x"}
    assert load(example, env).errors == ()


def test_a_password_in_the_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    changed = GOOD.replace('role = "operator"', 'role = "operator"\npassword = "hunter2"')
    (problem,) = loaded(changed, tmp_path).errors
    assert problem.code == "CFG-106"
    assert "hunter2" not in problem.message + problem.why + problem.fix


def test_a_tightened_set_point_is_allowed_and_full_width_means_what_it_shows(
    tmp_path: Path,
) -> None:
    for new in ('gas = "H2S", al1 = 5, al2 = 10', 'gas = "Ｈ２Ｓ", unit = "㎎/m³"'):
        assert loaded(GOOD.replace('gas = "H2S"', new, 1), tmp_path).problems == ()


def test_nothing_in_a_file_makes_the_check_itself_fall_over(tmp_path: Path) -> None:
    # Python refuses to read thousands of digits, in an error that no TOML reader expects.
    digits = "schema = " + "1" * 5_000
    for content in (
        "", "device = 3", "zone = []\npark = 1", "[[zone]]\n", "x = " + "[" * 5_000, digits
    ):  # fmt: skip
        assert loaded(content, tmp_path).errors


def test_one_mistake_of_a_point_hides_no_other(tmp_path: Path) -> None:
    line = next(line for line in GOOD.splitlines() if "CH4-0021" in line)
    wrong = line.replace("range = [0, 100]", "range = [100, 0], al1 = 99, al2 = 100")
    found = loaded(GOOD.replace(line, wrong), tmp_path)
    assert sorted(p.code for p in found.errors) == ["CFG-115", "CFG-120", "CFG-120"]


def test_what_was_pasted_by_mistake_does_not_fill_the_screen(tmp_path: Path) -> None:
    found = loaded(GOOD.replace('gas = "H2S"', f'gas = "{"x" * 40_000}"', 1), tmp_path)
    assert found.errors
    assert all(len(problem.message) < 2_000 for problem in found.problems)
