# Replaces Airflow's own image if no registry can be reached: it has the same user, folders and
# entry point, and the same versions of Airflow and its providers.
ARG BASE
FROM ${BASE}
ARG VERSION
ARG PINS
ARG UV_DEFAULT_INDEX
RUN uv pip install --quiet "apache-airflow==${VERSION}" ${PINS} \
        apache-airflow-providers-celery \
        apache-airflow-providers-postgres \
        apache-airflow-providers-redis \
    && useradd --uid 50000 --gid 0 --create-home airflow \
    && mkdir -p /opt/airflow/dags /opt/airflow/logs \
    && chown -R airflow:root /opt/airflow \
    && chown airflow /opt/venv /opt/venv/bin /opt/venv/lib/python3*/site-packages
ENV AIRFLOW_HOME=/opt/airflow
WORKDIR /opt/airflow
USER airflow
ENTRYPOINT ["/bin/sh", "-c", "case $0 in bash|sh|python) exec $0 \"$@\";; esac; exec airflow $0 \"$@\""]
