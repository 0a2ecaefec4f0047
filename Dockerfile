# The image of all services: `windlass gateway`, `worker`, `runner`, `ai`, `migrate …`, one each container.
# docker-compose.dev.yml puts them together; docs/operations.md "Containers" tells the rest.
#
#   docker build -t windlass --build-arg COMMIT=$(git describe --always --dirty=+) .
#
# It needs no BuildKit, and nothing but Debian's packages and the two pinned sources of
# scripts/build-deps.txt, which pip fetches by hash.

FROM debian:bookworm-slim AS build
WORKDIR /src
COPY scripts/packages.txt scripts/
# PostgreSQL's server is for tests and for `windlass up`; the image needs neither. What the base image
# has stays as it is, such as the authorities that it trusts: pip asks by TLS.
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-upgrade --no-install-recommends \
        ca-certificates $(awk '$1 == "build" && $2 !~ /^postgresql-/ { print $2 }' scripts/packages.txt) >/dev/null \
 && rm -rf /var/lib/apt/lists/*
COPY scripts/build-deps.sh scripts/build-deps.txt scripts/
ENV WINDLASS_DEPS_DIR=/deps
RUN scripts/build-deps.sh
COPY . .
ARG COMMIT=unknown
ARG SOURCE_DATE_EPOCH
RUN export WINDLASS_COMMIT="$COMMIT" \
 && scripts/configure.sh build \
 && ninja -C build --quiet windlass \
 && strip -o /windlass build/windlass
# The packages of the libraries that it names, for the stage below: no list to keep by hand.
RUN readelf -d /windlass | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' \
    | while read -r library; do dpkg -S "*/$library" || exit 1; done \
    | sed 's/:.*//' | sort -u >/packages

FROM debian:bookworm-slim
ARG COMMIT=unknown
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="Windlass" \
      org.opencontainers.image.description="Durable tasks, cron jobs, users and an assistant on PostgreSQL" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$COMMIT"
COPY --from=build /packages /usr/share/windlass/packages
# ca-certificates for http.request, tzdata for the time zones of jobs.
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-upgrade --no-install-recommends \
        ca-certificates tzdata $(cat /usr/share/windlass/packages) >/dev/null \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
 && groupadd --gid 10001 windlass \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin windlass \
 && install -d -o 10001 -g 10001 -m 0700 /run/windlass
COPY --from=build /windlass /usr/local/bin/windlass
COPY LICENSE /usr/share/doc/windlass/LICENSE
# Inside, only the container's own network can reach it; what is published is the operator's choice.
# On TCP each service refuses to start without the tokens of its callers.
ENV WINDLASS_LISTEN=0.0.0.0 WINDLASS_WORKER_LISTEN=0.0.0.0 WINDLASS_AI_LISTEN=0.0.0.0 \
    WINDLASS_RUNNER_LISTEN=0.0.0.0
USER 10001:10001
EXPOSE 8080 8081 8082 8083
STOPSIGNAL SIGTERM
# Of the gateway; for the others: windlass health --url http://127.0.0.1:8081/readyz
HEALTHCHECK --interval=10s --timeout=6s --start-period=60s --retries=3 CMD ["windlass", "health"]
ENTRYPOINT ["windlass"]
CMD ["gateway"]
