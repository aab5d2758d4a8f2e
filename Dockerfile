# Debian, because uWebSockets.js' binaries are built for glibc: never a musl image.
FROM node:22-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json tsconfig.json ./
RUN npm ci --no-audit --no-fund

# The OpenID provider of the demo (deploy/compose.yaml, profile demo): docker build --target idp
FROM packages AS idp
COPY test/kit ./test/kit
USER node
CMD ["node", "--import", "tsx", "test/kit/demo/provider.ts"]

FROM packages AS build
COPY src ./src
RUN npm run build \
  && npm prune --omit=dev --no-audit --no-fund \
  # Of the native binaries only the one for this Node.js, libc and processor.
  && keep="uws_linux_$(node -p 'process.arch')_$(node -p 'process.versions.modules').node" \
  && find node_modules/uWebSockets.js -name 'uws_*.node' ! -name "$keep" -delete \
  && find node_modules/@lmdb -mindepth 1 -maxdepth 1 -type d ! -name "lmdb-linux-$(node -p 'process.arch')" -exec rm -r {} + \
  # Types and source maps of packages: a quarter of it all, for compilers and debuggers.
  && find node_modules -type f -regex '.*\.\(d\.[cm]?ts\|map\)' -delete \
  && test -n "$(find node_modules/uWebSockets.js -name "$keep")"

FROM node:22-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# Sessions of the embedded store; give it a volume, or they end with the container. Any user of the group 0 may write there (OpenShift).
RUN mkdir -m 770 /data && chown node:root /data && ln -s /app/dist/main.js /usr/local/bin/akprox && chmod +x /app/dist/main.js
# A number, so that runAsNonRoot need not know its name.
USER 1000
WORKDIR /data
VOLUME /data
EXPOSE 9000 9443 9300
HEALTHCHECK --interval=10s --timeout=4s --start-period=15s CMD ["akprox", "healthcheck"]
ENTRYPOINT ["akprox"]
