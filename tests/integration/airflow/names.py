"""What the tests import from Airflow, where the versions differ."""

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag

try:
    from airflow.serialization.serialized_objects import DagSerialization
except ImportError:
    from airflow.serialization.serialized_objects import SerializedDAG as DagSerialization

try:
    from airflow.serialization.decoders import decode_timetable
    from airflow.serialization.encoders import encode_timetable
except ImportError:
    from airflow.serialization.serialized_objects import decode_timetable, encode_timetable

__all__ = ["DagBag", "DagSerialization", "decode_timetable", "encode_timetable"]
