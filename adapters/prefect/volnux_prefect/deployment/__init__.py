"""Deployments: what a folder says, the files that Prefect reads of it, and what the server has."""
