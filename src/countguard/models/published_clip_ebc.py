"""CLIP-EBC's published checkpoints: their names, what their shapes tell, and the text features of their own encoder.

A file of theirs is a plain state dict. Its text encoder is CLIP's, unchanged; the bins' features follow from it and are
not in the file.
"""

import json
from collections.abc import Mapping
from math import isqrt
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from countguard.errors import InputError
from countguard.models.clip_ebc_vit import LAYERS, PATCH
from countguard.models.clip_weights import open_clip, prompts
from countguard.models.counter import Counter
from countguard.models.restore import check_names
from countguard.models.weights_file import WeightsFile, read_tensors

TEXT = "text_encoder."
FEATURES = "text_features"
"""Where a file may hold the features themselves, rows of any length, in place of the encoder."""
HEAD = 64
"""Width of an attention head in every CLIP."""
TOKENS, CONTEXT = 49_408, 77
"""Words of CLIP's tokenizer, and of its longest sentence."""
_DECODER = {"conv1": 0, "bn1": 1, "conv2": 3, "bn2": 4, "conv3": 6, "bn3": 7}


def own_name(name: str) -> str | None:
    """A tensor's name in our counters; None for what `finish` takes care of."""
    group, _, rest = name.partition(".")
    if group in ("text_encoder", FEATURES, "text_prompts", "anchor_points") or group.startswith("vpt_"):
        return None
    if group == "image_encoder":
        return f"trunk.{rest}"
    if group == "image_decoder":
        block, _, rest = rest.partition(".")
        layer, _, rest = rest.partition(".")
        return f"decoder.branch.{_DECODER[layer]}.{rest}" if block == "0" and layer in _DECODER else name
    return name


def settings_of(file: WeightsFile, prefix: str) -> Mapping[str, Any]:
    """The bins, where the file came with the settings of its trainer, as EBC-ZIP's do.

    Raises:
        InputError: such bins are none that a counter of ours can have.
    """
    try:
        config = json.loads(file.metadata.get("config", "{}"))
    except ValueError:
        config = {}
    values, bins = (config.get(name) for name in ("bin_centers", "bins")) if isinstance(config, dict) else (None, None)
    if not isinstance(values, list) or not values:
        return {}
    last = float(len(values) - 1)
    wanted = [[float(people), float(people)] for people in range(len(values) - 1)] + [[last, float("inf")]]
    if bins is not None and _numbers(bins) != wanted:
        raise InputError(f"{file.path}: its bins are {str(bins)[:80]}; a clip_ebc has 0, 1, ..., n and more")
    if config.get("block_size", 8) != 8:
        raise InputError(f"{file.path}: its blocks have {str(config['block_size'])[:20]} pixels; a clip_ebc has 8")
    return {"bins": {"truncation": len(values) - 1, "values": values}}


def settings_of_vit(file: WeightsFile, prefix: str) -> Mapping[str, Any]:
    """What the shapes tell as well: how many prompts there are, and the side of the crops that it was trained on.

    Raises:
        InputError: the prompts do not go through every layer, or the crops were not square.
    """
    if f"{prefix}vpt_{LAYERS - 1}" not in file.shapes:
        raise InputError(f"{file.path}: its prompts do not stand in every layer (shallow prompts are not read)")
    rows = file.shapes[f"{prefix}image_encoder.positional_embedding"][0] - 1
    if isqrt(max(rows, 0)) ** 2 != rows or rows < 1:
        raise InputError(f"{file.path}: its positional embedding has {rows + 1} rows; 1 + n x n are read")
    crop = isqrt(rows) * PATCH
    return {**settings_of(file, prefix), "prompts": file.shapes[f"{prefix}vpt_0"][0], "grid": isqrt(rows), "crop": crop}


def finish(counter: Counter, file: WeightsFile, prefix: str) -> None:
    """Fill the text features.

    Raises:
        InputError: the file holds neither them nor a text encoder that gives them.
    """
    held = counter.state_dict()[FEATURES]  # shares its memory with the counter
    held.copy_(_text_features(counter, file, prefix, held))


def finish_vit(counter: Counter, file: WeightsFile, prefix: str) -> None:
    """Fill the text features and the prompts of every layer.

    Raises:
        InputError: see `finish`; or the prompts have other shapes.
    """
    finish(counter, file, prefix)
    held = counter.state_dict()["prompts"]
    names = {f"{prefix}vpt_{layer}": f"vpt_{layer}" for layer in range(len(held))}
    tensors = read_tensors(file, names, dict.fromkeys(names.values(), held[0]))
    for layer, own in enumerate(names.values()):
        held[layer].copy_(tensors[own])


def _text_features(counter: Counter, file: WeightsFile, prefix: str, expected: Tensor) -> Tensor:
    name = f"{prefix}{FEATURES}"
    if name in file.shapes:
        return functional.normalize(read_tensors(file, {name: FEATURES}, {FEATURES: expected})[FEATURES], dim=1)
    names = {name: name.removeprefix(prefix + TEXT) for name in file.shapes if name.startswith(prefix + TEXT)}
    if not names:
        raise InputError(f"{file.path}: holds no {TEXT}*, from which the features of the bins' prompts follow")
    shapes = {own: file.shapes[name] for name, own in names.items()}
    with torch.device("meta"):  # shapes alone: no memory is taken for what a stranger's names ask for
        state = _text_tower(file, shapes, expected.shape[1]).state_dict()
    check_names(file.path, set(shapes), state, whole=True)
    tensors = read_tensors(file, names, state)
    with torch.random.fork_rng(devices=[]):  # the random start is overwritten: it must cost the caller no draws
        tower = _text_tower(file, shapes, expected.shape[1])
    tower.load_state_dict(tensors)
    tokens = open_clip().get_tokenizer("RN50")(prompts(counter.bins))  # type: ignore[arg-type]
    with torch.no_grad():
        features: Tensor = functional.normalize(tower.eval()(tokens), dim=1)
    return features


def _text_tower(file: WeightsFile, shapes: Mapping[str, tuple[int, ...]], embedding: int) -> Any:
    """An empty text tower of the file's own width and depth.

    Raises:
        InputError: its shapes are those of no CLIP.
    """
    from open_clip.transformer import QuickGELU, TextTransformer

    context, width = (*shapes.get("positional_embedding", ()), 0, 0)[:2]
    layers = {name.split(".")[2] for name in shapes if name.startswith("transformer.resblocks.")}
    if context != CONTEXT or width % HEAD or shapes.get("token_embedding.weight") != (TOKENS, width) or not layers:
        raise InputError(
            f"{file.path}: {TEXT}* is no text encoder of CLIP: {TOKENS} tokens, sentences of {CONTEXT}, heads of {HEAD}"
        )
    return TextTransformer(
        context_length=CONTEXT,
        vocab_size=TOKENS,
        width=width,
        heads=width // HEAD,
        layers=len(layers),
        output_dim=embedding,
        act_layer=QuickGELU,
    )


def _numbers(bins: Any) -> list[list[float]] | None:
    """Pairs of numbers, "inf" among them, as trainers write them."""
    try:
        return [[float(side) for side in pair] for pair in bins]
    except (TypeError, ValueError):
        return None
