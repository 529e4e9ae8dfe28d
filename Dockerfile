# Freehold in a container.
#
#   docker build -t freehold .
#   docker run -p 2583:2583 -v freehold:/data -e FREEHOLD_SERVER_HOSTNAME=pds.example.com freehold
#
# Both images are arguments, so that it also builds from images of your own; the
# one it runs on needs nothing but the C library of the one it is built on.
ARG BUILD_IMAGE=rust:1.95-bookworm
ARG RUN_IMAGE=debian:bookworm-slim

FROM ${BUILD_IMAGE} AS build
WORKDIR /source
COPY . .
RUN cargo build --release --locked --bin freehold \
    && mkdir /empty

FROM ${RUN_IMAGE}
# A number needs no user of that name in the image. Whoever brings the folder of
# an official installation runs as its owner: docker run --user.
ARG RUN_AS=65532:65532
COPY --from=build /source/target/release/freehold /usr/local/bin/freehold
COPY --from=build --chown=${RUN_AS} /empty /data
# The default data folder, "data", is /data from here.
WORKDIR /
# A container is reached from outside of itself.
ENV FREEHOLD_SERVER_ADDRESS=0.0.0.0
USER ${RUN_AS}
VOLUME /data
EXPOSE 2583
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=5s CMD ["/usr/local/bin/freehold", "health"]
ENTRYPOINT ["/usr/local/bin/freehold"]
CMD ["serve"]
