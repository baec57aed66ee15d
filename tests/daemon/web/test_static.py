"""What the page is made of: two equal languages, nothing from outside, libraries as published."""

import gzip
import hashlib
import json
import re
from importlib import resources
from pathlib import Path

STATIC = Path(str(resources.files("parkwatch.daemon.web"))) / "static"
OWN = [path for path in STATIC.rglob("*") if path.suffix in {".js", ".html", ".css"}
       and "vendor" not in path.parts]  # fmt: skip
# Keys made at run time: the family and its members.
FAMILIES = {
    "grade": {"red", "orange", "yellow", "blue"},
    "quality": {"good", "uncertain", "bad"},
    "state": {
        "normal", "unack_active", "ack_active", "rtn_unack", "latched_unack", "latched_ack",
        "shelved", "suppressed_by_design", "out_of_service",
    },
    "act": {
        "silence", "ack", "reset", "shelve", "unshelve", "out-of-service", "return-to-service",
        "dispose",
    },
    "mask": {
        "shelved", "plant", "out_of_service", "reason", "minutes", "permit", "hours", "second",
        "pin",
    },
    "dispose": {"open", "handled", "verified", "cause", "measure", "evidence"},
    "role": {
        "operator", "shift-lead", "technician", "on-call", "engineer", "safety", "drill-leader",
        "approver", "enterprise", "viewer", "auditor", "admin",
    },
    "span": {"m5", "h1", "h8", "d7"},
    "column": {
        "grade", "state", "raised", "lasting", "place", "tag", "alarm", "value", "quality", "act",
    },
    "reason": {
        "none", "fault", "stale", "comms", "out_of_service", "calibrating", "warming_up",
        "over_range", "under_range", "substituted", "clock", "doubtful", "unverified", "unknown",
    },
}  # fmt: skip


def table(language: str) -> dict[str, str]:
    return dict(json.loads((STATIC / "i18n" / f"{language}.json").read_text(encoding="utf-8")))


def test_both_languages_have_the_same_keys_and_places() -> None:
    zh, en = table("zh"), table("en")
    assert list(zh) == list(en)
    for key in zh:
        assert set(re.findall(r"\{\w+\}", zh[key])) == set(re.findall(r"\{\w+\}", en[key])), key


def test_every_key_that_the_page_uses_exists() -> None:
    keys = set(table("zh"))
    used = {f"{family}.{member}" for family, members in FAMILIES.items() for member in members}
    for path in OWN:
        text = path.read_text(encoding="utf-8")
        used |= set(re.findall(r"""\bt\(["']([^"'$]+)["']""", text))
        used |= set(re.findall(r'data-i18n(?:-\w+)?="([^"$]+)"', text))
        used |= set(re.findall(r'row\("(why\.\w+)"', text))
    assert not used - keys
    assert len(used) > 100


def test_no_chinese_stands_in_the_scripts() -> None:
    for path in STATIC.rglob("*.js"):
        if "vendor" in path.parts:
            continue
        text = path.read_text(encoding="utf-8").replace("中文", "")  # the switch names itself
        assert not re.findall(r"[\u4e00-\u9fff]+", text), path


def test_nothing_is_fetched_from_outside_and_nothing_runs_inline() -> None:
    for path in OWN:
        text = path.read_text(encoding="utf-8")
        assert not re.findall(r"(?:https?:)?//[\w.-]+\.\w+", text), path
        assert "innerHTML" not in text, path
        if path.suffix == ".html":
            assert not re.findall(r"<script(?![^>]*\bsrc=)", text), path
            assert not re.findall(r"""\s(?:on\w+|style)=["']""", text), path


def test_the_vendored_library_is_the_published_one() -> None:
    for line in (STATIC / "vendor" / "SHA256SUMS").read_text().splitlines():
        wanted, name = line.split()
        assert hashlib.sha256((STATIC / "vendor" / name).read_bytes()).hexdigest() == wanted
    assert "MIT" in (STATIC / "vendor" / "uPlot-LICENSE.txt").read_text()


def test_the_first_view_stays_small() -> None:
    def size(paths: list[Path]) -> int:
        return sum(len(gzip.compress(path.read_bytes())) for path in paths)

    first = [p for p in STATIC.rglob("*") if p.is_file() and "vendor" not in p.parts]
    assert size(first) <= 60_000
    assert size([p for p in STATIC.rglob("*") if p.is_file()]) <= 150_000
