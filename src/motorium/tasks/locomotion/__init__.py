"""Tasks of robots on legs."""
