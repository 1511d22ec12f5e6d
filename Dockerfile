# One image for every service: `docker run modelog services promotion`, `docker run modelog operations setup`.
FROM python:3.13-slim AS built
WORKDIR /build
COPY requirements.lock pyproject.toml ./
RUN awk '/^[^ ]/ { uv = /^uv==/ } uv' requirements.lock > uv.lock \
 && pip install --no-cache-dir --require-hashes -r uv.lock
COPY sdk sdk
# Only what the services need, each package checked against the lock's hashes, and the SDK without a link to its source.
RUN python -m venv --without-pip /venv \
 && uv pip install --no-cache --no-editable --compile-bytecode --python /venv/bin/python \
      --constraints requirements.lock --build-constraints requirements.lock -r pyproject.toml

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home modelog \
 && install --directory --owner modelog --mode 700 /var/spool/modelog
COPY --from=built /venv /venv
WORKDIR /modelog
COPY shared shared
COPY services services
COPY operations operations
COPY compose.yaml compose.yaml
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER modelog
ENTRYPOINT ["python", "-m"]
CMD ["services"]
