"""A recipe with every argument of its counter written out."""

from countguard.models.registry import counter_class
from countguard.studies.recipe import ModelSettings, Recipe


def written_out(recipe: Recipe) -> Recipe:
    """The recipe whose model names every argument, also those that are measured on the clean training crowds.

    A recipe that varies its model is returned as it is: each of its cards holds its counter's settings.

    Raises:
        InputError: crowds or weights are missing or not usable.
    """
    if any(name.split(".")[0] == "model" for name in recipe.vary):
        return recipe
    model, seed = recipe.model, recipe.seeds[0]
    kind = counter_class(model.kind)
    # a trained counter keeps what was measured on the crowds that it was trained on
    untrained = model.weights is None or model.weights in kind.pretrained
    measured = kind.measured_on(recipe.data.load_training()) if untrained else {}
    named = ModelSettings(kind=model.kind, weights=model.weights, **{**measured, **model.arguments})
    settings = named.build(seed).settings()
    return recipe.model_copy(update={"model": ModelSettings(kind=model.kind, weights=model.weights, **settings)})
