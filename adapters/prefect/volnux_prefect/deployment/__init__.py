"""Deployments: the pipelines of a folder, the files that Prefect reads, and the server."""
