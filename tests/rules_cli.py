"""The park of the command line's rule tests and replays: two methane detectors of one zone."""

P = "huadong/panel-1"
PARK = """schema = 1
[park]
name = "示例园区"
[people.zhangwei]
name = "张伟"
role = "operator"
channels = ["work"]
[channel.work]
kind = "apprise"
url = "env:NOT_SET_HERE"
[chain.default]
red = [["zhangwei"]]
orange = [["zhangwei"]]
yellow = [["zhangwei"]]
blue = [["zhangwei"]]
[journal]
key = "env:NOT_SET_HERE_EITHER"
[enterprise.huadong]
name = "华东化工"
[zone.tank-a]
enterprise = "huadong"
name = "罐区A"
[[device]]
id = "panel-1"
enterprise = "huadong"
template = "modbus-tcp-panel"
host = "192.0.2.10"
points = [
  { tag = "CH4-0101", zone = "tank-a", gas = "CH4", reg = 40017, range = [0, 100], resolution = 1 },
  { tag = "CH4-0102", zone = "tank-a", gas = "CH4", reg = 40018, range = [0, 100], resolution = 1 },
]
"""
