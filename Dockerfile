# syntax=docker/dockerfile:1

# Compiles the sources with everything that a checkout has.
FROM node:24-bookworm-slim AS build
WORKDIR /build
COPY .npmrc package.json package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY tsconfig.json tsconfig.build.json ./
COPY src src
COPY web web
RUN npm run -s build && chmod 755 dist/bin.js

# What runs needs, and the optional packages for metrics, traces and Parquet, all at the versions of the lock file.
FROM node:24-bookworm-slim AS packages
WORKDIR /packages
COPY .npmrc package.json package-lock.json ./
RUN node -e "const p = JSON.parse(fs.readFileSync('package.json', 'utf8')); \
      for (const [name, version] of Object.entries(p.devDependencies)) \
        if (/^(@opentelemetry[/]|hyparquet)/.test(name)) p.dependencies[name] = version; \
      delete p.devDependencies; fs.writeFileSync('package.json', JSON.stringify(p))" \
 && npm install --omit=dev --ignore-scripts --no-audit --no-fund \
 && rm -f node_modules/.package-lock.json

# Debian with the one program that is needed: no npm, no yarn, no compiler.
FROM debian:bookworm-slim
RUN groupadd --gid 10001 querymill \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin querymill \
 && install -d -m 0700 -o 10001 -g 10001 /data \
 && install -d -m 0755 /etc/querymill \
 && ln -s /app/dist/bin.js /usr/local/bin/querymill
COPY --from=build /usr/local/bin/node /usr/local/bin/node
COPY --from=packages /packages/node_modules /app/node_modules
COPY --from=build /build/dist /app/dist
COPY package.json LICENSE /app/

ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="querymill" \
      org.opencontainers.image.description="Classifies support queries with an LLM: every query once, no answer paid for twice" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="$VERSION"

ENV NODE_ENV=production \
    LANG=C.UTF-8 \
    QUERYMILL_BATCH_DIR=/data/batch_files \
    QUERYMILL_METRICS=0.0.0.0:9464

# querymill.yaml and the taxonomy are looked for here.
WORKDIR /etc/querymill
# The journal is here: answers that are paid for. Mount a volume with a name.
VOLUME /data
EXPOSE 9464
USER 10001:10001
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:' + process.env.QUERYMILL_METRICS.split(':').pop() + '/healthz', { signal: AbortSignal.timeout(4000) }).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
# node itself is process 1: it has handlers for the signals that end a run, and starts no processes that could be orphaned.
ENTRYPOINT ["node", "/app/dist/bin.js"]
CMD ["--help"]
