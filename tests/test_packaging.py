"""What is installed is what is here: no folder forgotten, no file left behind."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_every_package_folder_is_named() -> None:
    named = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    )
    found = {
        "parkwatch." + ".".join(init.parent.relative_to(ROOT).parts)
        for top in ("daemon", "drivers", "rules", "simulator")
        for init in (ROOT / top).rglob("__init__.py")
    }
    assert named == found
