# Replaces the images of Postgres, Redis and Prometheus if no registry can be reached: packages of
# Debian with the same entry points and settings.
ARG BASE
FROM ${BASE}
# Make apt-get start no services here.
RUN printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d \
    && mkdir -p /etc/postgresql-common \
    && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf \
    && apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        postgresql redis-server prometheus >/dev/null \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb \
    && mkdir -p /var/lib/postgresql/data /data /prometheus \
    && chown postgres:postgres /var/lib/postgresql/data \
    && chown redis:redis /data && chown nobody:nogroup /prometheus
COPY service /usr/local/bin/service
ENTRYPOINT ["/bin/sh", "/usr/local/bin/service"]
