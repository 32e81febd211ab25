"""Reinforcement learning over `core.protocols.Env`: collecting, PPO, and policies from it."""
