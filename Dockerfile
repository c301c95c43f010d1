FROM python:3.11-slim

# libgomp: LightGBM and scikit-learn; tini: reaps the worker processes and passes signals on.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 tini \
    && rm -rf /var/lib/apt/lists/*

RUN useradd --create-home --uid 1000 understudy
WORKDIR /app

# torch first, by itself: its build differs by machine, so the lock leaves it out.
COPY requirements.txt requirements.lock ./
RUN pip install --no-cache-dir "$(grep -o '^torch==[^ ]*' requirements.txt)"
RUN pip install --no-cache-dir --require-hashes --no-deps -r requirements.lock

COPY --chown=understudy . .
RUN pip install --no-cache-dir --no-deps --no-build-isolation -e .
RUN mkdir /workspace && chown understudy /workspace
USER understudy

ENV UNDERSTUDY_WORKSPACE=/workspace PYTHONPATH=/app PYTHONUNBUFFERED=1
VOLUME /workspace
EXPOSE 8501
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]

ENTRYPOINT ["tini", "-g", "--"]
CMD ["streamlit", "run", "app.py", "--server.address=0.0.0.0", "--server.port=8501"]
