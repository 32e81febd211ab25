"""Motorium: one open toolchain from robot and driving logs to a tested, deployable policy."""

__version__ = "0.1.0"
