"""What is installed is what is here: no folder forgotten, no file left behind, and it runs."""

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOPS = ("daemon", "drivers", "rules", "simulator")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

# Building, and a fresh environment from the lock, take their time on a cold machine.
pytestmark = pytest.mark.timeout(300)


def ours() -> set[str]:
    """Every file of the four folders, as the wheel should name it."""
    return {
        "parkwatch/" + str(path.relative_to(ROOT))
        for top in TOPS
        for path in (ROOT / top).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_every_package_folder_is_named() -> None:
    found = {
        "parkwatch." + ".".join(module.parent.relative_to(ROOT).parts)
        for top in TOPS
        for module in (ROOT / top).rglob("*.py")
    }
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == found


def test_the_links_for_the_type_checkers_are_there() -> None:
    links = {path.name: str(path.readlink()) for path in (ROOT / "src/parkwatch").iterdir()}
    assert links == {top: f"../../{top}" for top in TOPS}


def test_nothing_is_installed_without_its_hash_or_from_a_named_host() -> None:
    for lock in sorted((ROOT / "requirements").glob("*.lock")):
        text = lock.read_text(encoding="utf-8")
        assert "://" not in text, lock.name
        pins = text.replace("\\\n", "").splitlines()
        assert pins, lock.name
        assert all("==" in pin and "--hash=sha256:" in pin for pin in pins if pin), lock.name


def test_what_runs_is_what_was_tested() -> None:
    locks = [(ROOT / "requirements" / name).read_text() for name in ("run.lock", "test.lock")]
    run, tested = (
        {line.split(" ")[0] for line in lock.splitlines() if "==" in line} for lock in locks
    )
    assert run <= tested


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """What a command prints; a failure shows all that it said."""
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: what an earlier build left in the tree must not leak in."""
    copy = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "README.md", *TOPS):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy)
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", out, copy)
    return next(out.glob("*.whl"))


def test_the_wheel_holds_every_file_and_nothing_else(wheel: Path) -> None:
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert inside == ours()


def test_the_wheel_runs_in_an_environment_of_its_own(wheel: Path, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    uv = Path(sys.executable).with_name("uv")
    run(sys.executable, "-m", "venv", venv)
    if uv.exists():
        (venv / "bin/uv").symlink_to(uv)
    run(ROOT / "deploy/install-lock", venv, ROOT / "requirements/run.lock")
    run(venv / "bin/python", "-m", "pip", "install", "-q", "--no-deps", "--no-index", wheel)
    assert "demo" in run(venv / "bin/parkwatch", "--help", cwd=tmp_path)
    assert PROJECT["project"]["version"] in run(venv / "bin/parkwatch", "version", cwd=tmp_path)
    where = "import parkwatch.rules as rules; print(rules.__file__)"
    assert run(venv / "bin/python", "-c", where, cwd=tmp_path).startswith(str(venv))
