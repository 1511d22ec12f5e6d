# One image for every service: `docker run modelog services promotion`, `docker run modelog operations setup`.
# `make image` builds it with its labels, `make sbom` lists what is in it. docs/deploy.md: behind a mirror, with a fixed base.
# Equal content makes equal layers: files have the date 1980-01-01, bytecode has no date, and nothing writes a log.
ARG PYTHON=python:3.13-slim
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG CREATED=1980-01-01T00:00:00Z

# The base without what installs or builds, and with bytecode of Python's own library, which the official image lacks.
FROM ${PYTHON} AS base
RUN <<'END'
set -eu
touch /tmp/begin
library=$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
packages=$(dirname "$(python -c 'import pip; print(*pip.__path__)')")
rm -rf "$packages"/* /usr/local/bin/pip* /usr/bin/pip* /usr/local/include/* \
    /usr/local/bin/python*-config /usr/local/bin/idle*
cd "$library" && rm -rf ensurepip idlelib turtledemo tkinter config-*
find / -xdev -type f -perm /6000 -exec chmod a-s {} +
echo 'modelog:x:10001:10001::/nonexistent:/usr/sbin/nologin' >> /etc/passwd
echo 'modelog:x:10001:' >> /etc/group
install --directory --owner 10001 --group 10001 --mode 700 /var/spool/modelog
python -m compileall -q -f --invalidation-mode unchecked-hash "$library"
find / -xdev -newer /tmp/begin -exec touch --no-dereference --date 1980-01-01 {} +
# A build puts names of its own into /etc before the beginning.
rm /tmp/begin && touch --date 1980-01-01 /tmp /etc
END

# Only the packages that the services need, each with a hash of requirements.lock.
FROM ${PYTHON} AS packages
WORKDIR /build
COPY --chmod=755 <<'END' /usr/local/bin/install-locked
#!/bin/sh
# usage: install-locked FOLDER ARGUMENT…
# Install what `uv pip compile ARGUMENT…` asks for, in the versions and with the hashes of requirements.lock.
set -eu
if [ -e /run/secrets/packages.env ]; then set -a; . /run/secrets/packages.env; set +a; fi
locked() { awk 'NR == FNR { wanted[$1]; next } /^[^ ]/ { found = $1 in wanted } found' "$1" requirements.lock > "$2"; }
folder=$1; shift
if ! command -v uv >/dev/null; then
    grep -o '^uv==[^ ]*' requirements.lock > uv.names
    locked uv.names uv.lock
    pip install --no-cache-dir --root-user-action ignore --require-hashes -r uv.lock
fi
uv pip compile --quiet --no-cache --no-header --no-annotate --no-emit-package modelog --constraints requirements.lock \
    --output-file needed.names "$@"
locked needed.names needed.lock
uv pip install --quiet --no-cache --no-installer-metadata --require-hashes --prefix "$folder" -r needed.lock
rm -f "$folder/.lock"
END
COPY requirements.lock pyproject.toml ./
COPY sdk/pyproject.toml sdk/
RUN --mount=type=secret,id=packages.env --mount=type=secret,id=ca.pem \
    python -m venv --without-pip /venv && rm -r /venv/bin/[Aa]ctivate* && install-locked /venv pyproject.toml \
 && python -m compileall -q --invalidation-mode unchecked-hash /venv/lib \
 && find /venv -exec touch --no-dereference --date 1980-01-01 {} +

# Our own code, the SDK as an installed package.
FROM packages AS code
COPY sdk sdk
RUN --mount=type=secret,id=packages.env --mount=type=secret,id=ca.pem \
    if [ -e /run/secrets/packages.env ]; then set -a; . /run/secrets/packages.env; set +a; fi \
 && uv pip install --quiet --no-cache --no-deps --no-installer-metadata --build-constraints requirements.lock \
      --target /image/modelog ./sdk && rm /image/modelog/.lock
WORKDIR /image/modelog
COPY shared shared
COPY services services
COPY operations operations
COPY deploy deploy
COPY compose.yaml ./
RUN python -m compileall -q --invalidation-mode unchecked-hash -s /image /image/modelog \
 && chmod -R u=rwX,go=rX /image && find /image -exec touch --no-dereference --date 1980-01-01 {} +

FROM scratch AS image
COPY --from=base / /
COPY --from=packages /venv /venv
COPY --from=code /image /
WORKDIR /modelog
ENV PATH=/venv/bin:/usr/local/bin:/usr/bin:/bin PYTHONPATH=/modelog PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
# No HEALTHCHECK: the port is a setting, and operations have none. compose.yaml and Kubernetes ask /readyz.
ENTRYPOINT ["python", "-m", "operations.container"]
CMD ["services"]

# What is in the image, as CycloneDX: `docker build --target sbom --output DIRECTORY .` writes modelog.cdx.json there.
FROM packages AS tools
RUN --mount=type=secret,id=packages.env --mount=type=secret,id=ca.pem install-locked /tools --group sbom
FROM image AS described
ARG VERSION
ARG CREATED
COPY --from=tools /tools /tmp/tools
RUN PYTHONPATH=$(echo /tmp/tools/lib/python3*/site-packages) python deploy/sbom.py "$VERSION" "$CREATED" \
      > /tmp/modelog.cdx.json
FROM scratch AS sbom
COPY --from=described /tmp/modelog.cdx.json /

FROM image
ARG PYTHON
ARG VERSION
ARG REVISION
ARG CREATED
LABEL org.opencontainers.image.title="modelog" \
      org.opencontainers.image.description="modelog, the event-sourced model registry: all its services and operations" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}" \
      org.opencontainers.image.base.name="${PYTHON}"
