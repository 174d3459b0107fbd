"""Every .pty file in the folders below is an Airflow DAG."""

from volnux_airflow import load_dags

load_dags(__file__)
