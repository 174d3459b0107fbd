"""Where telemetry is sent: Prometheus, Grafana Cloud, Elasticsearch, or your own publisher."""
