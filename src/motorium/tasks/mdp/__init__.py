"""Tasks as Markov decision processes: pure functions of a batch of arrays, run by one Env on any engine."""
