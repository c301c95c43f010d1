# The exact version of the base. Only a digest fixes every byte, and it is looked up where you build:
#   docker buildx imagetools inspect python:3.11.14-slim-bookworm
#   docker build --build-arg BASE=python:3.11.14-slim-bookworm@sha256:DIGEST -t understudy .
ARG BASE=python:3.11.14-slim-bookworm
FROM ${BASE}

# libgomp: LightGBM and scikit-learn; tini: reaps the worker processes and passes signals on; Chromium and a font: draw
# the charts of report.zip.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 tini chromium fonts-dejavu-core \
    && rm -rf /var/lib/apt/lists/*
# A container lets nobody make the namespaces that the sandbox of Chromium needs. The one page that is
# drawn here is our own, and reaches no network.
RUN echo 'export CHROMIUM_FLAGS="$CHROMIUM_FLAGS --no-sandbox"' > /etc/chromium.d/container

RUN useradd --create-home --uid 1000 understudy
WORKDIR /app

# torch first, by itself: its build differs by machine, so the lock leaves it out.
COPY requirements.txt requirements.lock ./
RUN pip install --no-cache-dir "$(grep -o '^torch==[^ ]*' requirements.txt)"
RUN pip install --no-cache-dir --require-hashes --no-deps -r requirements.lock

# The code belongs to root, and who runs it can only read it.
COPY . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation -e .
RUN python -m compileall -q /app && chmod -R a+rX,go-w /app
RUN mkdir /workspace && chown understudy /workspace
USER understudy

ENV UNDERSTUDY_WORKSPACE=/workspace PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
VOLUME /workspace
EXPOSE 8501
# The server answers while its catalog is away, and says so; the container is then not well.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import json, sys, urllib.request as web; sys.exit(json.load(web.urlopen('http://127.0.0.1:8501/api/health', timeout=4)).get('catalog') == 'away')"]

ENTRYPOINT ["tini", "-g", "--"]
CMD ["streamlit", "run", "app.py", "--server.address=0.0.0.0", "--server.port=8501"]
