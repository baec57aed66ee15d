"""A small park to be told about, and a provider that remembers and answers as it is told."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from parkwatch.daemon.config.resolve import Chain, Channel, Person
from parkwatch.daemon.notify.chain import Directory
from parkwatch.rules.grade import Grade
from parkwatch.rules.site import SECOND_NS, Device, Point, Site, Zone
from parkwatch.rules.transition import AlarmView, Transition

MINUTE_NS = 60 * SECOND_NS
RAISED = 1_764_050_580 * SECOND_NS  # 2025-11-25 14:03 in Shanghai
GAS = "huadong/panel-1/h2s-0103:gas"
CHANNELS = ("work", "sms", "voice")


def point(name: str, tag: str, unit: str, **columns: Any) -> Point:
    columns.setdefault("zone", "huadong/tank-a")
    index = columns.pop("index")
    return Point(f"huadong/{name}", index, tag, "huadong", "huadong/panel-1", unit=unit, **columns)


def make_site() -> Site:
    return Site(
        points=[
            point("panel-1/h2s-0103", "H2S-0103", "ppm", index=0, gas="H2S", resolution=0.1),
            point("panel-1/h2s-0104", "H2S-0104", "ppm", index=1, gas="H2S", resolution=0.1),
            point("panel-1/ch4-0021", "CH4-0021", "%LEL", index=2, gas="CH4", resolution=1.0),
            point("panel-1/o2-0001", "O2-0001", "%vol", index=3, gas="O2", resolution=0.1),
            point("boiler-1/level", "LT-101", "mm", index=4, kind="level", zone="huadong/boiler"),
            point("esd-1/psh", "PSHH-201", "", index=5, kind="state", zone="huadong/boiler"),
        ],
        zones={
            "huadong/tank-a": Zone("huadong/tank-a", "huadong", "罐区A", chain="tank"),
            "huadong/boiler": Zone("huadong/boiler", "huadong", "1#锅炉房"),
        },
        devices={"huadong/panel-1": Device("huadong/panel-1", "huadong")},
        enterprises={"huadong": "华东化工"},
        name="示例园区",
    )


def happened(
    event: str = "raise",
    grade: Grade = Grade.ORANGE,
    alarm: str = GAS,
    **more: Any,
) -> Transition:
    """A transition at RAISED; other keywords are its fields, and `cause` is filled up."""
    after = {"ack": "ack_active", "return": "latched_unack", "reset": "normal"}
    fields: dict[str, Any] = {
        "occurrence": RAISED,
        "version": 1,
        "before": "normal",
        "after": after.get(event, "unack_active"),
        "peak": grade,
        "received": RAISED,
    }
    cause = {"value": 14.3, "unit": "ppm", "tag": "H2S-0103", **more.pop("cause", {})}
    return Transition(alarm=alarm, event=event, grade=grade, **{**fields, **more}, cause=cause)


def seen(
    core: str, grade: Grade = Grade.RED, mask: str = "", occurrence: int = RAISED
) -> AlarmView:
    """An alarm as the engine shows it."""
    return AlarmView(
        GAS, occurrence, 1, mask or core, core, grade, grade, mask, RAISED, RAISED, 1, {}
    )


def person(name: str, *, enterprise: str = "", role: str = "operator", **more: Any) -> Person:
    fields: dict[str, Any] = {"duties": (), "channels": CHANNELS[:2], "phone": ""}
    return Person(name, f"姓{name}", role, enterprise=enterprise, **{**fields, **more})


def make_directory(url: Callable[[str], str] = lambda channel: f"json://{channel}") -> Directory:
    people = (
        person("zhangwei", phone="13800000001"),
        person("liqiang", enterprise="huadong", duties=("safety-head",), channels=("sms",)),
        person("wangfang", enterprise="binhai", duties=("safety-head",)),
        person("lead", role="shift-lead", channels=("voice", "gone")),
        person("mute", role="shift-lead", channels=()),
    )
    tank = Chain(
        {
            "red": ("zhangwei", "duty:safety-head", "role:shift-lead", "zhangwei"),
            "orange": ("zhangwei", "duty:safety-head"),
            "yellow": ("zhangwei",),
        },
        {"red": MINUTE_NS, "orange": 10 * MINUTE_NS},
    )
    default = Chain({"orange": ("role:shift-lead",), "blue": ("wangfang",)}, {})
    return Directory(
        {p.id: p for p in people},
        {c: Channel(c, "apprise", url(c), per_minute=600) for c in CHANNELS},
        {"default": default, "tank": tank},
    )


class Provider:
    """An HTTP server: `bodies` are (path, JSON) as they came; `answer(path)` is the status,
    `answered()` is told when that was sent."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, dict[str, Any]]] = []
        self.answer: Callable[[str], int] = lambda path: 200
        self.answered: Callable[[], None] = lambda: None
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                data = self.rfile.read(size)
                if len(data) < size:
                    return  # Whoever sent it died meanwhile.
                provider.bodies.append((self.path, json.loads(data)))
                status = provider.answer(self.path)
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()
                provider.answered()

            def do_GET(self) -> None:
                provider.bodies.append((self.path, {}))
                self.send_response(200)
                self.end_headers()

            def log_request(self, *args: Any) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def url(self, channel: str, scheme: str = "json") -> str:
        return f"{scheme}://127.0.0.1:{self.server.server_port}/{channel}"

    def texts(self, channel: str) -> list[str]:
        """What came over a channel."""
        found = [body for path, body in self.bodies if path.strip("/") == channel]
        return [body.get("message", body.get("text", "")) for body in found]

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join(5)
        self.server.server_close()
