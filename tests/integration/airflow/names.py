"""What the tests import from Airflow, where the versions differ."""

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag

__all__ = ["DagBag"]
