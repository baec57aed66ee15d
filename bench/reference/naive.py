"""The naive reference: no registry, state, quality, history or journal. HOST PORT USER PASSWORD."""

import json
import sys
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

LIMIT = 50.0


def on_message(client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
    value = json.loads(message.payload)["val"]
    if (max(value) if isinstance(value, list) else value) >= LIMIT:
        client.publish("bench/alarm", message.topic, qos=1)


if __name__ == "__main__":
    made = paho.Client(CallbackAPIVersion.VERSION2, "naive", clean_session=False)
    made.username_pw_set(sys.argv[3], sys.argv[4])
    made.on_message = on_message
    made.on_connect = lambda c, *_: c.subscribe("bench/in/#", qos=1)
    made.on_subscribe = lambda *_: print("ready", flush=True)
    made.connect(sys.argv[1], int(sys.argv[2]))
    made.loop_forever()
