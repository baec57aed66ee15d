"""`init NAME`: a commented configuration to begin with, its secrets in files of their own."""

from __future__ import annotations

import argparse
import os
import secrets
from importlib import resources
from pathlib import Path

from parkwatch.daemon.cli import output
from parkwatch.daemon.config.words import both, spoken
from parkwatch.rules.fault import Fault

TEMPLATES = {
    "gas-panel": both("Modbus TCP 气体报警盘", "a gas panel on Modbus TCP"),
    "mqtt-gateway": both("企业 MQTT 网关", "an enterprise's MQTT gateway"),
    "vessel": both("压力容器", "a pressure vessel"),
    "boiler": both("蒸汽锅炉", "a steam boiler"),
    "esd": both("紧急停车系统 (只读)", "an emergency shutdown system, read only"),
}
_URL = "json://127.0.0.1:9999/"


def text(template: str) -> str:
    """The configuration of one of TEMPLATES."""
    folder = resources.files("parkwatch.daemon.cli").joinpath("templates")
    return "".join(
        folder.joinpath(f"{part}.toml").read_text("utf-8") for part in ("common", template)
    )


def run(options: argparse.Namespace) -> int:
    """Make the folder; an existing configuration is never overwritten."""
    if options.template == "list":
        rows = [{"template": name, "what": what} for name, what in TEMPLATES.items()]
        if options.json:
            output.document(ok=True, data=rows)
        else:
            output.table(
                ("template", ""), [(name, spoken(what)) for name, what in TEMPLATES.items()]
            )
        return 0
    if options.name is None:
        raise Fault("SYS-107", both("缺少目录名", "no name is given"), "parkwatch init mypark")
    folder = Path(options.name)
    path = folder / "park.toml"
    try:
        (folder / "secrets").mkdir(parents=True, exist_ok=True, mode=0o700)
        with path.open("x", encoding="utf-8") as out:
            out.write(text(options.template))
        _tests(folder, options.template)
        _secret(folder / "secrets" / "work.url", _URL)
        if options.template == "mqtt-gateway":
            _secret(folder / "secrets" / "mqtt.password", secrets.token_urlsafe(12))
            _secret(folder / "secrets" / "huadong.key", secrets.token_hex(32))
    except FileExistsError:
        raise Fault(
            "SYS-105",
            both(f"{path} 已存在", f"{path} exists already"),
            both("换一个名字", "choose another name"),
        ) from None
    except OSError as error:
        raise Fault(
            "SYS-108",
            both(f"无法写入 {error.filename}", f"{error.filename} cannot be written"),
            error.strerror or "",
        ) from error
    if options.json:
        output.document(ok=True, data={"path": str(path)})
    else:
        print(f"{path}\n  parkwatch check {folder}\n  parkwatch run -c {folder}")
    return 0


def _tests(folder: Path, template: str) -> None:
    """Rule tests in a folder of their own: all TOML files beside the park belong to it."""
    source = resources.files("parkwatch.daemon.cli").joinpath(f"templates/{template}.tests.toml")
    if source.is_file():
        path = folder / "tests" / "rules.toml"
        path.parent.mkdir(exist_ok=True)
        if not path.exists():
            path.write_text(source.read_text("utf-8"), "utf-8")


def _secret(path: Path, value: str) -> None:
    """Readable by its owner only, from the first byte; one that is there stays."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        out.write(f"{value}\n")
