import pytest

from tests.checkpoints import original


@pytest.fixture(scope="session")
def llm(tmp_path_factory):
    """Folder of a tiny Llama and its tokenizer."""
    return original.save_llm(tmp_path_factory.mktemp("base") / "llm")


@pytest.fixture(scope="session")
def tower(tmp_path_factory):
    """Folder of a tiny CLIP tower."""
    return original.save_tower(tmp_path_factory.mktemp("base") / "clip")
