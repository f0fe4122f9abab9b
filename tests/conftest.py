import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports huggingface_hub

import json
import subprocess
import sys
from itertools import chain
from pathlib import Path

import hypothesis
import pytest
import torch
from PIL import Image

from mir_task.data import builtin_pairs

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node")
REPOSITORY = Path(__file__).parent.parent

# No deadline: how long an example takes says nothing on a machine that does other things too.
hypothesis.settings.register_profile("default", deadline=None)
hypothesis.settings.load_profile("default")


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    """A tiny LLaVA on disk, as a user would have a real one."""
    from mir_task.demo.checkpoint import save_checkpoint

    return save_checkpoint(tmp_path_factory.mktemp("checkpoint") / "tiny-llava")


@pytest.fixture(scope="session")
def shared_llava(checkpoint):
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    model = LlavaForConditionalGeneration.from_pretrained(checkpoint)
    return model, AutoProcessor.from_pretrained(checkpoint)


@pytest.fixture(scope="session")
def demo_llava():
    """What mir_demo runs, without lmms-eval."""
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    from mir_task.demo.checkpoint import TRAINED

    return LlavaForConditionalGeneration.from_pretrained(TRAINED), AutoProcessor.from_pretrained(TRAINED)


@pytest.fixture(scope="session")
def demo_result(demo_llava):
    """What the demo's command line measures: all built-in pairs."""
    from mir_task import measure

    return measure(*demo_llava, builtin_pairs(), progress=False)


@pytest.fixture
def llava(shared_llava):
    """Model and processor; a test may damage the model, whose weights and frozen parts are put back."""
    model, processor = shared_llava
    trained = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    # Some buffers are in no state dict, and a coarser dtype rounds them, too.
    tensors = {name: value.clone() for name, value in chain(model.named_parameters(), model.named_buffers())}
    template = processor.chat_template
    yield model, processor
    model.eval().float()
    model.gradient_checkpointing_disable()
    with torch.no_grad():
        for name, value in chain(model.named_parameters(), model.named_buffers()):
            value.copy_(tensors[name])
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(trained[name])
    processor.chat_template = template


@pytest.fixture(scope="session")
def pairs():
    """Six of the built-in pairs, of different sizes and lengths."""
    return list(builtin_pairs(count=6))


@pytest.fixture(scope="session")
def ten_pairs():
    """As few as all ten groups need."""
    return list(builtin_pairs(count=10))


@pytest.fixture
def folders(tmp_path):
    """Eight images and eight texts as a user's own folders; half of the names agree."""
    images, texts = tmp_path / "images", tmp_path / "texts"
    images.mkdir()
    texts.mkdir()
    for index in range(8):
        color = (30 * index, 255 - 30 * index, 90)
        Image.new("RGB", (60 + 10 * index, 90), color).save(images / f"{index}.png")
        (texts / f"{index + 4}.txt").write_text(f"Passage number {index} is about the colour {color}.\n" * 5)
    return images, texts


@pytest.fixture
def paired_folders(folders):
    """The same, each text named as an image."""
    images, texts = folders
    for index in range(8):
        (texts / f"{index + 4}.txt").rename(texts / f"{index}.txt")
    return images, texts


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """A tiny CLIP model of random weights on disk, with tokenizer and image processor."""
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

    from mir_task.demo.checkpoint import build_tokenizer

    folder = tmp_path_factory.mktemp("clip") / "tiny"
    tokenizer = build_tokenizer(placeholders=())
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    torch.manual_seed(0)
    CLIPModel(
        CLIPConfig(
            text_config={"vocab_size": len(tokenizer), "max_position_embeddings": 77, **ends, **sizes},
            vision_config={"image_size": 28, "patch_size": 14, **sizes},
            projection_dim=16,
        )
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}).save_pretrained(
        folder
    )
    return folder


class CLI:
    """Runs lmms-eval's own command line in an empty folder."""

    def __init__(self, folder):
        self.folder = folder

    def __call__(self, *arguments, environment=None, path=(), processes=None):
        command = [sys.executable, "-m", "lmms_eval", *map(str, arguments)]
        pythonpath = os.pathsep.join(map(str, path))
        if processes:  # by torchrun, with gloo, a thread each
            command[1:1] = [*TORCHRUN, str(processes)]
            environment = {"ACCELERATE_USE_CPU": "1", "OMP_NUM_THREADS": "1", **(environment or {})}
        return subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": pythonpath, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=600,
        )

    @staticmethod
    def results(output):
        """lmms-eval's results file below an output folder; there must be exactly one."""
        (file,) = Path(output).rglob("*_results.json")
        return json.loads(file.read_text())["results"]


@pytest.fixture
def one_thread():
    """Sums are split among threads: as in processes of one thread, and as a forked process must."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def lmms_eval_cli(tmp_path):
    folder = tmp_path / "empty"
    folder.mkdir()
    return CLI(folder)
