"""Tasks of arms at a table, learned by reinforcement."""
