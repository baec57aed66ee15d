"""MQTT 5 and 3.1.1: what gateways send, acknowledged when it is safe and not before."""
