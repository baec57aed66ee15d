"""Modbus over TCP, RTU over TCP and RTU on a serial line: one scheduler a bus, reads only."""
