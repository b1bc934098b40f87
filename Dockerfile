# Two stages: the first builds wheels, the second holds only Python, the relay and its templates.
FROM python:3.12-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY relay relay
COPY templates templates
RUN pip wheel --no-cache-dir -c constraints.txt -w /wheels ".[postgres]"

FROM python:3.12-slim
RUN useradd --system --uid 10001 --home-dir /data relay && mkdir /data && chown relay /data
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir --no-index --find-links /wheels "commerce-relay[postgres]" && rm -rf /wheels
USER relay
WORKDIR /data
VOLUME /data
ENV RELAY_SERVER__HOST=0.0.0.0 RELAY_LOG__FORMAT=json
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('RELAY_SERVER__PORT', '8080') + '/readyz', timeout=2)"]
ENTRYPOINT ["relay"]
CMD ["serve"]
