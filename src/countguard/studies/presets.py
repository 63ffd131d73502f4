"""Presets: the defaults of a recipe, from the paper, from its public code, or steadier ones."""

from typing import Any

Raw = dict[str, Any]

_PAPER: dict[str, Raw] = {
    "csrnet": {
        "training": {"optimizer": "adam", "lr": 1e-5, "epochs": 100, "batch_size": 1, "augmentation": {"flip": 0.5}},
    },
    "clip_ebc": {
        "training": {
            "optimizer": "adam",
            "lr": 4e-4,
            "epochs": 150,
            "batch_size": 8,
            "schedule": {"kind": "cosine"},
            "augmentation": {"crop": {"size": 448}, "flip": 0.5, "jitter": 0.2, "blur": 0.2, "salt_and_pepper": 0.5},
        },
        "model": {"objective": {"count": "dmcount"}},  # not in the text; from CLIP-EBC's own command
        "defense": {"lr": 1e-4, "epochs": 100},
    },
}
_PAPER["clip_ebc_vit"] = _PAPER["clip_ebc"]
_PAPER["csrnet_ebc"] = {
    **_PAPER["clip_ebc"],
    "training": {**_PAPER["clip_ebc"]["training"], "lr": 1e-4},
    "defense": {"lr": 5e-5, "epochs": 100},
}

_PAPER["lite"] = {"training": {"lr": 2e-3, "epochs": 30, "batch_size": 16, "schedule": {"kind": "cosine"}}}
_PAPER["timm"] = {
    "training": {"lr": 1e-3, "epochs": 20, "batch_size": 8, "schedule": {"kind": "cosine"}},
    "defense": {"lr": 3e-4},
}
_PAPER["p2pnet"] = {  # its authors'
    "training": {
        "lr": 1e-4,
        "weight_decay": 1e-4,
        "epochs": 3500,
        "batch_size": 8,
        "clip_gradient": 0.1,
        "augmentation": {"crop": {"size": 128, "zoom": [0.75, 1.5]}, "flip": 0.5},
    },
    "defense": {"lr": 1e-4, "epochs": 100},
}
_PAPER["dm_count"] = {  # DM-Count's authors', on pictures of Part_B's size
    "training": {
        "lr": 1e-5,
        "weight_decay": 1e-4,
        "epochs": 1000,
        "batch_size": 10,
        "augmentation": {"crop": {"size": 512, "zoom": [1.0, 1.0]}, "flip": 0.5},
    },
    "defense": {"lr": 1e-5, "epochs": 100},
}
_PAPER["can"] = {"training": {"lr": 1e-4, "weight_decay": 5e-4, "epochs": 1000, "batch_size": 8}}
_PAPER["sfanet"] = {
    "training": {
        "lr": 1e-4,
        "epochs": 500,
        "batch_size": 8,
        "augmentation": {"crop": {"size": 400, "zoom": [0.83, 1.25]}, "flip": 0.5},
    },
}
_PAPER["mcnn"] = {"training": {"lr": 1e-4, "epochs": 30, "batch_size": 4, "schedule": {"kind": "cosine"}}}

_REFERENCE: dict[str, Raw] = {
    "csrnet": {
        "model": {"mean": [0.5, 0.5, 0.5], "std": [0.225, 0.225, 0.225]},
        "training": {"select": "best_test_as_published", "select_from": 1, "select_every": 20},
    },
    "clip_ebc": {
        "model": {"objective": {"count": "mae"}},  # the trainer's default, and no command is published
        "training": {
            "lr": 1e-4,
            "weight_decay": 1e-4,
            "schedule": {
                "kind": "warm_restarts",
                "warmup": 50,
                "warmup_lr": 1e-6,
                "period": 5,
                "growth": 2,
                "floor": 1e-7,
            },
            "select": "best_test_as_published",
            "select_from": 50,
            "select_every": 1,
        },
        "defense": {"lr": 1e-4},
    },
}
_REFERENCE["clip_ebc_vit"] = _REFERENCE["clip_ebc"]
_REFERENCE["csrnet_ebc"] = _REFERENCE["clip_ebc"]

_STEADY: Raw = {"training": {"schedule": {"kind": "cosine"}, "average": 0.999}}


def preset(name: str, kind: str) -> Raw:
    """The defaults of a preset for one kind of counter: `model`, `training`; `strategy`, `defense` for each of those.

    paper: as in the text. reference-code: as in the paper's public code, where the two differ (listed in
    docs/reproduction.md). steady: as in the text, with a decayed learning rate and averaged weights, because with a
    constant rate the result depends strongly on the epoch in which the training ends.
    """
    paper = _PAPER.get(kind, {})
    if name == "reference-code":
        return merged(paper, merged(_REFERENCE.get(kind, {}), {"strategy": {"variant": "reference-code"}}))
    if name == "steady":
        return merged(paper, _STEADY)
    return paper


def merged(below: Raw, above: Raw) -> Raw:
    """Two nested settings merged, where `above` has priority; a setting of another `kind` is replaced as a whole."""
    if "kind" in above and "kind" in below and above["kind"] != below["kind"]:
        return above
    both = {**below, **above}
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            both[key] = merged(below[key], value)
    return both
