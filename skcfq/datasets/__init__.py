"""Loaders with their action sets, and a generator with known recourse."""
