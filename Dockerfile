# Build: the toolchain and the dev dependencies stay in this stage.
FROM node:26-bookworm-slim AS build
WORKDIR /limpet
COPY package.json package-lock.json tsconfig.json tsconfig.build.json ./
# The image has the right Node: the npm package of that name, which brings one for other machines, is not needed.
RUN npm ci --ignore-scripts
COPY bin bin
COPY scripts scripts
COPY src src
RUN node scripts/build.ts && npm prune --omit=dev --ignore-scripts

FROM node:26-bookworm-slim
WORKDIR /limpet
ENV NODE_ENV=production
COPY --from=build /limpet/package.json ./
COPY --from=build /limpet/node_modules node_modules
COPY --from=build /limpet/dist dist
COPY bin bin
COPY config config
COPY LICENSE README.md CHANGELOG.md ./
RUN ln -s /limpet/bin/limpet.js /usr/local/bin/limpet && mkdir /etc/limpet && cp config/limpet.yaml /etc/limpet/limpet.yaml
USER node
EXPOSE 8080 9900
# /healthz of the admin API, which listens on loopback inside the container: no token, no other tool than node.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:9900/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["limpet"]
CMD ["start", "-c", "/etc/limpet/limpet.yaml"]
