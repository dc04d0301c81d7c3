# The server with its engine. `docker build --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu .` takes torch
# for the processor alone.
FROM python:3.11-slim

ARG TORCH_INDEX=""

WORKDIR /app
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src ./src
RUN pip install --no-cache-dir ${TORCH_INDEX:+--extra-index-url "$TORCH_INDEX"} -c constraints.txt '.[engine]' \
    && useradd --uid 10001 --create-home fluxhouse \
    && install -d -o fluxhouse -g fluxhouse -m 700 /data

USER fluxhouse
ENV FLUXHOUSE_DATA=/data PYTHONUNBUFFERED=1
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["fluxhouse"]
CMD ["serve", "--host", "0.0.0.0"]
