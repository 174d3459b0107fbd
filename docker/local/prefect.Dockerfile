# Replaces Prefect's own image if no registry can be reached.
ARG BASE
FROM ${BASE}
ARG VERSION
ARG PINS
ARG UV_DEFAULT_INDEX
RUN uv pip install --quiet "prefect==${VERSION}" ${PINS} prefect-redis prefect-dask
WORKDIR /opt/prefect
