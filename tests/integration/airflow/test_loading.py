"""Three ways in: the loader, the bundle of older versions, the importer of 3.4; and `to_dag`."""

import os
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG
from volnux_airflow import load_dags, to_dag
from volnux_airflow.compat import AirflowTaskTimeout, timeout
from volnux_airflow.files import find_files

from tests.conformance.cases import EVENTS
from tests.integration.airflow.names import DagBag, DagSerialization
from tests.integration.airflow.server import LOADER, NEW
from tests.integration.airflow.test_cases import serialized
from volnux import InputDataField, Pipeline, PointyError, event
from volnux.backends import RefusedError

FLOW = """
@description: All of it
@schedule: @daily
@tags: a
@input: day: date = "2026-01-01"
{A || Bad} (0 |-> H) -> Boom * 3 [timeout=9, pool=x]
"""


@pytest.fixture
def loader(folder):
    return folder(**{"events.py": EVENTS, "pty_dags.py": LOADER, "flow.pty": FLOW}) / "pty_dags.py"


def test_all_ways_give_the_same_dag(loader, tmp_path, monkeypatch):
    dags = [load_dags(loader)["flow"], to_dag(tmp_path / "flow.pty")]
    from volnux_airflow import bundle

    monkeypatch.setattr(
        "airflow.dag_processing.bundles.base.get_bundle_base_folder",
        lambda bundle_name: tmp_path / "storage",
    )
    made = bundle.PtyDagBundle(name="pty", path=str(tmp_path))
    made.initialize()
    bag = DagBag(made.path, bundle_path=made.path) if not NEW else DagBag(made.path)
    assert bag.import_errors == {}
    dags.append(bag.dags["flow"])
    assert bag.dags["flow"].fileloc == str(tmp_path / "flow.pty")
    if not NEW:
        assert bag.dags["flow"].relative_fileloc == "flow.pty.py"
    if NEW:
        from airflow.sdk.importers.base import FilesystemDagDefinition
        from volnux_airflow.importer import PtyDagImporter

        importer = PtyDagImporter()
        place = SimpleNamespace(path=tmp_path, name="pty")
        found = list(importer.list_dag_definitions(place))
        assert found == [FilesystemDagDefinition(tmp_path / "flow.pty")]
        # As Airflow asks in the process that imports the file.
        alone = SimpleNamespace(path=tmp_path / "flow.pty", name="pty")
        assert list(importer.list_dag_definitions(alone)) == found
        result = importer.import_definition(found[0], place)
        assert result.errors == []
        dags += result.dags
        source = importer.get_source_code(found[0])
        assert (source.language, source.source_code) == ("pointy", FLOW)
    texts = [serialized(dag) for dag in dags]
    for text in texts[1:]:
        assert text == texts[0]


def test_a_loader_shows_all_errors_and_loads_the_rest(loader, folder):
    folder(**{"slip.pty": "A -> -> B", "sub/lost.pty": "A -> Nix", "sub/flow.pty": "A"})
    bag = DagBag(loader.parent)
    assert set(bag.dags) == {"flow"}
    (text,) = bag.import_errors.values()
    assert "slip.pty:1:6: error: expected an event or a group after '->'" in text
    assert "lost.pty:1:6: error: there is no event 'Nix'" in text


def test_two_files_of_one_id(loader, folder):
    folder(**{"events.py": EVENTS, "sub/events.py": EVENTS, "sub/flow.pty": "A"})
    bag = DagBag(loader.parent)
    assert bag.dags["flow"].fileloc == str(loader.parent / "flow.pty")
    (text,) = bag.import_errors.values()
    assert "the DAG id 'flow' is already used by" in text
    assert "give one of them another @name" in text
    if NEW:
        from airflow.sdk.importers.base import FilesystemDagDefinition
        from volnux_airflow.importer import PtyDagImporter

        second = FilesystemDagDefinition(loader.parent / "sub" / "flow.pty")
        place = SimpleNamespace(path=loader.parent, name="pty")
        result = PtyDagImporter().import_definition(second, place)
        assert "the DAG id 'flow' is already used by" in result.errors[0].message


def test_in_the_dag_processor_each_error_belongs_to_its_file(loader, folder, monkeypatch):

    folder(**{"slip.pty": "A -> -> B"})
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")
    bag = DagBag(loader.parent)
    assert bag.import_errors == {}
    (broken,) = (dag for dag in bag.dags.values() if dag.dag_id != "flow")
    assert broken.relative_fileloc.endswith("slip.pty")
    with pytest.raises(Exception, match=r"slip\.pty:1:6: error") as raised:
        DagSerialization.to_dict(broken)
    # Airflow shows what is raised with all that it was raised from: the fault is there once.
    assert raised.value.__cause__ is raised.value.__context__ is None


def test_two_broken_files_whose_paths_are_alike_are_two_errors(loader, folder, monkeypatch):
    folder(
        **{"events.py": EVENTS, "team_a/x.pty": "Nix", "team a/x.pty": "Nix", "team_a_x.pty": ""}
    )
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "client")
    bag = DagBag(loader.parent)
    broken = {dag.relative_fileloc for dag in bag.dags.values() if dag.dag_id != "flow"}
    here = loader.parent
    assert broken == {str(here / name) for name in ("team_a/x.pty", "team a/x.pty", "team_a_x.pty")}


def test_a_worker_builds_the_dag_it_needs_only(loader, folder, monkeypatch):
    folder(**{"other.pty": "@name: named\nA", "slip.pty": "A -> -> B"})
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "named")
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_TASK_ID", "A")
    assert set(load_dags(loader)) == {"named"}


def test_settings_of_the_host_reach_every_dag(loader):
    dag = load_dags(loader, default_args={"owner": "me", "retries": 9}, tags=["b"])["flow"]
    assert dag.tags == {"a", "b"}
    assert dag.task_dict["A"].owner == "me"
    # What a flow means is not for settings to change.
    assert [dag.task_dict[task].retries for task in ("A", "Boom", "catch-1")] == [0, 2, 0]


def test_settings_of_single_dags(loader, folder, monkeypatch):
    folder(**{"other.pty": "A"})
    settings = {"flow": {"max_active_runs": 7, "tags": ["own"]}}
    dags = load_dags(loader, settings=settings, tags=["all"], max_active_runs=3)
    assert {name: (dag.max_active_runs, dag.tags) for name, dag in dags.items()} == {
        "flow": (7, {"a", "own"}),
        "other": (3, {"all"}),
    }
    (loader.parent / "pty_dags.py").write_text(
        "from volnux_airflow import load_dags\n"
        "load_dags(__file__, settings={'flwo': {}})  # airflow dag\n"
    )
    bag = DagBag(loader.parent)
    assert set(bag.dags) == {"flow", "other"}
    (text,) = bag.import_errors.values()
    assert "settings for the DAG 'flwo', but no file has that id: did you mean 'flow'?" in text
    from volnux_airflow.bundle import PtyDagBundle

    monkeypatch.setattr(
        "airflow.dag_processing.bundles.base.get_bundle_base_folder",
        lambda bundle_name: loader.parent / "storage",
    )
    bundle = PtyDagBundle(
        name="pty", path=str(loader.parent), settings={"max_active_runs": 3}, dags=settings
    )
    bundle.initialize()
    found = (
        DagBag(bundle.path, bundle_path=bundle.path).dags if not NEW else DagBag(bundle.path).dags
    )
    assert {name: dag.max_active_runs for name, dag in found.items()} == {"flow": 7, "other": 3}
    PtyDagBundle(name="pty", path=str(loader.parent), dags={"flwo": {}}).refresh()
    bag = DagBag(bundle.path, bundle_path=bundle.path) if not NEW else DagBag(bundle.path)
    assert set(bag.dags) == {"flow", "other"}
    (text,) = bag.import_errors.values()
    assert "settings for the DAG 'flwo', but no file has that id: did you mean 'flow'?" in text


def test_the_time_limit_of_airflow_is_no_fault_of_the_module(loader, folder):
    folder(**{"slow.pty": "Ok", "slow_events.py": "while True: pass"})
    with pytest.raises(AirflowTaskTimeout), timeout(1):
        load_dags(loader)


def test_airflowignore_and_hidden_folders(folder):
    here = folder(
        **{
            ".airflowignore": "old/  # not yet\n*.draft.pty\n/sub/*.pty\n",
            "old/a.pty": "A",
            ".git/b.pty": "A",
            "x.draft.pty": "A",
            "c.PTY": "A",
            "sub/d.pty": "A",
            "sub/sub/.airflowignore": "f.pty",
            "sub/sub/e.pty": "A",
            "sub/sub/f.pty": "A",
        }
    )
    found = [os.path.relpath(path, here) for path in find_files(here).files]
    assert found == ["c.PTY", "sub/sub/e.pty"]


def test_a_mounted_configmap_linked_folders_and_what_is_no_file(loader, folder):
    here = folder(**{"..2026/mapped.pty": "A", "..2026/events.py": EVENTS, "._flow.pty": "\0"})
    (here / "..data").symlink_to("..2026")
    (here / "mapped.pty").symlink_to("..data/mapped.pty")
    (here / "circle").symlink_to(".")
    (here / "gone.pty").symlink_to("nowhere")
    os.mkfifo(here / "pipe.pty")
    (here / "mount").mkdir()
    bag = DagBag(here / "mount")
    assert bag.import_errors == {}
    (here / "mount" / "pty_dags.py").write_text(
        f"from volnux_airflow import load_dags\nload_dags(__file__, folder={str(here)!r})\n"
    )
    bag = DagBag(here / "mount")
    assert set(bag.dags) == {"flow", "mapped"}
    (text,) = bag.import_errors.values()
    assert text.count("error:") == 1
    assert "gone.pty: error: it cannot be read: it is a broken symbolic link" in text


def test_the_bundle_keeps_what_cannot_be_read_at_present(folder, monkeypatch):
    from volnux_airflow import bundle

    here = folder(**{"events.py": EVENTS, "dags/a.pty": "A", "dags/b.pty": "A"})
    monkeypatch.setattr(
        "airflow.dag_processing.bundles.base.get_bundle_base_folder",
        lambda bundle_name: here / "storage",
    )
    made = bundle.PtyDagBundle(name="pty", path=str(here / "dags"))
    made.initialize()
    for name in ("a.pty", "b.pty"):
        (here / "dags" / name).unlink()
    (here / "dags" / "a.pty").symlink_to("nowhere")
    made.refresh()
    assert [path.name for path in made.path.iterdir()] == ["a.pty.py"]


def test_options_and_task_groups(loader):
    dag = load_dags(loader)["flow"]
    boom = dag.task_dict["Boom"]
    assert (boom.pool, boom.execution_timeout.total_seconds(), boom.retries) == ("x", 9.0, 2)
    assert {"A", "Bad", "catch-1"} == set(dag.task_group_dict["group-1"].children)
    assert dag.edge_info["catch-1"]["H"] == {"label": "0"}


def test_hints_become_what_airflow_has(folder):
    here = folder(
        **{"events.py": EVENTS, "h.pty": "A [queue=q, priority=5, concurrency=2, tags='x']"}
    )
    (here / "h.pty").write_text('A [queue="q", priority=5, concurrency=2, tags="x,y"]')
    task = to_dag(here / "h.pty").task_dict["A"]
    assert (task.queue, task.priority_weight, task.max_active_tis_per_dag) == ("q", 5, 2)
    assert task.doc_md == "tags: x, y"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('A [executor="dask://host:8786"]', "1:1: error: airflow cannot send an event to dask"),
        ("@schedule: @daily\n@input: day: date\nA", "the input 'day' is required"),
        (f"@name: {'n' * 251}\nA", "is not a valid DAG id"),
    ],
)
def test_what_airflow_cannot_do_is_refused(folder, text, message):
    here = folder(**{"events.py": EVENTS, "no.pty": text})
    with pytest.raises((RefusedError, PointyError)) as refused:
        to_dag(here / "no.pty")
    assert message in str(refused.value)


@event
def Greet(who):
    return True, who


class Greeting(Pipeline):
    who = InputDataField(data_type=str, required=True, description="whom to greet")

    class Meta:
        pointy = "Greet"


def test_a_pipeline_class(tmp_path):
    dag = to_dag(Greeting, schedule=None)
    assert isinstance(dag, DAG)
    assert (dag.dag_id, set(dag.params)) == ("Greeting", {"who"})
    from volnux_airflow import AirflowBackend

    report = AirflowBackend().run(Greeting.plan(), {"who": "Ada"})
    assert report.places["Greet"].result == "Ada"
