"""Measurements as ratios against references; `python -m bench --only GROUP --json FILE`."""
