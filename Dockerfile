# The project on a CPU, without root. From a clone (a run records the commit, so .git belongs in it):
#   docker build --tag gan_pipelines . && docker run --name gan gan_pipelines
# hadolint has checked this file; no image has been built from it yet.
FROM python:3.11-slim AS base

# the lock file pins every Python package; of git and make any version will do
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 gan \
    && install --directory --owner=1000 --group=1000 /home/gan/gan_pipelines
USER 1000:1000

# what .devcontainer does without, since it mounts the clone
FROM base
WORKDIR /home/gan/gan_pipelines
COPY --chown=1000:1000 . .
RUN make setup
CMD ["make", "run"]
