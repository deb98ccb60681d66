# leadloop in a small image: built with pip in one stage, only Python and the installed packages in the other.
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md wsgi.py ./
COPY leadloop leadloop
COPY webhooks webhooks
COPY api api
COPY store store
COPY workers workers
COPY meta_graph meta_graph
COPY crm_adapters crm_adapters
COPY notifiers notifiers
COPY configuration configuration
COPY sandbox sandbox
RUN python -m venv /opt/leadloop \
 && /opt/leadloop/bin/pip install --no-cache-dir --disable-pip-version-check . \
 && /opt/leadloop/bin/pip uninstall --yes --quiet pip

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /data --create-home --shell /usr/sbin/nologin leadloop
COPY --from=build /opt/leadloop /opt/leadloop
ENV PATH=/opt/leadloop/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DATABASE_URL=sqlite:////data/leadloop.db
USER leadloop
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('PORT', '8000') + '/healthz', timeout=4)"]
ENTRYPOINT ["leadloop"]
CMD ["run", "--host", "0.0.0.0"]
