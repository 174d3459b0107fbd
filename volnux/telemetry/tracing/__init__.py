"""Traces and metrics through the OpenTelemetry API."""
