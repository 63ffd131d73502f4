"""A recipe with every argument of its counter written out."""

from countguard.studies.recipe import ModelSettings, Recipe


def written_out(recipe: Recipe) -> Recipe:
    """The recipe whose model names every argument, also those that are measured on the clean training crowds.

    A recipe that varies its model is returned as it is: each of its cards holds its counter's settings.

    Raises:
        InputError: crowds or weights are missing or not usable.
    """
    if any(name.split(".")[0] == "model" for name in recipe.vary):
        return recipe
    counter = recipe.model.build(recipe.seeds[0])
    counter.prepare(recipe.data.load_training())
    model = ModelSettings(kind=recipe.model.kind, weights=recipe.model.weights, **counter.settings())
    return recipe.model_copy(update={"model": model})
