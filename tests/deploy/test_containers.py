"""The container files: nobody is root, nothing is writable that need not be, nobody waits."""

from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # comes without types

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"


@pytest.fixture
def services() -> dict[str, Any]:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    services: dict[str, Any] = yaml.safe_load(text)["services"]
    return services


def test_the_daemon_runs_as_nobody_special_on_a_read_only_file_system(
    services: dict[str, Any],
) -> None:
    ours = services["parkwatch"]
    assert ours["read_only"]
    assert ours["cap_drop"] == ["ALL"]
    last_stage = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").rpartition("\nFROM ")[2]
    assert "\nUSER parkwatch\n" in last_stage


def test_every_service_comes_back_and_none_waits_for_another(services: dict[str, Any]) -> None:
    assert all(service["restart"] == "always" for service in services.values())
    assert not any("depends_on" in service for service in services.values())


def test_the_files_that_compose_mounts_are_there(services: dict[str, Any]) -> None:
    made_on_site = {"./parkwatch.toml", "./mosquitto-secrets"}
    mounts = {volume.split(":")[0] for one in services.values() for volume in one["volumes"]}
    for mount in mounts - made_on_site:
        assert not mount.startswith(".") or (DEPLOY / mount).exists(), mount


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    for line in (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines():
        if not line.startswith("COPY ") or "--from" in line:
            continue
        for source in line.split()[1:-1]:
            assert (DEPLOY.parent / source).exists(), source
            assert f"!{source.split('/')[0]}" in ignored, source
