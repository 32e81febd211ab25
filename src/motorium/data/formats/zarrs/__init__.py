"""Zarr stores, version 2 and 3, read by hand: bounded, and without following links."""
