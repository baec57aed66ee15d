"""InfluxDB 2 on the shipped configuration takes a write and gives it back, over a kill too."""

from typing import Any

import pytest
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

pytestmark = pytest.mark.influx


def rows(server: Any) -> list[float]:
    with InfluxDBClient(url=server.url, token=server.token, org=server.org) as client:
        query = f'from(bucket:"{server.bucket}") |> range(start: 0)'
        tables = client.query_api().query(query)
        return [record.get_value() for table in tables for record in table.records]


def test_a_write_that_was_acknowledged_survives_a_kill(influxd: Any) -> None:
    with InfluxDBClient(url=influxd.url, token=influxd.token, org=influxd.org) as client:
        client.write_api(write_options=SYNCHRONOUS).write(
            influxd.bucket, record="reading,point=h2s value=24.6 1732345678901000000"
        )
    assert rows(influxd) == [24.6]
    influxd.kill()
    influxd.start()
    assert rows(influxd) == [24.6]


def test_nobody_reads_without_a_token(influxd: Any) -> None:
    with (
        InfluxDBClient(url=influxd.url, token="wrong", org=influxd.org) as client,
        pytest.raises(ApiException, match="401"),
    ):
        client.query_api().query(f'from(bucket:"{influxd.bucket}") |> range(start: 0)')
