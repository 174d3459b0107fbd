"""Where telemetry is sent: Prometheus, Grafana Cloud, Elasticsearch, or a publisher of yours."""
