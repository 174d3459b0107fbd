"""Placeholder until the branch with the store is merged."""
