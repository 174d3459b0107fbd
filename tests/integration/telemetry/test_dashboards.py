"""The dashboards of `examples/telemetry`: importable, and every panel fed by what is published."""

import fnmatch
import json
import re
from pathlib import Path

import pytest
from prometheus_server import prometheus_server
from servers import eventually
from test_elasticsearch import OPERATION, made

from volnux.telemetry import ElasticsearchPublisher, PrometheusPublisher
from volnux.telemetry.publishers.elasticsearch import FIELDS

FOLDER = Path(__file__).parents[3] / "examples" / "telemetry"
GRAFANA = json.loads((FOLDER / "prometheus_dashboard.json").read_text())
KIBANA = [
    json.loads(line) for line in (FOLDER / "elasticsearch_dashboard.json").read_text().splitlines()
]
VISUALIZATIONS = [item for item in KIBANA if item["type"] == "visualization"]


def filled(query):
    """A query of Grafana in the form that Prometheus gets."""
    for name, value in (
        ("$__rate_interval", "10s"),
        ("$__range", "10s"),
        ("$pipeline", ".*"),
    ):
        query = query.replace(name, value)
    assert "$" not in query
    return query


def publish_one_of_each(publisher):
    publisher.publish_event_metrics(made())
    publisher.publish_event_metrics(
        made(status="failure", descriptor=0, error_type="ValueError", error_message="no")
    )
    publisher.publish_network_metrics(OPERATION)
    publisher.publish_network_metrics(
        {**OPERATION, "status": "failure", "error_type": "OSError", "error_message": "gone"}
    )


def test_every_panel_of_grafana_has_data(tmp_path):
    publisher = PrometheusPublisher(port=0)
    publish_one_of_each(publisher)
    queries = {
        f"{panel['title']}: {target['legendFormat']}": filled(target["expr"])
        for panel in GRAFANA["panels"]
        for target in panel["targets"]
    }
    assert len(queries) > 15
    try:
        with prometheus_server(tmp_path, publisher.port) as query:

            def empty():
                # A rate needs values that change.
                publish_one_of_each(publisher)
                return [name for name, text in queries.items() if query(text) is None]

            eventually(lambda: not empty())
    finally:
        publisher.close()


def test_every_label_of_grafana_exists():
    publisher = PrometheusPublisher(port=None)
    publish_one_of_each(publisher)
    labels = {
        sample.name: {*sample.labels, "le"}
        for metric in publisher.registry.collect()
        for sample in metric.samples
    }
    texts = [target["expr"] for panel in GRAFANA["panels"] for target in panel["targets"]]
    for text in texts:
        names = set(re.findall(r"volnux_\w+", text))
        assert names, text
        assert names <= labels.keys(), text
        used = set(re.findall(r"(\w+)=~?\"", text))
        for group in re.findall(r"by \(([^)]*)\)", text):
            used |= {label.strip() for label in group.split(",")}
        for name in names:
            assert used - {"status"} <= labels[name], text
    (variable,) = GRAFANA["templating"]["list"]
    assert variable["definition"] == "label_values(volnux_events_total, pipeline)"


def test_grafana_can_import_it():
    (source,) = GRAFANA["__inputs"]
    assert (source["name"], source["pluginId"]) == ("DS_PROMETHEUS", "prometheus")
    assert GRAFANA["id"] is None
    ids = [panel["id"] for panel in GRAFANA["panels"]]
    assert len(ids) == len(set(ids))
    taken = set()
    for panel in GRAFANA["panels"]:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${DS_PROMETHEUS}"}
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not cells & taken, f"{panel['title']} lies on another panel"
        taken |= cells


def test_kibana_can_import_it():
    known = {(item["type"], item["id"]) for item in KIBANA}
    assert len(known) == len(KIBANA)
    for item in KIBANA:
        assert {"id", "type", "attributes", "references"} <= item.keys()
        for reference in item["references"]:
            assert (reference["type"], reference["id"]) in known
    (dashboard,) = [item for item in KIBANA if item["type"] == "dashboard"]
    panels = json.loads(dashboard["attributes"]["panelsJSON"])
    names = {reference["name"] for reference in dashboard["references"]}
    assert {f"{panel['panelIndex']}:{panel['panelRefName']}" for panel in panels} == names
    assert len(panels) == len(VISUALIZATIONS)


@pytest.mark.parametrize("item", VISUALIZATIONS, ids=lambda item: item["id"])
def test_every_panel_of_kibana_is_fed(elasticsearch, item):
    publisher = ElasticsearchPublisher(hosts=f"localhost:{elasticsearch.port}")
    publish_one_of_each(publisher)
    publisher.close()
    views = {each["id"]: each["attributes"] for each in KIBANA if each["type"] == "index-pattern"}
    view = views[item["references"][0]["id"]]
    documents = [
        document
        for (index, _), document in elasticsearch.documents.items()
        if fnmatch.fnmatch(index, view["title"])
    ]
    assert documents
    state = json.loads(item["attributes"]["visState"])
    fields = {agg["params"]["field"] for agg in state["aggs"] if "field" in agg["params"]}
    assert fields
    for field in {*fields, view["timeFieldName"]}:
        assert any(document.get(field) is not None for document in documents), field
    for agg in state["aggs"]:
        field = agg["params"].get("field")
        if agg["type"] in ("avg", "max", "sum", "percentiles", "histogram"):
            assert FIELDS[field]["type"] in ("double", "integer", "long")
        elif agg["type"] == "terms":
            assert FIELDS[field]["type"] in ("keyword", "integer", "byte")
