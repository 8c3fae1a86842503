# Grace Studio on a CPU. Also what a Hugging Face Space (sdk: docker) builds: user 1000, port 7860.
#
#   docker build -t grace-studio .
#   docker run --rm -p 127.0.0.1:7860:7860 -v grace-data:/data -v grace-cache:/cache grace-studio
#
# The model is fetched at the first start and kept in /cache. To have it in the image instead (no network at run time,
# 540 MB more), build with --build-arg BAKE_MODEL=1.

FROM python:3.11-slim

# pip's default index carries PyTorch's CUDA build, several gigabytes. Give the address of the CPU index that PyTorch's
# installation page names (--build-arg TORCH_INDEX=..., or a build variable of the Space) and the image is a third as large.
ARG TORCH_INDEX=""
ARG BAKE_MODEL=0

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

RUN useradd --create-home --uid 1000 studio \
    && mkdir -p /data /cache \
    && chown studio:studio /data /cache

WORKDIR /src

# The largest layer depends on one line of pyproject.toml only, so it is built apart from the code. Its own dependencies
# come with the project, from the default index.
COPY pyproject.toml ./
RUN pip install --no-deps ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} \
    "$(python -c 'import tomllib; print(next(d for d in tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"] if d.startswith("torch==")))')"

COPY README.md LICENSE ./
COPY app ./app
COPY grace_core ./grace_core
RUN pip install .

USER studio
WORKDIR /home/studio

# Numba (under UMAP) caches what it compiles beside its sources, which belong to root.
ENV GRACE_STUDIO_HOST=0.0.0.0 \
    GRACE_STUDIO_PORT=7860 \
    GRACE_STUDIO_DATA_DIR=/data \
    GRACE_STUDIO_CACHE=/cache \
    HF_HOME=/cache/huggingface \
    NUMBA_CACHE_DIR=/home/studio/.cache/numba

RUN if [ "$BAKE_MODEL" = 1 ]; then grace-studio fetch; fi

VOLUME ["/data", "/cache"]
EXPOSE 7860

# The loading page answers 503: the container counts as healthy once the app itself answers. The server of a Space goes by
# the name in SPACE_HOST; any other name needs GRACE_STUDIO_ALLOWED_HOST.
HEALTHCHECK --interval=30s --timeout=5s --start-period=10m --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"GRACE_STUDIO_PORT\"]}/health', timeout=4)"]

CMD ["grace-studio"]
