"""CLIP through open_clip: its presence, its public weights, and what its text tower says about the bins."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from countguard.errors import InputError
from countguard.models.bins import Bins
from countguard.models.downloads import check_reachable, reason
from countguard.models.restore import check_names
from countguard.models.weights_file import WeightsFile, open_weights, read_tensors

FILE = "open_clip_model.safetensors"
"""What the file is called in each of the repositories."""
NUMBERS = (
    *("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
)


def open_clip() -> Any:
    """The package open_clip.

    Raises:
        InputError: it is not installed.
    """
    try:
        import open_clip as package
    except ImportError:
        raise InputError(
            "model.kind: CLIP-EBC needs open_clip; install it with: pip install 'countguard[clip]'"
        ) from None
    return package


def prompts(bins: Bins) -> list[str]:
    """One sentence a bin, in CLIP-EBC's words: the last one says "more than" where the bin holds "or more"."""
    exact = [f"There are {NUMBERS[people]} people." for people in range(bins.truncation)]
    exact[:2] = ["There is no person.", "There is one person."][: len(exact)]
    return [*exact, f"There are more than {NUMBERS[bins.truncation]} people."]


def public_weights(repository: str) -> WeightsFile:
    """OpenAI's weights from the Hugging Face hub, or from its cache on this machine.

    Raises:
        InputError: they are in neither; the line names the file that would serve.
    """
    from huggingface_hub import hf_hub_download, hf_hub_url, try_to_load_from_cache
    from huggingface_hub.constants import HF_HUB_CACHE

    cached = try_to_load_from_cache(repository, FILE)
    if isinstance(cached, str):
        return open_weights(cached)
    url = hf_hub_url(repository, FILE)
    try:
        check_reachable(url)  # the hub's client would try for half a minute
        return open_weights(hf_hub_download(repository, FILE))
    except InputError:
        raise
    except Exception as error:  # the client raises many kinds
        folder = Path(HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"
        raise InputError(
            f"model.weights 'openai': {url} is not in {folder} and cannot be downloaded ({reason(error)}); "
            "fetch it elsewhere and give its path as model.weights"
        ) from None


def is_clip(names: Collection[str]) -> bool:
    """Whether a file with these tensors holds a CLIP as open_clip names it."""
    return {"visual.conv1.weight", "token_embedding.weight", "text_projection"}.issubset(names)


def read_clip(file: WeightsFile, architecture: str) -> Any:
    """open_clip's model with the weights of a file.

    Raises:
        InputError: the file holds another architecture.
    """
    package = open_clip()
    with torch.random.fork_rng(devices=[]):  # the random start is overwritten: it must cost the caller no draws
        model = package.CLIP(**package.get_model_config(architecture))
    expected = model.state_dict()
    check_names(file.path, set(file.shapes) & set(expected), expected, whole=True)
    model.load_state_dict(read_tensors(file, {name: name for name in expected}, expected))
    return model.eval()


@torch.no_grad()
def text_features(model: Any, architecture: str, bins: Bins) -> Tensor:
    """What the text tower makes of each bin's prompt, of length 1: [bins, embedding]."""
    tokens = open_clip().get_tokenizer(architecture)(prompts(bins))
    features: Tensor = model.encode_text(tokens, normalize=True)
    return features
