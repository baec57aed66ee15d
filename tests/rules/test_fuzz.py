"""The fuzzer of the rules: it ends in time with its line, and finds what was broken on purpose."""

import re

import fuzz
import pytest

LINE = re.compile(r"fuzz rules: (\d+) cases, (\d+) transitions, (\d+) differences, seed (\d+) ")


def test_it_ends_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.main(["--only", "rules", "--seconds", "50", "--seed", "7", "--cases", "20"]) == 0
    line = LINE.fullmatch(capsys.readouterr().out.rpartition("(")[0])
    assert line is not None
    assert line.groups()[0::2] == ("20", "0")
    assert int(line[2]) > 20
    assert line[4] == "7"


def test_it_finds_a_reached_limit_that_does_not_count(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`>` for `>=`, and the seed that it names shows it again."""
    from parkwatch.rules.evaluate import kernel

    real = kernel.truth

    def more_than(table, row, value, quality, *, least=False):
        if not table.at.fault[row] and value == table.at.limit[row] and not table.at.holds[row]:
            value += -1e-9 if table.at.high[row] else 1e-9
        return real(table, row, value, quality, least=least)

    monkeypatch.setattr(kernel, "truth", more_than)
    assert fuzz.main(["--seconds", "50", "--seed", "1"]) == 1
    said = capsys.readouterr().out
    seed = re.search(r"seed (\d+) differs", said)
    assert seed is not None
    assert "\nrule Limit(" in said
    assert "\nengine: " in said
    assert said.count("\n+") <= 6
    assert fuzz.main(["--seed", seed[1], "--cases", "1"]) == 1


def test_it_finds_an_engine_that_breaks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("parkwatch.rules.measures.trend.slopes", broken)
    assert fuzz.main(["--seconds", "50", "--seed", "1"]) == 1
    assert "engine: ZeroDivisionError()" in capsys.readouterr().out


def test_nothing_else_is_fuzzed_yet(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        fuzz.main(["--only", "packed"])
    assert ended.value.code == 2
    assert "invalid choice: 'packed' (choose from" in capsys.readouterr().err
