# Build: the toolchain and the dev dependencies stay in this stage.
FROM node:26-bookworm-slim AS build
WORKDIR /limpet
COPY .npmrc package.json package-lock.json tsconfig.json ./
COPY scripts scripts
# The image has the right Node: the npm package of that name, which brings one for other machines, is not needed.
RUN npm ci --ignore-scripts
COPY bin bin
COPY src src
RUN node scripts/build.ts

FROM node:26-bookworm-slim
ENV NODE_ENV=production
WORKDIR /limpet
COPY --from=build /limpet/package.json ./
COPY --from=build /limpet/dist dist
COPY bin bin
COPY config config
COPY LICENSE README.md CHANGELOG.md ./
# A checkout that knows no modes (an archive, Windows) has lost that these are programs.
RUN chmod 755 bin/*.js && ln -s /limpet/bin/limpet.js /usr/local/bin/limpet \
  && mkdir -p /etc/limpet && cp config/image.yaml /etc/limpet/limpet.yaml \
  && mkdir -p /var/lib/limpet && chown node:node /var/lib/limpet
# Mount over /etc/limpet/limpet.yaml what limpet is to run with. Commands read it here: docker exec NAME limpet backends.
# /var/lib/limpet is a place for sessions.snapshot.
WORKDIR /etc/limpet
USER node
# Where the image's own configuration listens. The admin API is on the container's loopback, see config/image.yaml.
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/limpet/bin/healthcheck.js", "/etc/limpet/limpet.yaml"]
ENTRYPOINT ["limpet"]
CMD ["start", "-c", "/etc/limpet/limpet.yaml"]
