"""From a recording to episodes: what it is, what maps to what, one clock, one episode after another."""
